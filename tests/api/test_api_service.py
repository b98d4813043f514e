"""A service that is loading, overloaded, broken or stopping: answers stay readable and nothing hangs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import threading

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bandstand.api.app import create_app
from bandstand.api.service import Service
from bandstand.errors import StorageError, Unavailable
from tests.support.api_world import click, eventually, problem, search, serving, settings_of

NEEDS_HOME = [
    ("POST", "/v1/search", {"json": {"query": "hello"}}),
    ("POST", "/v1/events", {"json": click("q", "hello")}),
    ("GET", "/v1/queries/q", {}),
    ("GET", "/v1/suggest?q=h", {}),
    ("GET", "/v1/entities/hello", {}),
    ("PUT", "/v1/entities/hello", {"json": {"kind": "track", "title": "x"}}),
    ("DELETE", "/v1/entities/hello", {}),
    ("POST", "/v1/entities/bulk", {"content": b'{"id":"x","kind":"track","title":"x"}'}),
    ("DELETE", "/v1/users/ann", {}),
    ("GET", "/v1/models", {}),
    ("POST", "/v1/models/ranker/promote?version=x", {}),
    ("POST", "/v1/models/ranker/rollback", {}),
    ("GET", "/readyz", {}),
]


class TestLoading:
    @pytest.mark.parametrize(("method", "path", "body"), NEEDS_HOME)
    def test_every_route_says_when_to_come_back(self, tmp_path, method, path, body):
        client = TestClient(create_app(settings_of(tmp_path / "home")))  # not entered: the service never starts
        response = client.request(method, path, **body)
        assert "loading" in problem(response, 503)["detail"]
        assert int(response.headers["retry-after"]) >= 1

    def test_what_needs_no_home_answers(self, tmp_path):
        client = TestClient(create_app(settings_of(tmp_path / "home")))
        for path in ("/healthz", "/metrics", "/openapi.json", "/docs"):
            assert client.get(path).status_code == 200

    def test_a_home_that_another_process_holds_is_waited_for(self, home):
        with (home / "learner.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with TestClient(create_app(settings_of(home))) as client, capture_logs():
                eventually(lambda: "another process" in problem(client.get("/readyz"), 503)["detail"])
                fcntl.flock(lock, fcntl.LOCK_UN)
                eventually(lambda: client.get("/readyz").status_code == 200)

    def test_a_worker_waits_for_the_learner_to_index(self, tmp_path):
        with TestClient(create_app(settings_of(tmp_path / "home"), learn=False)) as client, capture_logs() as logs:
            eventually(lambda: "bandstand index" in problem(client.get("/readyz"), 503)["detail"])
        assert len([entry for entry in logs if entry["event"] == "thread_failed"]) <= 1  # said once, not at every try

    def test_an_empty_home_is_made_ready_and_fills(self, tmp_path):
        with serving(tmp_path / "home") as client:
            assert search(client, "hello")["hits"] == []
            assert "bandstand ingest" in problem(client.get("/readyz"), 503)["detail"]  # nothing could be found
            client.put("/v1/entities/x?wait=true", json={"kind": "track", "title": "Hello"})
            assert search(client, "hello")["hits"][0]["entity_id"] == "x"
            assert client.get("/readyz").json()["entities"] == 1

    def test_it_can_be_stopped_before_it_is_ready(self, home):
        for _ in range(3):
            with TestClient(create_app(settings_of(home))):
                pass
        with serving(home) as client:
            assert search(client, "hello")["hits"]


def test_nobody_is_kept_waiting_once_the_end_has_begun(tmp_path):
    service = Service(settings_of(tmp_path / "home"), learn=False)
    service.ending.set()
    waited = asyncio.wait_for(service.until(lambda: False, seconds=1e9), timeout=60.0)
    assert asyncio.run(waited) is False


class TestOverload:
    def test_what_does_not_fit_into_the_queue_is_refused_at_once(self, home):
        release = threading.Event()
        with serving(home, search_threads=1, search_queue=1) as client:
            service = client.app.state.service
            held = [client.portal.start_task_soon(service.search, lambda _: release.wait(10)) for _ in range(2)]
            eventually(lambda: service._waiting == 2)
            for method, path, body in (NEEDS_HOME[0], NEEDS_HOME[3]):
                response = client.request(method, path, **body)
                assert "too many" in problem(response, 503)["detail"]
                assert response.headers["retry-after"] == "1"
            assert client.get("/v1/entities/hello").status_code == 200  # the rest goes on
            release.set()
            assert [future.result() for future in held] == [True, True]
            assert search(client, "hello")["hits"]

    def test_a_search_that_was_given_up_gives_its_place_back(self, home):
        release = threading.Event()
        with serving(home, search_threads=1, search_queue=1) as client:
            service = client.app.state.service
            future = client.portal.start_task_soon(service.search, lambda _: release.wait(10))
            eventually(lambda: service._waiting == 1)
            future.cancel()
            eventually(lambda: service._waiting == 0)
            release.set()
            assert search(client, "hello")["hits"]


class TestDefects:
    def break_(self, client, monkeypatch, error: Exception) -> None:
        def broken(_: object) -> None:
            raise error

        monkeypatch.setattr(client.app.state.service.home.engine, "search", broken, raising=True)

    def test_what_nobody_expected_is_logged_and_answered_503(self, client, monkeypatch):
        self.break_(client, monkeypatch, ZeroDivisionError("a secret detail"))
        with capture_logs() as logs:
            response = client.post("/v1/search", json={"query": "hello"})
        problem(response, 503)
        assert response.headers["retry-after"] == "1"
        assert "secret" not in response.text
        (entry,) = [entry for entry in logs if entry["event"] == "unexpected_error"]
        assert entry["route"] == "/v1/search"
        assert isinstance(entry["exc_info"], ZeroDivisionError)

    def test_a_failing_disk_is_logged_and_answered_503(self, client, monkeypatch):
        self.break_(client, monkeypatch, StorageError("the disk is full"))
        with capture_logs() as logs:
            response = client.post("/v1/search", json={"query": "hello"})
        assert problem(response, 503)["detail"] == "the disk is full"
        assert response.headers["retry-after"] == "1"
        assert [entry["reason"] for entry in logs if entry["event"] == "request_failed"] == ["the disk is full"]

    def test_waiting_times_are_passed_on(self, client, monkeypatch):
        self.break_(client, monkeypatch, Unavailable("later", retry_after=7.4))
        assert client.post("/v1/search", json={"query": "hello"}).headers["retry-after"] == "7"

    def test_the_refresher_survives_a_failure(self, client, monkeypatch):
        home = client.app.state.service.home
        whole, failed = home.refresh, threading.Event()

        def refresh() -> None:
            if not failed.is_set():
                failed.set()
                raise ZeroDivisionError
            whole()

        monkeypatch.setattr(home, "refresh", refresh)
        with capture_logs():
            eventually(failed.is_set)
            client.put("/v1/entities/x", json={"kind": "track", "title": "Fresh"})
            eventually(lambda: search(client, "fresh", policy="lexical")["hits"])


class TestEventLoop:
    def test_no_file_is_touched_on_it(self, client, monkeypatch):
        home = client.app.state.service.home
        loop_thread = client.portal.call(threading.get_ident)
        touched: set[str] = set()

        class Spy:
            """Passes everything on, and notes what is called on the event loop's thread."""

            def __init__(self, name: str, part: object) -> None:
                self._name, self._part = name, part

            def __getattr__(self, name: str) -> object:
                value = getattr(self._part, name)
                if not callable(value):
                    return value

                def called(*args, **kwargs):
                    if threading.get_ident() == loop_thread:
                        touched.add(f"{self._name}.{name}")
                    return value(*args, **kwargs)

                return called

        for name in ("store", "log", "memory", "models", "catalog", "serving", "engine"):
            monkeypatch.setattr(home, name, Spy(name, getattr(home, name)))
        intake = client.app.state.service.intake
        monkeypatch.setattr(intake, "log", Spy("log", intake.log))
        query_id = search(client, "hello")["query_id"]
        assert client.get(f"/v1/queries/{query_id}").status_code == 200
        for method, path, body in NEEDS_HOME:
            assert client.request(method, path, **body).status_code < 500
        client.put("/v1/entities/y?wait=true", json={"kind": "track", "title": "y"})
        client.post("/v1/events?wait=true", json=click(query_id, "hello"))
        client.get("/metrics")
        assert touched == set()


class TestDisconnects:
    def run(self, client, messages: list[dict], path: str = "/v1/search") -> list[dict]:
        """One request by hand; the client leaves after the messages."""
        sent: list[dict] = []

        async def receive() -> dict:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "server": ("test", 80),
            "headers": [(b"content-type", b"application/json")], "client": ("test", 1),
        }  # fmt: skip
        client.portal.call(lambda: asyncio.wait_for(client.app(scope, receive, send), timeout=10))
        return sent

    def test_in_the_middle_of_the_body(self, client):
        assert self.run(client, [{"type": "http.request", "body": b'{"query": "he', "more_body": True}]) == []
        assert client.app.state.service._waiting == 0

    def test_before_the_answer(self, client):
        body = json.dumps({"query": "hello"}).encode()
        sent = self.run(client, [{"type": "http.request", "body": body, "more_body": False}])
        assert sent[0]["status"] == 200
        assert client.app.state.service._waiting == 0

    def test_bodies_may_come_in_any_pieces(self, client):
        body = json.dumps({"query": "hello", "k": 1}).encode()
        pieces = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in body]
        sent = self.run(client, [*pieces, {"type": "http.request", "body": b"", "more_body": False}])
        assert len(json.loads(sent[1]["body"])["hits"]) == 1
