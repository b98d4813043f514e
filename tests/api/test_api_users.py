"""The right to be forgotten: afterwards no file of the home holds the user's name, and nothing personal is left."""

from __future__ import annotations

from tests.support.api_world import click, ids, problem, search, serving

USER = "ann-with-an-unmistakable-name"


def files_with(home, needle: str) -> list[str]:
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and needle.encode() in path.read_bytes()
    ]


def live(client, user: str) -> None:
    """A few searches, clicks and plays."""
    for query, entity in (("the sad one", "hurt-cash"), ("something blue", "blue-in-green"), ("hello", "hello")):
        asked = search(client, query, user_id=user, session_id=f"session of {user}")["query_id"]
        client.post("/v1/events?wait=true", json=click(asked, entity, user_id=user))
        client.post("/v1/events?wait=true", json=click(asked, entity, session_id=f"session of {user}"))
        client.post(
            "/v1/events?wait=true", json=click(asked, entity, event_attributes={"object": {"object_id": entity}})
        )


def test_nothing_personal_is_left(client, home):
    live(client, USER)
    live(client, "bob")
    assert files_with(home, USER)
    assert ids(search(client, "the sad one", user_id=USER, policy="memory")) == ["hurt-cash"]

    answer = client.delete(f"/v1/users/{USER}").json()

    assert answer == {"user_id": USER, "deleted": {"impressions": 4, "events": 9}}
    assert files_with(home, USER) == []
    assert ids(search(client, "something blue", user_id="eve", policy="memory")) == ["blue-in-green"]  # two had agreed
    after = search(client, "anything", user_id="bob", policy="all")
    assert any("personal" in hit["sources"] for hit in after["hits"])


def test_the_own_memory_is_gone(client):
    asked = search(client, "the sad one", user_id=USER)["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hurt-cash", user_id=USER))
    client.delete(f"/v1/users/{USER}")
    problem(client.get(f"/v1/queries/{asked}"), 404)
    assert ids(search(client, "the sad one", user_id=USER, policy="memory")) == []
    again = search(client, "the sad one", user_id=USER, policy="all")
    assert not any("personal" in hit["sources"] for hit in again["hits"])


def test_it_stays_gone_after_a_restart(home):
    with serving(home) as client:
        live(client, USER)
        client.delete(f"/v1/users/{USER}")
    assert files_with(home, USER) == []
    with serving(home) as client:
        assert ids(search(client, "the sad one", policy="memory")) == []
    assert files_with(home, USER) == []


def test_an_unknown_user_is_forgotten_too(client):
    assert client.delete("/v1/users/nobody%2Fat%0Aall").json() == {
        "user_id": "nobody/at\nall",
        "deleted": {"impressions": 0, "events": 0},
    }


def test_without_a_learner_it_is_not_claimed(home, monkeypatch):
    with serving(home, learn=False) as client:
        service = client.app.state.service
        whole = service.until
        monkeypatch.setattr(service, "until", lambda reached: whole(reached, seconds=0.05))
        response = client.delete(f"/v1/users/{USER}")
        assert "ask again" in problem(response, 503)["detail"]
        assert int(response.headers["retry-after"]) >= 1
