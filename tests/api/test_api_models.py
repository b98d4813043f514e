"""Model versions over HTTP: which serves, promote, roll back, and what is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.api_world import problem, search

NEVER = "20000101T000000-000000"


def published(client, name: str = "ranker", **card: object) -> str:
    """One more version like the one that serves, but for what its card says."""
    models = client.app.state.service.home.models
    serving = models.current(name)
    files = {file: serving.read(file) for file in serving.files}
    return models.publish(name, files, replace(serving.card, **card))


def current(client, name: str = "ranker") -> str:
    return client.get("/v1/models").json()[name]["current"]


def test_the_list_says_which_version_serves(client):
    newer = published(client)
    answer = client.get("/v1/models").json()
    assert set(answer) == {"ranker", "bandit", "abstention", "reward", "generator"}
    assert answer.pop("abstention")["current"] is None  # so small a home has too few lessons for it
    for name in ("reward", "generator"):
        assert answer.pop(name)["current"] is None  # nobody has searched yet
    for model in answer.values():
        assert set(model) == {"current", "pinned", "refused", "versions"}
        assert model["current"] in [version["version"] for version in model["versions"]]
        assert (model["pinned"], model["refused"]) == (False, None)
    versions = answer["ranker"]["versions"]
    assert versions[0]["version"] == newer  # newest first
    assert versions[-1]["version"] == answer["ranker"]["current"]
    assert all(version["metrics"] for version in versions)


@pytest.mark.parametrize("name", ["ranker", "bandit"])
def test_promote_and_roll_back(client, name):
    old, new = current(client, name), published(client, name)
    response = client.post(f"/v1/models/{name}/promote", params={"version": new})
    assert response.json() == {"model": name, "current": new, "pinned": False}
    assert current(client, name) == new
    logged = client.get(f"/v1/queries/{search(client, 'hello')['query_id']}").json()
    assert logged["models"][name] == new
    response = client.post(f"/v1/models/{name}/rollback")
    assert response.json() == {"model": name, "current": old, "pinned": True}
    assert client.get("/v1/models").json()[name]["pinned"] is True
    assert client.post(f"/v1/models/{name}/promote", params={"version": new}).json()["pinned"] is False


def test_a_model_of_other_features_is_refused_and_the_old_one_serves_on(client):
    old, other = current(client), published(client, feature_names=("a", "b"), feature_hash="of other features")
    refused = problem(client.post("/v1/models/ranker/promote", params={"version": other}), 409)
    assert "other features" in refused["detail"]
    assert current(client) == old
    assert search(client, "hello")["hits"]


def test_a_damaged_model_is_refused(client, home):
    damaged = published(client)
    for file in (home / "models" / "ranker" / damaged).glob("*.txt"):
        file.write_bytes(b"not a model")
    problem(client.post("/v1/models/ranker/promote", params={"version": damaged}), 409)


@pytest.mark.parametrize("name", ["ranker", "nothing"])
def test_what_does_not_exist_is_not_found(reader, name):
    problem(reader.post(f"/v1/models/{name}/promote", params={"version": NEVER}), 404)
    problem(reader.post("/v1/models/nothing/rollback"), 404)


@pytest.mark.parametrize("version", ["../../catalog.sqlite", "", "\x00", "x" * 10_000])
def test_a_version_is_a_name_and_nothing_else(reader, version):
    problem(reader.post("/v1/models/ranker/promote", params={"version": version}), 404)


def test_the_version_is_required(reader):
    assert problem(reader.post("/v1/models/ranker/promote"), 422)["field"] == "version"


def test_with_no_earlier_version_there_is_nothing_to_roll_back_to(reader):
    problem(reader.post("/v1/models/ranker/rollback"), 409)
