"""What goes with an entity over HTTP: the route, the block beside hits, events on it, and bad input."""

from __future__ import annotations

import pytest

from tests.support.api_world import ids, problem, search


def related(client, entity, **params):
    response = client.get(f"/v1/entities/{entity}/related", params=params)
    assert response.status_code == 200, response.text
    return response.json()


class TestRoute:
    def test_entities_with_what_each_source_says(self, reader):
        answer = related(reader, "halo")
        assert answer["entity_id"] == "halo"
        first = answer["related"][0]
        assert (first["entity_id"], first["kind"], first["sources"]["artist"]) == ("beyonce", "artist", 1.0)
        scores = [each["score"] for each in answer["related"]]
        assert scores == sorted(scores, reverse=True)

    def test_k_and_kinds(self, reader):
        assert len(related(reader, "halo", k=2)["related"]) == 2
        found = related(reader, "halo", kinds=["artist", "playlist"], k=100)["related"]
        assert {each["kind"] for each in found} <= {"artist", "playlist"}

    def test_what_a_filter_forbids_is_not_related(self, reader):
        assert "hello" in {each["entity_id"] for each in related(reader, "halo", k=100)["related"]}
        found = related(reader, "halo", k=100, filters='{"not": {"genre": ["pop"]}}')["related"]
        assert {each["entity_id"] for each in found} == {"beyonce"}

    def test_ids_with_slashes(self, client):
        client.put("/v1/entities/a/b?wait=true", json={"kind": "track", "title": "Slashed", "artists": ["Beyoncé"]})
        assert "beyonce" in {each["entity_id"] for each in related(client, "a/b")["related"]}

    @pytest.mark.parametrize("entity", ["never", "%00", "a%2Fb%2Fc"])
    def test_unknown_entities(self, reader, entity):
        problem(reader.get(f"/v1/entities/{entity}/related"), 404)

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
    def test_it_is_only_read(self, reader, method):
        answer = reader.request(method, "/v1/entities/halo/related")
        problem(answer, 405)
        assert answer.headers["allow"] == "GET"

    def test_deleted_entities(self, client):
        assert client.delete("/v1/entities/hello").status_code == 204
        problem(client.get("/v1/entities/hello/related"), 404)
        assert "hello" not in {each["entity_id"] for each in related(client, "hello-richie", k=100)["related"]}

    @pytest.mark.parametrize(("field", "value"), [("k", "0"), ("k", "101"), ("k", "x"), ("kinds", "song")])
    def test_bad_values_are_named(self, reader, field, value):
        answer = problem(reader.get("/v1/entities/halo/related", params={field: value}), 422)
        assert answer["field"].startswith(field)


class TestBeside:
    def test_what_goes_with_the_first_hit_and_is_not_on_the_page(self, reader):
        answer = search(reader, "thunder halo", related=True, k=3, policy="all")
        assert answer["related"]["to"] == ids(answer)[0]
        assert not {each["entity_id"] for each in answer["related"]["entities"]} & set(ids(answer))

    def test_what_the_search_was_not_to_show_is_not_beside_it(self, reader):
        free = search(reader, "halo", related=True, k=1, policy="all")["related"]["entities"]
        assert {each["kind"] for each in free} > {"track"}
        jazz = {"filters": {"genre": ["pop"]}, "kinds": ["track"]}
        asked = search(reader, "halo -adele", related=True, k=1, policy="all", **jazz)
        assert ids(asked) == ["halo"]
        assert asked["related"] == {"to": "halo", "entities": []}

    def test_a_page_without_hits_has_none(self, reader):
        answer = search(reader, "halo", kinds=["podcast"], related=True)
        assert answer["related"] == {"to": None, "entities": []}

    def test_it_is_left_out_unless_asked_for(self, reader):
        assert "related" not in search(reader, "halo")

    def test_bad_values_are_named(self, reader):
        assert (
            problem(reader.post("/v1/search", json={"query": "x", "related": "yes please"}), 422)["field"] == "related"
        )


class TestEvents:
    def test_choices_of_what_was_offered_are_learned(self, client):
        for user in ("ann", "bob"):
            attributes = {"object": {"object_id": "hoppipolla"}, "related_to": "hello"}
            event = {"action_name": "click", "user_id": user, "event_attributes": attributes}
            assert client.post("/v1/events?wait=true", json=event).json()["accepted"] == 1
        found = {each["entity_id"]: each["sources"] for each in related(client, "hello", k=100)["related"]}
        assert found["hoppipolla"]["together"] == pytest.approx(2 / 7)

    @pytest.mark.parametrize("value", [{"id": "x"}, ["x"], "x" * 300])
    def test_a_bad_name_is_refused(self, reader, value):
        event = {"action_name": "click", "event_attributes": {"object": {"object_id": "halo"}, "related_to": value}}
        answer = reader.post("/v1/events", json=[event]).json()
        assert answer["accepted"] == 0
        assert "related_to" in answer["rejected"][0]["reason"]
