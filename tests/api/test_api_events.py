"""Feedback over HTTP: what is accepted, what is refused, and that it is learned."""

from __future__ import annotations

import json

import pytest

from bandstand.feedback.ablation import ABLATION
from tests.support.api_world import click, eventually, ids, problem, search, serving


def ndjson(*lines: object) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


class TestBodies:
    def test_one_event(self, reader):
        query_id = search(reader, "hello")["query_id"]
        response = reader.post("/v1/events", json=click(query_id, "hello"))
        assert response.status_code == 202
        assert response.json() == {"accepted": 1, "duplicates": 0, "rejected": []}

    def test_a_list(self, reader):
        events = [click("q", "hello", event_id=f"e{number}") for number in range(3)]
        assert reader.post("/v1/events", json=events).json() == {"accepted": 3, "duplicates": 0, "rejected": []}

    @pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", None])
    def test_lines_with_a_bad_one_in_the_middle(self, reader, kind):
        body = ndjson(
            click("q", "hello", event_id=f"{kind} 1"),
            b"{oops",
            {"no": "action"},
            b"",
            click("q", "one", event_id=f"{kind} 2"),
        )
        headers = {"content-type": kind} if kind else {}
        answer = reader.post("/v1/events", content=body, headers=headers).json()
        assert answer["accepted"] == 2
        assert [item["index"] for item in answer["rejected"]] == [1, 2]
        assert "not JSON" in answer["rejected"][0]["reason"]
        assert "action_name" in answer["rejected"][1]["reason"]

    @pytest.mark.parametrize("body", [b"", b"  \n ", b"{", b"[1,", b"nonsense", b"\xff\xff"])
    def test_a_body_that_is_no_events_is_a_problem(self, reader, body):
        problem(reader.post("/v1/events", content=body, headers={"content-type": "application/json"}), 422)

    def test_values_that_are_no_objects_are_rejected_one_by_one(self, reader):
        answer = reader.post("/v1/events", json=[1, None, "x", [], click("q", "hello")]).json()
        assert answer["accepted"] == 1
        assert [item["index"] for item in answer["rejected"]] == [0, 1, 2, 3]

    def test_what_teaches_nothing_is_accepted_and_named(self, reader):
        events = [
            click("q", "hello", event_id="taught"),
            {"action_name": "click", "event_attributes": {"position": {"ordinal": 1}}},
            {"action_name": "hover"},
            click("q", "nowhere"),
        ]
        answer = reader.post("/v1/events", json=events).json()
        assert answer["accepted"] == 4
        assert answer["without_effect"] == [
            {"index": 1, "reason": "it names no object"},
            {"index": 3, "reason": "the catalogue has no entity 'nowhere'"},
        ]

    def test_too_large(self, home):
        with serving(home, max_body_mb=0.001) as client:
            problem(client.post("/v1/events", content=b"x" * 1_001), 413)
            chunks = (b"x" * 100 for _ in range(20))  # without an announced length
            problem(client.post("/v1/events", content=chunks), 413)
            assert client.post("/v1/events", json=click("q", "hello")).status_code == 202

    @pytest.mark.parametrize(
        "fields",
        [
            {"user_id": "\ud800"},
            {"query_id": "\ud800"},
            {"action_name": "\ud800"},
            {"event_attributes": {"a": "\ud800"}},
        ],
    )
    def test_half_a_surrogate_pair_never_breaks_the_answer(self, reader, fields):
        raw = json.dumps({**click("q", "hello"), **fields}).encode()
        response = reader.post("/v1/events", content=raw, headers={"content-type": "application/json"})
        assert response.status_code in {202, 422}
        assert response.json().get("accepted", 0) == 0


class TestRepeats:
    def test_a_given_id_is_accepted_once(self, client):
        event = click("q", "hello", event_id="mine")
        assert client.post("/v1/events", json=[event, event]).json()["duplicates"] == 1
        assert client.post("/v1/events", json=event).json() == {"accepted": 0, "duplicates": 1, "rejected": []}

    def test_without_an_id_the_content_decides(self, client):
        event = click("q", "hello", timestamp="2026-01-01T00:00:00Z")
        assert client.post("/v1/events", json=event).json()["accepted"] == 1
        assert client.post("/v1/events", json=event).json()["duplicates"] == 1
        assert client.post("/v1/events", json={**event, "session_id": "s"}).json()["accepted"] == 1


