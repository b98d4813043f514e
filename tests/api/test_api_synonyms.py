"""Synonyms over HTTP: listed, added and removed, in use at once, and only by who may."""

from __future__ import annotations

import pytest

from tests.support.api_world import problem, search

LINE = "the hello lady = adele"


def meant(client) -> set[tuple[str, str]]:
    answer = search(client, "the hello lady", explain=True)
    return {(sense["slot"], sense["value"]) for reading in answer["readings"] for sense in reading["senses"]}


def test_a_synonym_is_in_use_when_the_answer_comes(client):
    assert client.get("/v1/synonyms").json() == {"synonyms": []}
    assert ("artist", "adele") not in meant(client)
    assert client.post("/v1/synonyms", json={"line": LINE}).json() == {"synonyms": [LINE]}
    assert ("artist", "adele") in meant(client)
    assert client.delete("/v1/synonyms", params={"line": LINE}).json() == {"synonyms": []}
    assert ("artist", "adele") not in meant(client)


@pytest.mark.parametrize("line", ["just words", "a -> b", "a = b\nc = d", " "])
def test_a_wrong_line_is_refused_and_says_why(client, line):
    assert problem(client.post("/v1/synonyms", json={"line": line}), 422)["detail"]
    assert client.get("/v1/synonyms").json() == {"synonyms": []}


def test_an_unknown_one_cannot_be_removed(client):
    problem(client.delete("/v1/synonyms", params={"line": "x = y"}), 404)


def test_every_change_is_on_record_and_can_be_undone(client):
    client.post("/v1/synonyms", json={"line": LINE})
    client.post("/v1/synonyms", json={"line": LINE})  # changes nothing
    client.delete("/v1/synonyms", params={"line": LINE})
    removed, added = client.get("/v1/synonyms/changes").json()["changes"]
    assert [(each["action"], each["line"], each["undone"]) for each in (removed, added)] == [
        ("remove", LINE, None), ("add", LINE, None),
    ]  # fmt: skip
    for _ in range(2):
        answer = client.post(f"/v1/synonyms/changes/{removed['id']}/undo")
        assert answer.json() == {"synonyms": [LINE]}
    assert ("artist", "adele") in meant(client)
    undoing, again, _ = client.get("/v1/synonyms/changes").json()["changes"]
    assert (undoing["action"], undoing["undoes"]) == ("add", removed["id"])
    assert again["undone"] == undoing["time"]
    problem(client.post("/v1/synonyms/changes/none/undo"), 404)
