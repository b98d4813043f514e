"""Deep, long and wide bodies: each is answered with what is wrong, and none makes the log longer than agreed."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest

from bandstand.api.catalogue_routes import MAX_IDS, MAX_LEVELS
from bandstand.catalog.codec import MAX_ATTRIBUTES, MAX_FIELDS, MAX_ITEMS
from bandstand.engine.filters import MAX_CHARS, MAX_NAMES, MAX_VALUES
from bandstand.engine.request import MAX_QUERY_CHARS
from tests.support.api_world import click, problem, serving

MOST_LOGGED = 4_096
"""Bytes of text that a search may add to the log, whatever was typed."""

DEPTHS = (MAX_LEVELS + 1, 150, 400, 940, 1_023, 100_000)


@pytest.fixture(scope="module")
def client(built_home, tmp_path_factory):
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("bodies") / "home")
    with serving(home, learn=False, max_body_mb=1.0) as client:
        yield client


def deep(levels: int, opened: str) -> str:
    """Lists or objects inside each other."""
    return "[" * levels + "]" * levels if opened == "[" else '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("opened", ["[", "{"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/search", '{"query": DEEP}'),
        ("POST", "/v1/search", '{"query": "a", "filters": {"genre": DEEP}}'),
        ("PUT", "/v1/entities/halo", '{"kind": "track", "title": "Halo", "fields": {"a": DEEP}}'),
        ("PATCH", "/v1/entities/halo", '{"fields": {"a": DEEP}}'),
        ("POST", "/v1/entities/delete", '{"kinds": ["track"], "filters": {"genre": DEEP}}'),
        ("POST", "/v1/keys", '{"name": "deep", "scopes": ["search"], "filters": {"genre": DEEP}}'),
        ("POST", "/v1/synonyms", '{"line": DEEP}'),
        ("POST", "/v1/dashboard/edits", "DEEP"),
    ],
)
def test_no_depth_of_json_is_too_much(client, method, path, body, opened):
    for levels in DEPTHS:
        sent = body.replace("DEEP", deep(levels, opened))
        answer = client.request(method, path, content=sent, headers={"content-type": "application/json"})
        assert problem(answer, answer.status_code)["status"] in {400, 422}


@pytest.mark.parametrize("opened", ["[", "{"])
@pytest.mark.parametrize("levels", DEPTHS)
def test_deep_lines_and_events_are_named_and_the_others_taken(client, levels, opened):
    nested = deep(levels, opened)
    bad = '{"id": "deep", "kind": "track", "title": "Deep", "fields": {"a": DEEP}}'.replace("DEEP", nested)
    good = json.dumps({"id": "halo", "kind": "track", "title": "Halo"})
    taken = client.post("/v1/entities/bulk", content=f"{bad}\n{good}").json()
    assert (taken["accepted"], [line["line"] for line in taken["rejected"]]) == (1, [1])
    bad = '{"action_name": "click", "event_attributes": {"a": DEEP}}'.replace("DEEP", nested)
    good = json.dumps(click("a search", "halo", event_id=f"after {opened} {levels}"))
    answer = client.post("/v1/events", content=f"{bad}\n{good}", headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 202
    assert answer.json()["accepted"] >= 1


def many(number: int) -> dict[str, str]:
    return {f"field {each}": "x" for each in range(number)}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/search", {"query": "x" * (MAX_QUERY_CHARS + 1)}, "query"),
        *(("/v1/search", {"query": "a", name: "x" * 101}, name) for name in ("user_id", "session_id", "query_id")),
        ("/v1/search", {"query": "a", "facets": ["year"] * 21}, "facets"),
        ("/v1/search", {"query": "a", "facets": ["x" * 101]}, "facets.0"),
        ("/v1/search", {"query": "a", "kinds": ["track"] * 7}, "kinds"),
        ("/v1/search", {"query": "a", "filters": many(MAX_NAMES + 1)}, "filters"),
        ("/v1/search", {"query": "a", "filters": {"not": many(MAX_NAMES)}}, "filters"),
        ("/v1/search", {"query": "a", "filters": {"genre": ["x"] * (MAX_VALUES + 1)}}, "filters.genre"),
        ("/v1/search", {"query": "a", "filters": {"genre": ["x" * 2_000] * (MAX_CHARS // 2_000)}}, "filters"),
        ("/v1/search", {"query": "a", "filters": {"not": {"genre": ["x" * 2_000] * 17}}}, "filters"),
        ("/v1/search", {"query": "a", "filters": {f"f{at}": {"gte": "x" * 2_000} for at in range(17)}}, "filters"),
        ("/v1/entities/delete", {"ids": ["x"] * (MAX_IDS + 1)}, "ids"),
    ],
)
def test_what_is_too_many_or_too_long_is_named(client, path, body, field):
    assert problem(client.post(path, json=body), 422)["field"] == field


@pytest.mark.parametrize("name", ["user_id", "session_id"])
def test_ids_of_suggestions_and_users_are_bounded(client, name):
    assert problem(client.get("/v1/suggest", params={"q": "a", name: "x" * 101}), 422)["field"] == name
    assert problem(client.delete(f"/v1/users/{'x' * 101}"), 422)["field"] == "user_id"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"members": ["x"] * (MAX_ITEMS + 1)}, "members"),
        ({"artists": ["x"] * (MAX_ITEMS + 1)}, "artists"),
        ({"fields": many(MAX_FIELDS + 1)}, "fields"),
        ({"attributes": {f"a{at}": "x" for at in range(MAX_ATTRIBUTES + 1)}}, "attributes"),
        ({"attributes": {"tag": [f"t{at}" for at in range(MAX_ATTRIBUTES + 1)]}}, "attributes"),
    ],
)
def test_lists_of_an_entity_are_bounded(client, changed, field):
    entity = {"kind": "playlist", "title": "Long", **changed}
    assert problem(client.put("/v1/entities/long", json=entity), 422)["field"] == field


@pytest.mark.parametrize("name", ["user_id", "session_id", "query_id", "client_id", "event_id"])
def test_an_event_with_a_long_id_is_named(client, name):
    (rejected,) = client.post("/v1/events", json={"action_name": "click", name: "x" * 101}).json()["rejected"]
    assert rejected["reason"].startswith(f"{name} ")


def test_a_line_of_bulk_is_bounded(client):
    long, good = ({"id": "halo", "kind": "track", "title": "Halo", "fields": {"a": "x" * n}} for n in (1_000_000, 1))
    taken = client.post("/v1/entities/bulk", content=f"{json.dumps(long)}\n{json.dumps(good)}").json()
    (rejected,) = taken["rejected"]
    assert (taken["accepted"], rejected["line"]) == (1, 1)
    assert "BANDSTAND_MAX_BODY_MB" in rejected["reason"]


def logged_texts(query: object) -> int:
    """Bytes of all texts in a logged query."""
    if isinstance(query, str):
        return len(query.encode())
    if isinstance(query, dict):
        return sum(logged_texts(each) for each in query.values())
    return sum(map(logged_texts, query)) if isinstance(query, list | tuple) else 0


HOSTILE = {
    "one word": "x" * 10_000,
    "moods": "happy sad " * 1_000,
    "what grows when it is normalised": "\ufdfa" * 3_000,
    "emoji": "🎵 " * 5_000,
    "conditions": '"halo halo" -live ' * 500,
    "fields": "artist:halo " * 800,
    "no spaces": "宇多田" * 3_000,
    "slips": "beyonse helo metalica " * 400,
}


@pytest.mark.parametrize("typed", HOSTILE.values(), ids=HOSTILE)
def test_what_a_search_logs_is_bounded(client, typed):
    answered = client.post("/v1/search", json={"query": typed[:MAX_QUERY_CHARS]}).json()
    home = client.app.state.service.home
    home.log.flush()
    logged = home.log.impression(answered["query_id"])
    assert logged_texts([msgspec.to_builtins(logged.query), logged.corrected or ""]) <= MOST_LOGGED
    assert typed.startswith(logged.query.text)
