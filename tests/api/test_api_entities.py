"""The catalogue over HTTP: read, write, delete, many at once, and ids of every shape."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.support.api_world import ENTITIES, eventually, ids, problem, search, serving

ODD_IDS = [
    "a/b",
    "/leading",
    "trailing/",
    "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
    "with blank",
    "100%",
    "question?mark",
    "hash#tag",
    "ünï-code 宇多田",
    "bulk",
    "...",
    "+plus&and=equals",
    'quote"quote',
    "back\\slash",
    "line\nbreak",
    "x" * 256,
]
TRACK = {"kind": "track", "title": "Brand New"}


def at(entity_id: str) -> str:
    return f"/v1/entities/{quote(entity_id, safe='')}"


class TestOne:
    def test_read_gives_all_fields(self, reader):
        assert reader.get(at("halo")).json() == ENTITIES[0]

    def test_write_then_read_then_find(self, client):
        entity = {**TRACK, "artists": ["Somebody"], "attributes": {"mood": {"calm": 0.5}}, "released": "2024-05"}
        response = client.put(f"{at('new')}?wait=true", json=entity)
        assert (response.status_code, response.json()) == (200, {"id": "new", **entity})
        assert client.get(at("new")).json() == {"id": "new", **entity}
        for policy in ("lexical", "dense"):
            assert ids(search(client, "brand new somebody", policy=policy))[0] == "new"

    def test_without_wait_it_is_found_soon(self, client):
        client.put(at("new"), json=TRACK)
        eventually(lambda: "new" in ids(search(client, "brand new", policy="lexical")))

    def test_what_was_read_can_be_written_back(self, client):
        entity = client.get(at("halo")).json()
        assert client.put(at("halo"), json=entity).json() == entity

    def test_replacing_replaces_everything(self, client):
        client.put(f"{at('halo')}?wait=true", json={"kind": "track", "title": "Other"})
        assert client.get(at("halo")).json() == {"id": "halo", "kind": "track", "title": "Other"}
        assert "halo" not in ids(search(client, "halo beyonce", policy="lexical"))

    def test_deleted_is_gone_at_once(self, client):
        assert client.delete(at("hello")).status_code == 204
        problem(client.get(at("hello")), 404)
        for policy in ("all", "lexical", "dense", "memory", "bandit"):
            assert "hello" not in ids(search(client, "hello adele", policy=policy))
        problem(client.delete(at("hello")), 404)

    def test_deleted_can_be_written_again(self, client):
        client.delete(at("hello"))
        client.put(f"{at('hello')}?wait=true", json={**TRACK, "title": "Hello Again"})
        assert "hello" in ids(search(client, "hello again", policy="lexical"))

    @pytest.mark.parametrize(
        ("field", "body"),
        [
            ("kind", {"title": "x"}),
            ("kind", {"kind": "song", "title": "x"}),
            ("title", {"kind": "track"}),
            ("title", {"kind": "track", "title": " "}),
            ("title", {"kind": "track", "title": "\ud800"}),
            ("title", {"kind": "track", "title": "a\x00b"}),
            ("popularity", {**TRACK, "popularity": 2}),
            ("released", {**TRACK, "released": "soon"}),
            ("artists", {**TRACK, "artists": "Somebody"}),
            ("attributes.genre", {**TRACK, "attributes": {"genre": {"jazz": 0}}}),
            ("year", {**TRACK, "year": 1990}),
            ("id", {**TRACK, "id": "other"}),
            ("\ud800", {**TRACK, "\ud800": 1}),
        ],
    )
    def test_a_value_that_cannot_be_used_is_named(self, reader, field, body):
        raw = json.dumps(body).encode()
        response = reader.put(at("new"), content=raw, headers={"content-type": "application/json"})
        assert problem(response, 422)["field"] == field.replace("\ud800", "?")
        problem(reader.get(at("new")), 404)

    @pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff"])
    def test_a_body_that_is_no_entity_is_a_problem(self, reader, raw):
        response = reader.put(at("new"), content=raw, headers={"content-type": "application/json"})
        problem(response, response.status_code)
        assert response.status_code in {400, 422}


class TestIds:
    @pytest.mark.parametrize("entity_id", ODD_IDS)
    def test_of_every_shape_work_everywhere(self, reader, entity_id):
        entity = {"id": entity_id, "kind": "track", "title": "Unmistakable"}
        assert reader.put(f"{at(entity_id)}?wait=true", json=TRACK | {"title": "Unmistakable"}).json() == entity
        assert reader.get(at(entity_id)).json() == entity
        assert ids(search(reader, "unmistakable", policy="lexical")) == [entity_id]
        assert reader.delete(at(entity_id)).status_code == 204

    def test_slashes_may_stand_as_they_are(self, reader):
        reader.put("/v1/entities/a/b/c", json=TRACK)
        assert reader.get("/v1/entities/a/b/c").json() == reader.get(at("a/b/c")).json()

    @pytest.mark.parametrize("entity_id", [" ", "\x00", "x" * 257, " padded "])
    def test_that_cannot_be_are_refused(self, reader, entity_id):
        assert problem(reader.put(at(entity_id), json=TRACK), 422)["field"] in {"entity_id", "id"}

    def test_that_are_missing_are_no_route(self, reader):
        problem(reader.put("/v1/entities/", json=TRACK), 404)

    def test_that_hold_no_utf8_are_not_found(self, reader):
        problem(reader.get("/v1/entities/%ff%fe"), 404)


class TestBulk:
    def post(self, client, *lines: object, wait: bool = True):
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        return client.post(f"/v1/entities/bulk?wait={str(wait).lower()}", content=b"\n".join(raw))

    def test_many_at_once(self, client):
        lines = [{"id": f"n{number}", "kind": "track", "title": f"Numbered{number}"} for number in range(300)]
        answer = self.post(client, *lines).json()
        assert answer == {"accepted": 300, "changed": 300, "rejected": [], "searchable": True}
        assert "n271" in ids(search(client, "numbered271", policy="lexical"))
        assert self.post(client, *lines).json()["changed"] == 0

    def test_bad_lines_are_named_and_the_rest_goes_on(self, client):
        good = {"id": "new", **TRACK}
        answer = self.post(client, good, b"{oops", b"", {"id": "x"}, [], good | {"id": "new2"}, wait=False).json()
        assert answer["accepted"] == 2
        assert [item["line"] for item in answer["rejected"]] == [2, 4, 5]
        assert "searchable" not in answer
        assert client.get(at("new2")).status_code == 200

    def test_the_last_of_an_id_wins(self, client):
        self.post(client, {"id": "new", **TRACK}, {"id": "new", **TRACK, "title": "Newer"})
        assert client.get(at("new")).json()["title"] == "Newer"

    @pytest.mark.parametrize("raw", [b"", b"\n\n", b"\xef\xbb\xbf"])
    def test_nothing_is_a_problem(self, reader, raw):
        problem(reader.post("/v1/entities/bulk", content=raw), 422)

    def test_windows_lines_and_a_byte_order_mark(self, client):
        line = json.dumps({"id": "new", **TRACK}).encode()
        answer = client.post("/v1/entities/bulk", content=b"\xef\xbb\xbf" + line + b"\r\n" + line + b"\r\n").json()
        assert (answer["accepted"], answer["rejected"]) == (2, [])

    def test_bytes_that_are_no_text_are_rejected(self, reader):
        answer = self.post(reader, b"\xff\xfe", wait=False).json()
        assert [item["line"] for item in answer["rejected"]] == [1]


class TestPatch:
    def test_named_fields_are_replaced_and_objects_merged(self, client):
        before = client.get(at("halo")).json()
        patch = {
            "title": "Halo!", "album": None, "attributes": {"mood": {"calm": 0.5}, "genre": {"soul": 0.4}},
            "url": "https://example.org/halo", "duration": 261, "fields": {"bpm": 80, "label": "Columbia"},
        }  # fmt: skip
        answer = client.patch(at("halo"), json=patch).json()
        merged = {"genre": {"pop": 0.9, "soul": 0.4}, "mood": {"calm": 0.5}}
        assert answer == {name: value for name, value in {**before, **patch, "attributes": merged}.items() if value}
        assert "album" not in answer
        assert client.get(at("halo")).json() == answer
        headers = {"content-type": "application/merge-patch+json"}
        less = client.patch(
            at("halo"), content=json.dumps({"fields": {"bpm": None}, "attributes": None}), headers=headers
        )
        assert less.json()["fields"] == {"label": "Columbia"}
        assert "attributes" not in less.json()

    def test_what_cannot_be_is_refused_and_changes_nothing(self, client):
        before = client.get(at("halo")).json()
        for patch, field in (({"title": None}, "title"), ({"fields": {"x": {}}}, "fields.x"), ({"id": "y"}, "id")):
            assert problem(client.patch(at("halo"), json=patch), 422)["field"] == field
        problem(client.patch(at("nobody"), json={"title": "x"}), 404)
        assert client.get(at("halo")).json() == before


class TestMany:
    def test_a_cursor_over_all_of_them(self, client):
        found, after = [], ""
        while True:
            part = client.get("/v1/entities", params={"limit": 4, "after": after}).json()
            found += part["entities"]
            if "next" not in part:
                break
            after = part["next"]
            if len(found) == 8:
                client.put(at("late"), json=TRACK)
                client.delete(at("hello-richie"))
        assert found[: len(ENTITIES) - 3] == ENTITIES[:-3]
        assert [each["id"] for each in found[-3:]] == ["beyonce", "rainy", "late"]

    def test_of_kinds_and_under_filters(self, reader):
        found = reader.get("/v1/entities", params={"kinds": ["track"], "filters": '{"year": {"lt": 1984}}'}).json()
        assert [each["id"] for each in found["entities"]] == ["so-what", "blue-in-green", "hello-richie"]
        assert reader.get("/v1/entities", params={"kinds": ["podcast"]}).json() == {"entities": []}

    @pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", 1001), ("after", "x"), ("filters", "x")])
    def test_bad_values_are_named(self, reader, name, value):
        assert problem(reader.get("/v1/entities", params={name: value}), 422)["field"] == name

    def delete(self, client, **body):
        return client.post("/v1/entities/delete", json=body).json()["deleted"]

    def test_deleted_by_ids_and_by_filters(self, client):
        assert self.delete(client, ids=["hello", "nobody", "halo"], dry_run=True) == 2
        assert self.delete(client, ids=["hello", "nobody", "halo"]) == 2
        jazz = {"genre": ["jazz"]}
        assert self.delete(client, filters=jazz, dry_run=True) == self.delete(client, filters=jazz) == 2
        assert self.delete(client, kinds=["track"], filters={"not": {"year": {"gte": 1990}}}) == 3
        left = {each["id"] for each in client.get("/v1/entities").json()["entities"]}
        assert left == {each["id"] for each in ENTITIES} - {
            "hello", "halo", "so-what", "blue-in-green", "one-metallica", "hallelujah", "hello-richie",
        }  # fmt: skip
        assert not {"hello", "so-what"} & set(ids(search(client, "hello so what", policy="all")))

    @pytest.mark.parametrize(
        "body", [{}, {"filters": {}}, {"ids": []}, {"ids": ["a"], "kinds": ["track"]}, {"filters": {"gnre": ["x"]}}]
    )
    def test_a_deletion_of_nothing_in_particular_is_refused(self, reader, body):
        problem(reader.post("/v1/entities/delete", json=body), 422)


class TestStreamedBulk:
    """A body of any length, in which only lines are limited."""

    def test_a_large_body_is_stored_as_it_comes(self, home):
        def body():
            for number in range(9_000):
                yield json.dumps({"id": f"n{number}", "kind": "track", "title": "x" * 200}).encode() + b"\n"
            yield b'{"id": "long", "kind": "track", "title": "' + b"x" * 200_000 + b'"}\n{"id": "la'
            yield b'st", "kind": "track", "title": "Last"}'

        with serving(home, max_body_mb=0.1) as client:
            answer = client.post("/v1/entities/bulk", content=body()).json()
            assert answer["accepted"] == answer["changed"] == 9_001
            assert [each["line"] for each in answer["rejected"]] == [9_001]
            assert "longer than" in answer["rejected"][0]["reason"]
            assert client.get(at("last")).json()["title"] == "Last"
            problem(client.put(at("big"), json={**TRACK, "album": "x" * 200_000}), 413)

    def test_of_many_bad_lines_the_first_are_named(self, reader):
        answer = reader.post("/v1/entities/bulk", content=b"{\n" * 1_500).json()
        assert (answer["accepted"], answer["rejected_total"], len(answer["rejected"])) == (0, 1_500, 1_000)
