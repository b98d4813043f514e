"""Who may do what over HTTP: scopes, boundaries, rates, origins, hosts, and whose past is whose."""

from __future__ import annotations

import shutil
import time
from unittest.mock import ANY

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from structlog.testing import capture_logs

from bandstand.access.keys import ANONYMOUS
from bandstand.access.scopes import SCOPES
from bandstand.access.user_tokens import user_token
from bandstand.api.app import create_app
from bandstand.api.scopes import NEEDED, OPEN, scope_of
from tests.support.api_world import ENTITIES, click, eventually, ids, problem, search, serving, settings_of

ADMIN = {"x-bandstand-key": "correct horse battery staple"}
SECRET = "0123456789abcdef0123456789abcdef"
UNKNOWN = {"x-bandstand-key": "bs_" + 43 * "x"}
PAGE = {"origin": "https://example.org", "sec-fetch-site": "cross-site"}
ANA = {"x-bandstand-user": user_token("ana", SECRET, expires=4_000_000_000)}
ROUTES = [(*route.split(" "), scope) for scope, routes in NEEDED.items() for route in routes]
BODIES = {
    "POST /v1/search": {"query": "hello"},
    "POST /v1/events": [],
    "PUT /v1/entities/{entity_id:entity}": {"kind": "track", "title": "x"},
    "POST /v1/synonyms": {"line": "x -> mood:y"},
}


