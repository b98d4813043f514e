"""Routes without FastAPI: a plain request needs it no more, and what is not plain reaches it whole."""

from __future__ import annotations

import asyncio
import json

import pytest

from bandstand.api.hot_routes import HotRoutes
from tests.support.api_world import click

JSON = [(b"content-type", b"application/json")]
LEFT = (-1, b"")


@pytest.fixture
def ask(reader):
    """Asks the hot routes alone; -1 and the body where they would have FastAPI answer."""

    async def fastapi(scope, receive, send):
        message = await receive()
        await send({"type": "http.response.start", "status": -1, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    state = reader.app.state
    routes = HotRoutes(fastapi, state.service, state.metrics, state.gate)

    def asked(method, path, query=b"", body=b"", headers=JSON):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
        reader.portal.call(lambda: asyncio.wait_for(routes(scope, receive, send), timeout=30))
        return sent[0]["status"], sent[1]["body"]

    return asked


class TestPlain:
    @pytest.mark.parametrize("content_type", [b"application/json", b"application/json; charset=utf-8"])
    def test_search(self, ask, content_type):
        body = json.dumps({"query": "hello", "k": 3, "user_id": " ann ", "filters": {"year": {"gte": 1960}}}).encode()
        status, answer = ask("POST", "/v1/search", body=body, headers=[(b"content-type", content_type)])
        assert status == 200
        assert len(json.loads(answer)["hits"]) == 3

    @pytest.mark.parametrize("query", [b"", b"q=hel", b"q=hel&k=5&user_id=ann&session_id=", b"q=h%C3%A9l+l"])
    def test_suggest(self, ask, query):
        status, answer = ask("GET", "/v1/suggest", query=query)
        assert status == 200
        assert set(json.loads(answer)) == {"query", "suggestions"}

    def test_events(self, ask):
        status, answer = ask("POST", "/v1/events", body=json.dumps(click("q", "hello")).encode())
        assert status == 202
        assert json.loads(answer)["rejected"] == []

    def test_what_is_refused_on_purpose_is_a_problem(self, ask):
        assert ask("POST", "/v1/search", body=b'{"query": "a", "policy": "clever"}')[0] == 422
        assert ask("POST", "/v1/search", body=b'{"query": "a", "query_id": "never"}')[0] == 404
        assert ask("POST", "/v1/events")[0] == 422


class TestLeftToFastapi:
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"query": 5}', b'{"query": "a", "qeury": "b"}', b"\xff"])
    def test_a_body_that_is_no_search(self, ask, body):
        assert ask("POST", "/v1/search", body=body) == (-1, body)

    @pytest.mark.parametrize("headers", [[], [(b"content-type", b"text/plain")]])
    def test_a_search_that_does_not_say_that_it_is_json(self, ask, headers):
        assert ask("POST", "/v1/search", body=b'{"query": "a"}', headers=headers)[0] == -1

    @pytest.mark.parametrize("query", [b"k=0", b"k=", b"k=many", b"q=a&q=b", b"q=a&other=1", b"q=" + b"a" * 201])
    def test_parameters_that_suggestions_do_not_have(self, ask, query):
        assert ask("GET", "/v1/suggest", query=query) == LEFT

    def test_events_that_are_to_be_waited_for(self, ask):
        body = json.dumps(click("q", "hello")).encode()
        assert ask("POST", "/v1/events", query=b"wait=true", body=body) == (-1, body)

    @pytest.mark.parametrize(("method", "path"), [("GET", "/v1/search"), ("HEAD", "/v1/suggest"), ("GET", "/healthz")])
    def test_every_other_route(self, ask, method, path):
        assert ask(method, path) == LEFT
