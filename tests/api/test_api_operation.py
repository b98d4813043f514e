"""Health, metrics, documentation, unknown routes."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api_world import click, eventually, problem, search


def metrics(client) -> dict[tuple[str, ...], float]:
    """Every sample by its name and label values."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


class TestHealth:
    def test_alive_and_ready(self, reader):
        assert reader.get("/healthz").json() == {"status": "ok"}
        answer = reader.get("/readyz").json()
        learning = answer.pop("learning")
        assert answer == {"status": "ready", "entities": 15}
        assert learning["waiting"] * learning["oldest_seconds"] >= 0.0 < learning["published_seconds"]

    def test_it_says_what_could_not_be_learned_from(self, client):
        client.app.state.service.home.log.append_control("undo_edit", {})
        eventually(lambda: client.get("/readyz").json().get("parked") == 1)
        assert metrics(client)["bandstand_parked_entries",] == 1


class TestMetrics:
    def test_count_what_happened(self, client):
        before = metrics(client)
        answer = search(client, "hello", policy="hybrid")
        client.post("/v1/events", json=[click(answer["query_id"], "hello", event_id="1")] * 2 + [{}])
        client.get("/v1/entities/hello")
        client.get("/v1/entities/no-such-thing")
        after = metrics(client)

        def grown(*sample: str) -> float:
            return after.get(sample, 0.0) - before.get(sample, 0.0)

        assert grown("bandstand_search_seconds_count", "policy=hybrid") == 1
        assert grown("bandstand_arm_outcomes_total", "arm=lexical", "status=ok") == 1
        assert grown("bandstand_arm_outcomes_total", "arm=trigram", "status=skipped") == 1
        assert grown("bandstand_arm_seconds_count", "arm=dense") == 1
        assert [
            grown("bandstand_events_total", f"result={result}") for result in ("accepted", "duplicate", "rejected")
        ] == [1, 1, 1]
        assert grown("bandstand_actions_total", "action=click") == 2
        route = "route=/v1/entities/{entity_id:entity}"
        assert grown("bandstand_http_requests_total", "method=GET", route, "status=200") == 1
        assert grown("bandstand_http_requests_total", "method=GET", route, "status=404") == 1
        assert after["bandstand_entities",] == 15

    def test_what_callers_invent_is_no_label(self, reader):
        reader.get("/an/invented/path")
        reader.request("INVENTED", "/healthz")
        reader.post("/v1/events", json={"action_name": "invented"})
        labels = " ".join(" ".join(sample) for sample in metrics(reader))
        assert "invented" not in labels.lower()
        assert "method=OTHER" in labels
        assert "action=other" in labels


class TestDescription:
    def test_every_route_is_described_with_its_errors(self, reader):
        description = reader.get("/openapi.json").json()
        assert description["openapi"].startswith("3.1")
        for methods in description["paths"].values():
            for route in methods.values():
                assert route["summary"]
                assert route["description"]
                for status, response in route["responses"].items():
                    if int(status) >= 400:
                        assert list(response["content"]) == ["application/problem+json"]

    def test_docs_need_nothing_from_elsewhere(self, reader):
        page = reader.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page.text)
        assert "<script" not in page.text
        for path in reader.get("/openapi.json").json()["paths"]:
            assert path in page.text


class TestUnknown:
    @pytest.mark.parametrize(
        "path", ["/index.html", "/v1", "/v1/nothing", "/v1/search/", "/v1/queries/", "/v1/queries/a/b", "/%00"]
    )
    def test_routes_are_problems(self, reader, path):
        problem(reader.get(path), 405 if path == "/v1/search" else 404)

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/v1/search", "POST"),
            ("PUT", "/v1/events", "POST"),
            ("POST", "/v1/users/x", "DELETE"),
            ("POST", "/readyz", "GET"),
            ("POST", "/v1/entities/a/b", "GET, PUT, PATCH, DELETE"),
        ],
    )
    def test_methods_are_problems_that_name_the_right_ones(self, reader, method, path, allowed):
        response = reader.request(method, path)
        problem(response, 405)
        assert response.headers["allow"] == allowed
