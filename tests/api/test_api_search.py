"""Searching over HTTP: fields, limits, filters, policies, paging, explanations, odd queries."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest

from bandstand.catalog.text import MAX_READ_BYTES
from bandstand.engine.answers import LoggedAnswer, SearchAnswer
from bandstand.retrievers.registry import BUILT_IN
from bandstand.settings import Settings
from bandstand.types import DEPTHS
from tests.support.api_world import ids, problem, search, serving

POLICIES = get_args(Settings.model_fields["default_policy"].annotation)

ODD_QUERIES = {
    "empty": "",
    "blank": "   ",
    "longest": "a" * 10_000,
    "longest words": "ab " * 3_333,
    "control characters": "hel\x00lo\x07\x1b[31m\r\n",
    "query syntax": 'title:"hello" AND (a OR -b) ~2 ^3 [1 TO *] {x} /re/ \\ "',
    "sql": "'; DROP TABLE log; --",
    "emoji": "👩‍👩‍👧‍👦 🎵 ❤️",
    "right to left": "فيروز \u202e evil",
    "only marks": "!!!",
    "combining": "e" + "\u0301" * 500,
    "astral": "𝔥𝔢𝔩𝔩𝔬",
}


class TestAnswer:
    def test_has_the_documented_shape(self, reader):
        answer = search(reader, "Hello Adele", k=3)
        assert set(answer) == {"query_id", "query", "hits", "decision", "took_ms"}
        assert answer["query"] == {"text": "Hello Adele", "normalized": "hello adele", "corrected": None}
        first = answer["hits"][0]
        assert {
            name: first[name] for name in ("position", "entity_id", "kind", "title", "artists", "album", "year")
        } == {
            "position": 1,
            "entity_id": "hello",
            "kind": "track",
            "title": "Hello",
            "artists": ["Adele"],
            "album": None,
            "year": 2015,
        }
        assert set(first) - {"position", "entity_id", "kind", "title", "artists", "album", "year"} == {
            "score",
            "sources",
        }
        assert all(set(source) == {"rank", "score"} for source in first["sources"].values())
        assert first["sources"]
        assert [hit["position"] for hit in answer["hits"]] == [1, 2, 3]

    @pytest.mark.parametrize("explain", [False, True])
    def test_is_what_the_description_says(self, reader, explain):
        answer = search(reader, "hello", explain=explain)
        msgspec.convert(answer, SearchAnswer)
        assert ("explain" in answer["hits"][0]) is explain
        msgspec.convert(reader.get(f"/v1/queries/{answer['query_id']}").json(), LoggedAnswer)

    def test_names_every_arm_with_its_propensity(self, reader):
        arms = search(reader, "hello")["decision"]["arms"]
        assert [arm["arm"] for arm in arms] == list(BUILT_IN.names)
        for arm in arms:
            assert set(arm) == {"arm", "depth", "propensity", "candidates", "took_ms", "status"}
            assert arm["depth"] in DEPTHS
            assert 0 < arm["propensity"] <= 1
            assert arm["candidates"] <= arm["depth"] or arm["status"] == "rescue"

    def test_every_hit_was_brought_by_an_arm_that_played(self, reader):
        answer = search(reader, "hurt", policy="hybrid")
        assert {arm for hit in answer["hits"] for arm in hit["sources"]} <= {"lexical", "dense"}


class TestFields:
    @pytest.mark.parametrize("k", [1, 5, 100])
    def test_k_bounds_the_page(self, reader, k):
        assert len(search(reader, "hello", k=k, policy="all")["hits"]) == min(k, 15)

    @pytest.mark.parametrize(
        ("field", "body"),
        [
            ("k", {"k": 0}),
            ("k", {"k": 101}),
            ("k", {"k": "many"}),
            ("k", {"k": 1.5}),
            ("k", {"k": None}),
            ("offset", {"offset": -1}),
            ("offset", {"offset": 100}),
            ("offset", {"offset": 95, "k": 10}),
            ("query", {"query": None}),
            ("query", {"query": 5}),
            ("query", {"query": "a" * 10_001}),
            ("user_id", {"user_id": ""}),
            ("user_id", {"user_id": "u" * 101}),
            ("session_id", {"session_id": 5}),
            ("kinds.0", {"kinds": ["song"]}),
            ("kinds", {"kinds": "track"}),
            ("policy", {"policy": "clever"}),
            ("explain", {"explain": "perhaps"}),
            ("filters", {"filters": []}),
            ("filters.genre", {"filters": {"genre": None}}),
            ("filters.genre.0", {"filters": {"genre": [[5]]}}),
            ("filters.year", {"filters": {"year": ["1990"]}}),
            ("filters.year.gte", {"filters": {"year": {"gte": "soon"}}}),
            ("filters.year.from", {"filters": {"year": {"from": 1990}}}),
            ("qeury", {"qeury": "hello"}),
        ],
    )
    def test_a_value_that_cannot_be_used_is_named(self, reader, field, body):
        document = problem(reader.post("/v1/search", json={"query": "hello", **body}), 422)
        assert document["field"] == field
        assert field in document["detail"]

    def test_the_query_is_required(self, reader):
        assert problem(reader.post("/v1/search", json={}), 422)["field"] == "query"

    def test_an_unknown_policy_is_answered_with_the_known_ones(self, reader):
        detail = problem(reader.post("/v1/search", json={"query": "a", "policy": "clever"}), 422)["detail"]
        assert all(name in detail for name in ("bandit", "all", "lexical", "dense", "memory", "hybrid"))

    @pytest.mark.parametrize("policy", POLICIES)
    def test_every_policy_answers_by_its_name(self, reader, policy):
        assert search(reader, "hello", policy=policy)["decision"]["policy"] == policy

    def test_the_setting_knows_every_policy(self, reader):
        assert set(POLICIES) == set(reader.app.state.service.home.serving().policies)

    def test_without_a_name_the_setting_decides(self, home):
        with serving(home, default_policy="hybrid") as client:
            assert search(client, "hello")["decision"]["policy"] == "hybrid"


class TestFilters:
    def test_kinds(self, reader):
        assert ids(search(reader, "beyonce", kinds=["artist"], policy="all")) == ["beyonce"]

    def test_an_attribute_has_one_of_the_values(self, reader):
        answer = search(reader, "hurt", filters={"genre": ["country", "jazz"]}, policy="all")
        assert set(ids(answer)) == {"hurt-cash", "so-what", "blue-in-green"}
        assert ids(answer)[0] == "hurt-cash"

    @pytest.mark.parametrize(
        ("year", "expected"),
        [
            ({"gte": 2005}, {"halo", "hoppipolla", "hello"}),
            ({"lte": 1959}, {"so-what", "blue-in-green"}),
            ({"gte": 1984, "lte": 1988}, {"hallelujah", "one-metallica"}),
            ({"gte": 2000, "lte": 1990}, set()),
        ],
    )
    def test_years_are_inclusive_bounds(self, reader, year, expected):
        assert set(ids(search(reader, "one", filters={"year": year}, policy="all"))) == expected

    def test_not_ranges_and_what_exists(self, reader):
        found = search(reader, "one", policy="all", filters={"popularity": {"gte": 0.8}, "not": {"genre": ["rock"]}})
        assert set(ids(found)) == {"halo", "hurt-cash", "one-metallica", "hello", "beyonce"}
        found = search(reader, "rainy", policy="all", filters={"genre": {"exists": False}})
        assert set(ids(found)) == {"beyonce", "rainy"}

    def test_an_unknown_field_is_refused_with_the_nearest(self, reader):
        document = problem(reader.post("/v1/search", json={"query": "hello", "filters": {"gnre": ["pop"]}}), 422)
        assert document["field"] == "filters"
        assert "genre" in document["detail"]
        for path in ("/v1/suggest?q=he&filters=", "/v1/entities/halo/related?filters="):
            assert "genre" in problem(reader.get(path + '{"gnre":["pop"]}'), 422)["detail"]
            assert problem(reader.get(path + "{"), 422)["field"] == "filters"
            assert problem(reader.get(path + "[]"), 422)["field"] == "filters"


class TestPaging:
    def test_a_further_page_repeats_decision_and_ranking(self, reader):
        whole = search(reader, "hello", k=6, policy="all")
        first = search(reader, "hello", k=3, policy="all")
        second = search(reader, "hello", k=3, offset=3, query_id=first["query_id"])
        assert ids(first) + ids(second) == ids(whole)
        assert [hit["position"] for hit in second["hits"]] == [4, 5, 6]
        assert second["query_id"] == first["query_id"]
        assert second["decision"] == first["decision"]

    def test_beyond_the_end_is_an_empty_page(self, reader):
        first = search(reader, "hello", policy="all")
        assert search(reader, "hello", offset=90, query_id=first["query_id"])["hits"] == []

    def test_a_search_that_was_never_made_is_not_found(self, reader):
        problem(reader.post("/v1/search", json={"query": "hello", "query_id": "never"}), 404)

    def test_an_entity_deleted_between_two_pages_does_not_break_the_second(self, client):
        first = search(client, "hello", k=2, policy="all")
        gone = ids(search(client, "hello", k=1, offset=2, query_id=first["query_id"]))[0]
        assert client.delete(f"/v1/entities/{gone}").status_code == 204
        later = search(client, "hello", k=4, offset=2, query_id=first["query_id"])
        assert gone not in ids(later)
        assert len(later["hits"]) == 3


class TestExplanation:
    def test_contributions_sum_up_to_the_score(self, reader):
        answer = search(reader, "hello adele", explain=True, policy="all")
        assert answer["hits"]
        for hit in answer["hits"]:
            explained = hit["explain"]
            total = sum(explained["contributions"].values()) + explained["bias"]
            assert total == pytest.approx(hit["score"], abs=1e-4)
            assert set(explained["contributions"]) == set(explained["features"])

    def test_the_probabilities_are_those_of_the_depths(self, reader):
        arms = search(reader, "hello", explain=True)["decision"]["arms"]
        chosen = [arm for arm in arms if "probabilities" in arm]
        assert chosen
        for arm in chosen:
            assert sum(arm["probabilities"]) == pytest.approx(1.0)
            assert arm["probabilities"][DEPTHS.index(arm["depth"])] == pytest.approx(arm["propensity"])


class TestOddQueries:
    @pytest.mark.parametrize("name", ODD_QUERIES)
    def test_are_answered(self, reader, name):
        answer = search(reader, ODD_QUERIES[name])
        read, typed = answer["query"]["text"], ODD_QUERIES[name]
        assert read == typed or (typed.startswith(read) and MAX_READ_BYTES - 4 < len(read.encode()) <= MAX_READ_BYTES)

    @pytest.mark.parametrize(
        "body",
        [
            {"query": "\ud800"},
            {"query": "a", "user_id": "\udfff"},
            {"query": "a", "policy": "\ud800"},
            {"query": "a", "filters": {"\ud800": ["x"]}},
            {"query": "a", "filters": {"genre": ["\ud800"]}},
            {"query": "a", "\ud800": 1},
        ],
    )
    def test_half_a_surrogate_pair_is_refused(self, reader, body):
        raw = json.dumps(body).encode()  # as \ud800, which is legal JSON
        problem(reader.post("/v1/search", content=raw, headers={"content-type": "application/json"}), 422)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"7",
            b"\xff\xfe",
            b'{"query": "a"} x',
            b"[" * 100_000,
            b'{"query": "a", "k": ' + b"9" * 5000 + b"}",
            b'{"query": "a", "k": NaN}',
        ],
        ids=lambda raw: raw[:20].decode("latin-1"),
    )
    def test_a_body_that_is_no_search_is_a_problem(self, reader, raw):
        response = reader.post("/v1/search", content=raw, headers={"content-type": "application/json"})
        problem(response, response.status_code)
        assert response.status_code in {400, 422}

    def test_json_must_say_that_it_is_json(self, reader):
        problem(reader.post("/v1/search", content=b'{"query":"a"}', headers={"content-type": "text/plain"}), 422)


class TestLayout:
    def test_sections_hold_the_hits_of_the_page_by_kind(self, reader):
        answer = search(reader, "beyonce", policy="all", sections=True)
        assert [hit for section in answer["sections"] for hit in section["hits"]] == answer["hits"]
        assert {section["kind"] for section in answer["sections"]} >= {"track", "artist"}
        assert all(hit["kind"] == section["kind"] for section in answer["sections"] for hit in section["hits"])

    def test_they_are_left_out_unless_asked_for(self, reader):
        assert "sections" not in search(reader, "beyonce")

    @pytest.mark.parametrize("mix", [True, False, None])
    def test_mixing_may_be_asked_for_or_not(self, reader, mix):
        answer = search(reader, "halo", policy="all", mix=mix, k=15)
        scores = [hit["score"] for hit in answer["hits"]]
        assert scores[0] == max(scores)
        assert mix is not False or scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("field", ["mix", "sections"])
    def test_bad_values_are_named(self, reader, field):
        assert problem(reader.post("/v1/search", json={"query": "x", field: "perhaps"}), 422)["field"] == field