class TestLearning:
    def test_with_wait_the_next_search_shows_the_click(self, client):
        before = search(client, "greeting from the other side", user_id="ann", policy="all")
        assert not any({"memory", "personal"} & set(hit["sources"]) for hit in before["hits"])
        event = click(before["query_id"], "hello", user_id="ann")
        assert client.post("/v1/events?wait=true", json=event).json()["learned"] is True
        after = search(client, "greeting from the other side", user_id="ann", policy="all")
        assert {"memory", "personal"} <= set(after["hits"][ids(after).index("hello")]["sources"])

    def test_without_wait_it_is_learned_soon(self, client):
        before = search(client, "greeting from the other side", user_id="ann", policy="memory")
        client.post("/v1/events", json=click(before["query_id"], "hello", user_id="ann"))
        eventually(lambda: ids(search(client, "greeting from the other side", user_id="ann", policy="memory")))

    def test_a_query_becomes_everybodys_once_two_users_agree(self, client):
        def other():
            return ids(search(client, "the sad one", user_id="eve", policy="memory"))

        for user, expected in (("ann", []), ("bob", ["hurt-cash"])):
            asked = search(client, "the sad one", user_id=user)["query_id"]
            client.post("/v1/events?wait=true", json=click(asked, "hurt-cash", user_id=user))
            assert other() == expected

    def test_an_event_without_a_search_teaches_by_its_user_query(self, client):
        event = {**click("", "hello", user_id="ann"), "user_query": "a voice on the phone"}
        del event["query_id"]
        assert client.post("/v1/events?wait=true", json=event).json()["learned"] is True
        assert ids(search(client, "a voice on the phone", user_id="ann", policy="memory")) == ["hello"]

    def test_an_unknown_action_is_stored_and_teaches_nothing(self, client):
        before = search(client, "greeting", user_id="ann", policy="memory")
        event = {**click(before["query_id"], "hello", user_id="ann"), "action_name": "hover"}
        assert client.post("/v1/events?wait=true", json=event).json()["accepted"] == 1
        assert ids(search(client, "greeting", user_id="ann", policy="memory")) == []
        logged = client.app.state.service.home.log.events_of(before["query_id"], limit=10)
        assert [each.action for each in logged if each.action != ABLATION] == ["hover"]

    def test_without_a_learner_wait_says_so(self, home, monkeypatch):
        with serving(home, learn=False) as client:
            service = client.app.state.service
            whole = service.until
            monkeypatch.setattr(service, "until", lambda reached: whole(reached, seconds=0.05))
            answer = client.post("/v1/events?wait=true", json=click("q", "hello")).json()
        assert answer == {"accepted": 1, "duplicates": 0, "rejected": [], "learned": False}


class TestLoggedSearch:
    def test_shows_decision_page_and_models(self, client):
        answer = search(client, "hello", k=2)
        logged = client.get(f"/v1/queries/{answer['query_id']}").json()
        assert logged["query"] == answer["query"]
        mine, theirs = ([(hit["position"], hit["entity_id"]) for hit in page["hits"]] for page in (logged, answer))
        assert mine == theirs
        mine, theirs = ([hit["score"] for hit in page["hits"]] for page in (logged, answer))
        assert mine == pytest.approx(theirs, rel=2**-10)  # eleven bits are logged
        assert set(logged["models"]) == {"ranker", "bandit"}
        for mine, theirs in zip(logged["decision"]["arms"], answer["decision"]["arms"], strict=True):
            assert {name: mine[name] for name in theirs} == theirs

    def test_of_a_search_that_was_never_made(self, client):
        problem(client.get("/v1/queries/never"), 404)


class TestSuggest:
    def test_completes_names_by_popularity(self, reader):
        answer = reader.get("/v1/suggest", params={"q": "h", "k": 20}).json()
        assert answer["query"] == "h"
        assert [item["entity_id"] for item in answer["suggestions"]][:2] == ["hello", "halo"]

    def test_offers_queries_that_several_people_made(self, client):
        for user in ("ann", "bob"):
            asked = search(client, "songs for a rainy walk", user_id=user)["query_id"]
            client.post("/v1/events?wait=true", json=click(asked, "rainy", user_id=user))
        offered = client.get("/v1/suggest", params={"q": "songs for"}).json()["suggestions"]
        assert offered == [{"text": "songs for a rainy walk", "entity_id": None, "source": "asked"}]

    @pytest.mark.parametrize("q", ["", " ", "zzzz", "\x00", "!!!", "宇多", "a" * 200])
    def test_of_odd_beginnings(self, reader, q):
        assert reader.get("/v1/suggest", params={"q": q}).status_code == 200

    @pytest.mark.parametrize(("field", "value"), [("q", "a" * 201), ("k", "0"), ("k", "51"), ("k", "x")])
    def test_bad_values_are_named(self, reader, field, value):
        assert problem(reader.get("/v1/suggest", params={field: value}), 422)["field"] == field
