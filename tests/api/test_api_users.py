"""The right to be forgotten: afterwards no file of the home holds the user's name, and nothing personal is left."""

from __future__ import annotations

import json

from bandstand import user_token
from tests.support.api_world import click, eventually, ids, problem, search, serving

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
    assert ids(search(client, "something blue", user_id="eve", policy="memory")) == []  # that is bob's alone again
    assert ids(search(client, "something blue", user_id="bob", policy="memory")) == ["blue-in-green"]
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


def exported(client, user: str) -> dict[str, list[dict]]:
    """What a user is told, by kind."""
    response = client.get(f"/v1/users/{user}/export")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    found: dict[str, list[dict]] = {}
    for line in response.text.splitlines():
        found.setdefault(json.loads(line)["what"], []).append(json.loads(line))
    return found


def test_a_person_is_told_what_is_held_and_nothing_of_others(client):
    session = "a-session-that-nobody-else-has"
    asked = search(client, "before the name", session_id=session)["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hello", session_id=session))
    asked = search(client, "the sad one", user_id=USER, session_id=session)["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hurt-cash", user_id=USER))
    asked = search(client, "the sad one", user_id="bob")["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hurt-nin", user_id="bob"))

    held = exported(client, USER)

    assert sorted(search["user_query"] for search in held["search"]) == ["before the name", "the sad one"]
    assert {event["event_attributes"]["object"]["object_id"] for event in held["event"]} == {"hello", "hurt-cash"}
    named = [(query["actor"], query["text"], query["entity"]["id"], query["clicks"]) for query in held["query"]]
    assert named == [
        (USER, "the sad one", "hurt-cash", 1.0), (f"session:{session}", "before the name", "hello", 1.0)
    ]  # fmt: skip
    assert [(choice["entity"]["title"], choice["times"]) for choice in held["choice"]] == [
        ("Hurt", 1.0),
        ("Hello", 1.0),
    ]
    assert {derived["where"] for derived in held["derived"]} == {"open/", "session/", "rate/"}
    assert "bob" not in json.dumps(held)
    assert "hurt-nin" not in json.dumps([held["query"], held["choice"], held["derived"]])

    client.delete(f"/v1/users/{USER}")
    assert exported(client, USER) == {}


def test_what_is_held_is_for_whose_it_is(home):
    secret = "0123456789abcdef0123456789abcdef"
    with serving(home, admin_key="sesame", user_token_secret=secret) as client:
        client.headers["X-Bandstand-Key"] = "sesame"
        made = client.post("/v1/keys", json={"name": "page", "scopes": ["events"]}).json()
        assert client.get(f"/v1/users/{USER}/export").status_code == 200
        client.headers["X-Bandstand-Key"] = made["secret"]
        client.headers["X-Bandstand-User"] = user_token(USER, secret, expires=4_000_000_000)
        eventually(lambda: client.get(f"/v1/users/{USER}/export").status_code == 200)
        problem(client.get("/v1/users/bob/export"), 403)


def test_what_was_done_in_a_session_before_the_name_was_known_goes_too(client, home):
    session = "a-session-that-nobody-else-has"
    asked = search(client, "an unmistakable tune", session_id=session)["query_id"]
    client.post("/v1/events?wait=true", json=click(asked, "hurt-cash", session_id=session))
    client.post("/v1/events?wait=true", json=click(asked, "hurt-cash"))  # names nobody, on a search that is theirs
    search(client, "hello", session_id=session, user_id=USER)
    search(client, "hello", session_id=session, user_id="bob")  # who sat at the same machine
    assert ids(search(client, "an unmistakable tune", session_id=session, policy="memory")) == ["hurt-cash"]

    assert client.delete(f"/v1/users/{USER}").json()["deleted"] == {"impressions": 3, "events": 2}

    eventually(lambda: files_with(home, "an unmistakable tune") == [])
    assert ids(search(client, "an unmistakable tune", session_id=session, policy="memory")) == []
    client.delete("/v1/users/bob")
    assert files_with(home, session) == []  # he was seen in it too


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