@pytest.fixture(scope="module")
def keyed(built_home, tmp_path_factory):
    """The application of a home with keys; the tests make theirs."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("keyed") / "home")
    with serving(home, admin_key=ADMIN["x-bandstand-key"], user_token_secret=SECRET, finalize_seconds=0) as client:
        yield client


@pytest.fixture
def key(keyed):
    """Makes a key of these scopes; the header with its secret. It is revoked after the test."""
    made = []

    def make(*scopes: str, name: str = "", **rules: object) -> dict[str, str]:
        made.append(name or f"key-{len(made)}")
        issued = keyed.post("/v1/keys", json={"name": made[-1], "scopes": scopes, **rules}, headers=ADMIN)
        assert issued.status_code == 201, issued.text
        return {"x-bandstand-key": issued.json()["secret"]}

    yield make
    for name in made:
        keyed.delete(f"/v1/keys/{name}", headers=ADMIN)


def asked(client, method: str, template: str, headers=None):
    """An answer of a route, asked plainly."""
    path = template.replace("{entity_id:entity}", "none").replace("{user_id:user}", "nobody")
    for name in ("query_id", "name", "id", "section", "edit_id", "experiment_id"):
        path = path.replace("{" + name + "}", "none")
    body = BODIES.get(f"{method} {template}")
    return client.request(method, path, headers=headers, **({} if body is None else {"json": body}))


def hits(client, query: str, headers, **fields: object) -> list[str]:
    """The entities of a page."""
    answer = client.post("/v1/search", json={"query": query, "k": 15, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


class TestRoutes:
    def test_somebody_has_thought_of_every_route(self):
        found = list(iter_route_contexts(create_app(settings_of("unused")).routes))
        routes = [each for each in found if isinstance(each.original_route, APIRoute)]
        assert [each.path for each in found if each not in routes] == ["/openapi.json"]  # the others pass no gate
        there = {f"{method} {route.path}" for route in routes for method in route.methods}
        told = {*OPEN, *(route for routes in NEEDED.values() for route in routes)}
        assert sorted(there - told) == []
        assert {f"{method} {path}" for method, path, _ in ROUTES} | set(OPEN) == there | {"GET /openapi.json"}

    def test_what_nobody_has_thought_of_is_the_operators(self):
        assert scope_of("POST", "/v1/new") == "admin"

    @pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
    def test_without_its_scope_nothing_answers(self, keyed, key, method, path, scope):
        for headers in (None, {"x-bandstand-key": ""}, {"authorization": "Basic eDp5"}, UNKNOWN):
            refused = asked(keyed, method, path, headers)
            problem(refused, 401)
            assert refused.headers["www-authenticate"] == "Bearer"
        others = key(*(other for other in SCOPES if other not in (scope, "admin")))
        assert problem(asked(keyed, method, path, others), 403)["detail"].startswith("this needs a key with the scope")

    @pytest.mark.parametrize("route", OPEN)
    def test_what_is_open_needs_none(self, keyed, route):
        method, path = route.split(" ")
        assert keyed.request(method, path.replace("{path:path}", "icon.svg"), headers=UNKNOWN).status_code == 200

    @pytest.mark.parametrize("scope", NEEDED)
    def test_its_scope_opens_it(self, keyed, key, scope):
        secret = key(scope)["x-bandstand-key"]
        for headers in ({"x-bandstand-key": secret}, {"authorization": f"Bearer {secret}"}):
            for method, path in (route.split(" ") for route in NEEDED[scope] if "/users/" not in route):
                assert asked(keyed, method, path, headers).status_code not in (401, 403, 429), path


class TestKeys:
    def test_are_listed_without_anything_that_opens(self, keyed, key):
        key("search", name="web", origins=["https://example.org"], rate=5, kinds=["track"], filters={"genre": ["jazz"]})
        (listed,) = keyed.get("/v1/keys", headers=ADMIN).json()["keys"]
        assert listed == {
            "name": "web", "scopes": ["search"], "created": listed["created"], "expires": None,
            "origins": ["https://example.org"], "rate": 5, "burst": 50, "kinds": ["track"],
            "filters": {"genre": ["jazz"]}, "former_until": None,
        }  # fmt: skip

    def test_another_secret_replaces_the_first_at_once_or_later(self, keyed, key):
        first = key("search", name="web")
        second = keyed.post("/v1/keys/web/rotate?keep_hours=1", headers=ADMIN).json()["secret"]
        assert asked(keyed, "GET", "/v1/arms", first).status_code == 200
        third = keyed.post("/v1/keys/web/rotate", headers=ADMIN).json()["secret"]
        opened = [asked(keyed, "GET", "/v1/arms", {"x-bandstand-key": each}).status_code for each in (second, third)]
        assert opened == [401, 200]
        problem(asked(keyed, "GET", "/v1/arms", first), 401)

    def test_revoked_ones_open_nothing(self, keyed, key):
        headers = key("search", name="web")
        assert keyed.delete("/v1/keys/web", headers=ADMIN).status_code == 204
        problem(asked(keyed, "GET", "/v1/arms", headers), 401)

    def test_what_other_processes_change_is_followed(self, client, home):
        from bandstand.access.key_file import KeyFile
        from bandstand.access.keys import Grant, issue, revoke

        store = KeyFile(home / "keys.json")
        assert client.get("/v1/arms").status_code == 200
        secret = issue(store, "web", Grant(scopes=("search",)), now=time.time()).secret
        eventually(lambda: client.get("/v1/arms").status_code == 401)
        assert client.get("/v1/arms", headers={"x-bandstand-key": secret}).status_code == 200
        revoke(store, "web")
        eventually(lambda: client.get("/v1/arms", headers={"x-bandstand-key": secret}).status_code == 401)
        problem(client.get("/v1/arms"), 401)

    @pytest.mark.parametrize(("body", "field"), [
        ({"name": "a b", "scopes": ["search"]}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "a", "scopes": ["search"], "origins": ["example.org"]}, "origins"),
        ({"name": "a", "scopes": ["models"], "kinds": ["track"]}, "scopes"),
    ])  # fmt: skip
    def test_what_cannot_be_made_names_the_field(self, keyed, body, field):
        assert problem(keyed.post("/v1/keys", json=body, headers=ADMIN), 422)["field"] == field
        assert keyed.get("/v1/keys", headers=ADMIN).json() == {"keys": []}

    def test_who_gives_none_has_what_anonymous_has(self, keyed, key):
        key("search", name=ANONYMOUS)
        assert hits(keyed, "hello", None)
        problem(asked(keyed, "GET", "/v1/suggest"), 403)
        problem(asked(keyed, "GET", "/v1/arms", UNKNOWN), 401)


class TestParameters:
    def test_by_scope(self, keyed, key):
        plain, typing, operator = key("search"), key("search", "suggest"), key("search", "dashboard")
        for name, value, opened in (
            ("policy", "all", operator),
            ("explain", True, operator),
            ("preview", True, typing),
        ):
            body = {"query": "hello", name: value}
            refused = keyed.post("/v1/search", json=body, headers=plain)
            assert name in problem(refused, 403)["detail"]
            assert keyed.post("/v1/search", json=body, headers=opened).status_code == 200


class TestBoundary:
    JAZZ = frozenset(("so-what", "blue-in-green"))

    @pytest.fixture
    def jazz(self, key):
        return key("search", "suggest", "events", kinds=["track", "album"], filters={"genre": ["jazz"]})

    REQUESTS = (
        {}, {"kinds": ["track"]}, {"filters": {"genre": ["pop", "rock"]}}, {"filters": {"genre": ["jazz", "pop"]}},
        {"filters": {"year": {"gte": 1970}}}, {"kinds": ["artist"]}, {"kinds": ["album", "track"]}, {"sections": True},
    )  # fmt: skip

    @pytest.mark.parametrize(
        "query", ["", "hello", "so what", "miles davis", "kind:artist", "genre:pop", "-genre:jazz"]
    )
    def test_no_request_widens_it(self, keyed, jazz, query):
        for fields in self.REQUESTS:
            assert set(hits(keyed, query, jazz, **fields)) <= self.JAZZ, fields
        assert hits(keyed, query, jazz, kinds=["artist"]) == []
        assert ("so-what" in hits(keyed, query, jazz)) == (query in ("", "hello", "so what", "miles davis"))

    def test_further_pages_of_somebody_elses_search_are_inside_it_too(self, keyed, jazz):
        answer = keyed.post("/v1/search", json={"query": "what", "k": 2}, headers=ADMIN).json()
        page = {"query_id": answer["query_id"]}
        assert not self.JAZZ.issuperset(hits(keyed, "what", ADMIN, **page))
        assert set(hits(keyed, "what", jazz, **page)) <= self.JAZZ

    def test_facets_count_what_is_inside(self, keyed, jazz):
        body = {"query": "miles davis", "facets": ["genre", "kind", "year"]}
        facets = keyed.post("/v1/search", json=body, headers=jazz).json()["facets"]
        assert {value["value"] for value in facets["genre"]} == {"jazz"}
        assert [(value["value"], value["total"]) for value in facets["kind"]] == [("track", 2)]
        assert {value["value"] for value in facets["year"]} == {"1959"}

    def test_entities_outside_do_not_exist(self, keyed, jazz):
        for entity in ENTITIES:
            inside = entity["id"] in self.JAZZ
            for path in (f"/v1/entities/{entity['id']}", f"/v1/entities/{entity['id']}/related?k=50"):
                answer = keyed.get(path, headers=jazz)
                assert answer.status_code == (200 if inside else 404)
                assert not inside or {found["entity_id"] for found in answer.json().get("related", ())} <= self.JAZZ
        assert problem(keyed.get("/v1/entities/hello", headers=jazz), 404) == problem(
            keyed.get("/v1/entities/none", headers=jazz), 404
        ) | {"detail": "there is no entity 'hello'", "request_id": ANY}

    def test_suggestions_name_nothing_outside(self, keyed, key):
        for query, entity in (("hello song", "hello"), ("horn thing", "so-what")):
            for user in ("ana", "bob"):
                query_id = search(keyed_as_admin(keyed), query, user_id=user)["query_id"]
                keyed.post("/v1/events?wait=true", json=click(query_id, entity, user_id=user), headers=ADMIN)
        jazz = key("suggest", filters={"genre": ["jazz"]})
        everywhere = key("suggest")

        def texts(typed, headers, **who):
            answer = keyed.get("/v1/suggest", params={"q": typed, "k": 20, **who}, headers=headers)
            return {each["text"] for each in answer.json()["suggestions"]}

        eventually(lambda: "horn thing" in texts("ho", everywhere))
        assert texts("hell", everywhere) >= {"Hello", "hello song"}
        assert texts("hell", jazz) == set()
        assert texts("ho", jazz) == {"horn thing"}
        assert texts("miles", jazz) <= {"Miles Davis", "Miles Davis So What", "Miles Davis Blue in Green"}
        assert "Hello" in texts("hel", {**everywhere, **ANA})
        assert texts("hel", {**jazz, **ANA}) == set()


def keyed_as_admin(client):
    """The client, asking as the operator."""

    class Admin:
        def post(self, *args, **more):
            return client.post(*args, headers=ADMIN, **more)

    return Admin()


class TestRate:
    def test_more_than_it_allows_is_told_when_to_come_again(self, keyed, key):
        headers = key("search", "suggest", rate=0.001, burst=2)
        left = [keyed.get("/v1/suggest?q=h", headers=headers).headers["ratelimit"] for _ in range(2)]
        assert [each.split(";")[1] for each in left] == ["r=1", "r=0"]
        refused = keyed.post("/v1/search", json={"query": "hello"}, headers=headers)
        problem(refused, 429)
        assert 0 < int(refused.headers["retry-after"]) <= 1000
        assert refused.headers["ratelimit-policy"] == '"key";q=2;w=2000'
        assert keyed.get("/v1/arms", headers=headers).status_code == 429
        assert keyed.get("/healthz", headers=headers).status_code == 200

    def test_what_a_hot_route_leaves_to_the_others_counts_once(self, keyed, key):
        headers = key("events", "import", name="once", rate=0.001, burst=1)
        answer = keyed.post("/v1/events?wait=true", json=click("q", "hello"), headers=headers)
        assert answer.status_code == 202
        assert len(answer.headers.get_list("ratelimit")) == 1

    def test_others_are_not_asked_to_wait(self, keyed, key):
        assert "ratelimit" not in keyed.get("/v1/arms", headers=key("search")).headers


class TestWrongKeys:
    def test_are_counted_slowed_down_and_logged_without_the_key(self, home):
        with capture_logs() as logs, serving(home, admin_key="s3cret") as client:
            statuses = [
                client.get("/v1/arms", headers={"x-bandstand-key": f"guess-{n}"}).status_code for n in range(15)
            ]
            assert statuses == [401] * 10 + [429] * 5
            waiting = client.get("/v1/arms", headers={"x-bandstand-key": "s3cret"})
            assert "too many wrong keys" in problem(waiting, 429)["detail"]
            assert 1 <= int(waiting.headers["retry-after"]) <= 5
            issued = client.app.state.service.keystore
            from bandstand.access.keys import Grant, issue

            secret = issue(issued, "prometheus", Grant(scopes=("metrics", "search")), now=0.0).secret
            client.app.state.service.keys.follow(issued.read)
            counted = client.get("/metrics", headers={"x-bandstand-key": secret})
            assert "bandstand_refused_keys_total 10.0" in counted.text
        told = [entry for entry in logs if entry["event"] == "key_refused"]
        assert len(told) == 10
        assert told[0]["reason"] == "there is no such key"
        assert told[0]["address"]
        assert "guess" not in str(logs)


class TestOrigins:
    def test_a_page_uses_the_keys_that_list_its_site(self, keyed, key):
        listed, other = key("search", origins=["https://example.org"]), key("search")
        answer = keyed.post("/v1/search", json={"query": "hello"}, headers={**listed, **PAGE})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert answer.headers["vary"] == "origin"
        refused = keyed.post("/v1/search", json={"query": "hello"}, headers={**other, **PAGE})
        assert "https://example.org" in problem(refused, 403)["detail"]
        elsewhere = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
        for method, path in (("POST", "/v1/search"), ("GET", "/v1/arms")):
            answer = keyed.request(method, path, headers={**listed, **elsewhere}, json={"query": "x"})
            problem(answer, 403)
            assert "access-control-allow-origin" not in answer.headers
        assert hits(keyed, "hello", listed)

    def test_browsers_ask_first(self, keyed, key):
        ask = {
            **PAGE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-bandstand-key",
        }
        assert "access-control-allow-origin" not in keyed.options("/v1/search", headers=ask).headers
        key("search", origins=["https://example.org"])
        answer = keyed.options("/v1/search", headers=ask)
        assert answer.status_code == 204
        assert "x-bandstand-key" in answer.headers["access-control-allow-headers"]
        assert "POST" in answer.headers["access-control-allow-methods"]

    def test_a_star_is_any_site(self, keyed, key):
        headers = {**key("search", origins=["*"]), "origin": "https://anywhere.example"}
        assert hits(keyed, "hello", headers)


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1:8080", "[::1]:8080", "localhost", "a.localhost:1", "TestServer", "10.0.0.1"]
    )
    def test_addresses_and_known_names_are_answered(self, reader, host):
        assert reader.get("/v1/arms", headers={"host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["rebound.example", "rebound.example:8080", "localhost.example", "[", "a b", "*"])
    def test_a_name_of_somebody_else_is_not(self, reader, host):
        for path in ("/v1/arms", "/healthz", "/"):
            assert "BANDSTAND_HOSTS" in problem(reader.get(path, headers={"host": host}), 421)["detail"]


class TestWhosePast:
    @pytest.fixture
    def web(self, key):
        return key("search", "suggest", "events")

    def test_nobody_names_another(self, keyed, web):
        for headers in (web, {**web, **ANA}):
            for refused in (
                keyed.post("/v1/search", json={"query": "hello", "user_id": "bob"}, headers=headers),
                keyed.get("/v1/suggest?q=h&user_id=bob", headers=headers),
            ):
                assert "X-Bandstand-User" in problem(refused, 403)["detail"]
            events = [click("q", "hello", user_id="bob"), click("q", "hello", event_id="mine")]
            answer = keyed.post("/v1/events", json=events, headers=headers).json()
            assert [each["index"] for each in answer["rejected"]] == [0]
            problem(keyed.delete("/v1/users/bob", headers=headers), 403)

    def test_the_past_follows_the_token(self, keyed, web):
        mine = {**web, **ANA}
        query_id = keyed.post("/v1/search", json={"query": "my odd words"}, headers=mine).json()["query_id"]
        event = click(query_id, "hoppipolla", event_id="odd")
        assert keyed.post("/v1/events?wait=true", json=event, headers=mine).json()["learned"]
        logged = keyed.app.state.service.home.log.impression(query_id)
        assert logged.query.user_id == "ana"
        eventually(lambda: "Hoppípolla" in self.suggested(keyed, mine))
        assert self.suggested(keyed, {**mine}, user_id="ana") == self.suggested(keyed, mine)
        assert keyed.delete("/v1/users/ana", headers=mine).json()["deleted"]["events"] >= 1
        problem(keyed.get(f"/v1/queries/{query_id}", headers=ADMIN), 404)

    @staticmethod
    def suggested(client, headers, **who):
        answer = client.get("/v1/suggest", params={"q": "hopp", **who}, headers=headers).json()["suggestions"]
        return [each["text"] for each in answer if each["source"] == "chosen"]

    def test_what_visitors_do_is_claimed_by_their_key_and_network(self, keyed, web, key):
        log = keyed.app.state.service.home.log

        def claimants(headers, event_id):
            asked = keyed.post("/v1/search", json={"query": "hello", "session_id": event_id}, headers=headers).json()
            sent = click(asked["query_id"], "hello", event_id=event_id, session_id=event_id)
            assert keyed.post("/v1/events?wait=true", json=sent, headers=headers).json()["learned"]
            (event,) = log.events_of(asked["query_id"], limit=1)
            return log.impression(asked["query_id"]).query.claimant, event.claimant

        mine, same = claimants(web, "claim-1")
        assert mine == same == claimants({**web, **ANA}, "claim-2")[1] is not None
        assert claimants(key("search", "events", "import"), "claim-3") == (None, None)
        assert claimants(key("search", "events"), "claim-4")[0] not in (None, mine)

    def test_keys_that_import_name_anybody(self, keyed, key):
        bring = key("search", "events", "import")
        assert keyed.post("/v1/search", json={"query": "hello", "user_id": "bob"}, headers=bring).status_code == 200
        loose = click("", "hello", user_id="bob", user_query="hello", event_id="brought")
        assert keyed.post("/v1/events", json=loose, headers=bring).json()["accepted"] == 1
        problem(keyed.delete("/v1/users/bob", headers=bring), 403)

    def test_events_of_no_search_are_imports(self, keyed, web):
        loose = {**click("q", "hello", user_query="hello"), "query_id": None}
        answer = keyed.post("/v1/events", json=[loose, click("q", "hello", event_id="of-q")], headers=web).json()
        assert [each["index"] for each in answer["rejected"]] == [0]
        assert "import" in answer["rejected"][0]["reason"]

    @pytest.mark.parametrize(
        "token", ["", "ana", user_token("ana", SECRET, expires=1), user_token("ana", 32 * "x", expires=4e9)]
    )
    def test_a_token_that_proves_nothing_is_refused(self, keyed, web, token):
        answer = keyed.get("/v1/suggest?q=h", headers={**web, "x-bandstand-user": token})
        assert "user token" in problem(answer, 401)["detail"]

    def test_without_keys_a_token_still_names_its_user(self, home):
        with serving(home, user_token_secret=SECRET) as client:
            query_id = client.post("/v1/search", json={"query": "hello"}, headers=ANA).json()["query_id"]
            assert client.app.state.service.home.log.impression(query_id).query.user_id == "ana"
            assert client.post("/v1/search", json={"query": "hello", "user_id": "bob"}, headers=ANA).status_code == 200
