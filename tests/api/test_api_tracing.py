"""One name for a request: in its answer, in its problem, and in everything that the server logs meanwhile."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import structlog
from structlog.testing import LogCapture

from bandstand.api.tracing import add_request
from tests.support.api_world import problem, search, serving

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = PARENT.split("-")[1]
OWN = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-00")


@pytest.fixture(scope="module")
def telling(built_home, tmp_path_factory):
    """The application of a home that logs every request, and every search as slow."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("telling") / "home")
    with serving(home, access_log=True, slow_search_ms=0.001) as client:
        yield client


@pytest.fixture
def lines():
    """What is logged, with its request, as the processes of a server write it."""
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[add_request, capture])
    yield capture.entries
    structlog.configure(**before)


class TestNames:
    def test_a_request_without_any_gets_its_own(self, reader):
        first, second = (reader.get("/v1/arms").headers for _ in range(2))
        (trace,) = OWN.fullmatch(first["traceparent"]).groups()
        assert first["x-request-id"] == trace
        assert second["x-request-id"] != trace

    def test_a_callers_trace_goes_on_in_a_span_of_its_own(self, reader):
        headers = reader.get("/v1/arms", headers={"traceparent": PARENT}).headers
        assert headers["x-request-id"] == TRACE
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", headers["traceparent"])
        assert headers["traceparent"] != PARENT

    def test_a_callers_id_is_kept(self, reader):
        headers = reader.get("/v1/arms", headers={"x-request-id": "shop-17/a"}).headers
        assert headers["x-request-id"] == "shop-17/a"
        assert OWN.fullmatch(headers["traceparent"])

    @pytest.mark.parametrize(
        "given",
        [
            {"x-request-id": ""},
            {"x-request-id": "a b"},
            {"x-request-id": "x" * 129},
            {"traceparent": PARENT.upper()},
            {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
            {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
            {"traceparent": f"01{PARENT[2:]}-more"},
        ],
    )
    def test_what_is_none_is_passed_over(self, reader, given):
        headers = reader.get("/v1/arms", headers=given).headers
        assert headers["x-request-id"] == OWN.fullmatch(headers["traceparent"])[1] != TRACE

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nowhere", 404), ("GET", "/v1/queries/none", 404), ("POST", "/v1/search", 422)],
    )
    def test_a_problem_has_it(self, reader, method, path, status):
        answer = reader.request(method, path, json={"query": 1}, headers={"x-request-id": "mine"})
        assert problem(answer, status)["request_id"] == answer.headers["x-request-id"] == "mine"


class TestLog:
    def test_a_request_is_a_line_without_what_was_asked(self, telling, lines):
        answer = telling.get("/v1/entities/hello?secret=1", headers={"x-request-id": "mine"})
        assert answer.status_code == 200
        (line,) = (line for line in lines if line["event"] == "request")
        assert line.pop("ms") > 0
        assert line == {
            "event": "request", "method": "GET", "route": "/v1/entities/{entity_id:entity}", "status": 200,
            "request_id": "mine", "trace_id": line["trace_id"], "span_id": line["span_id"], "log_level": "info",
        }  # fmt: skip

    def test_a_slow_search_says_where_the_time_went(self, telling, lines):
        page = search(telling, "hello", user_id="ana")
        (line,) = (line for line in lines if line["event"] == "slow_search")
        assert line["query_id"] == page["query_id"]
        assert line["ms"] >= line["retrieval_and_ranking_ms"] > 0
        assert set(line["depths"]) == {arm["arm"] for arm in page["decision"]["arms"]}
        assert all(re.fullmatch(r"\w+ [\d.]+ ms", said) for said in line["retrievers"].values())
        assert line["request_id"]
        assert not re.search("hello|ana", json.dumps(line))

    def test_nobody_is_told_of_others(self, reader, lines):
        search(reader, "hello")
        assert [line for line in lines if line["event"] in ("request", "slow_search")] == []
