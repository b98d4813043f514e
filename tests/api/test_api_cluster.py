"""A worker whose cluster is away, overloaded or deaf: it says so, answers what it can, and recovers by itself."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bandstand.api.app import create_app
from tests.support.api_world import FAR, can_search, click, eventually, problem, search, settings_of

FULL = b'{"error": {"type": "rejected_execution_exception", "reason": "queue full"}, "status": 429}'
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(FULL),
    FULL,
)


class Line:
    """A port that refuses everybody until it is connected to the node.

    Then it passes bytes on; or, as its mode says, answers every request with 429, or none at all.
    """

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.mode = "through"
        self._open: list[socket.socket] = []

    def turn(self, mode: str) -> None:
        """Behave otherwise from now on, also to who is connected."""
        self.mode = mode
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def connect(self) -> None:
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                self._open.append(near)
                if self.mode == "through":
                    far = socket.create_connection(self._target)
                    for one, other in ((near, far), (far, near)):
                        threading.Thread(target=self._pass, args=(one, other), daemon=True).start()
                elif self.mode == "full":
                    threading.Thread(target=self._refuse, args=(near,), daemon=True).start()

    @staticmethod
    def _refuse(source: socket.socket) -> None:
        """Answer whatever comes, once."""
        with suppress(OSError):
            while source.recv(1_000_000):
                source.sendall(REFUSAL)
                source.shutdown(socket.SHUT_WR)

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(cluster):
    line = Line(cluster.settings.urls[0])
    yield line
    line.close()


@pytest.fixture
def settings(cluster, line, tmp_path):
    return settings_of(
        tmp_path / "home",
        backend="opensearch",
        opensearch_url=line.url,
        opensearch_prefix=cluster.settings.prefix,
        lease_seconds=0.5,
        deadline_ms=2_000.0,
    )


def statuses(answer):
    return {arm["arm"]: arm["status"] for arm in answer["decision"]["arms"]}


def test_a_worker_started_while_the_cluster_is_away(line, settings):
    with capture_logs(), TestClient(create_app(settings)) as client:
        eventually(lambda: "cannot be reached" in problem(client.get("/readyz"), 503)["detail"])
        assert line.url in problem(client.get("/readyz"), 503)["detail"]
        refused = client.post("/v1/search", json={"query": "hello"})
        assert "cannot be reached" in problem(refused, 503)["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        accepted = client.post("/v1/events", json=click("q", "hello", event_id="early", user_query="hello"))
        assert (accepted.status_code, accepted.json()["accepted"]) == (202, 1)
        assert client.post("/v1/events", json=click("q", "hello", event_id="early")).json()["duplicates"] == 1
        line.connect()
        eventually(lambda: can_search(client.get("/readyz")), seconds=4 * FAR)
        assert search(client, "hello")["hits"] == []
        log = client.app.state.service.intake.log
        eventually(lambda: log.count("event") == 1, seconds=4 * FAR)
        again = partial(client.post, "/v1/events?wait=true", json=click("q", "hello", event_id="early"))
        eventually(lambda: again().json()["learned"], seconds=4 * FAR)  # a busy server gives up waiting after a while
        assert again().json() == {
            "accepted": 0, "duplicates": 1, "rejected": [], "learned": True,
            "without_effect": [{"index": 0, "reason": "the catalogue has no entity 'hello'"}],
        }  # fmt: skip
        assert log.count("event") == 1


@pytest.mark.parametrize("mode", ["full", "deaf"])
def test_a_cluster_that_refuses_or_is_silent_is_named_in_every_answer(line, settings, mode):
    line.connect()
    with capture_logs(), TestClient(create_app(settings)) as client:
        eventually(lambda: can_search(client.get("/readyz")), seconds=4 * FAR)
        entity = {"kind": "track", "title": "Hello", "artists": ["Adele"]}
        assert client.put("/v1/entities/hello?wait=true", json=entity).status_code in (200, 201)
        eventually(lambda: search(client, "hello", policy="lexical")["hits"])
        line.turn(mode)
        missing = {arm for arm, status in statuses(search(client, "hello", policy="all")).items() if status != "ok"}
        assert missing == {"lexical", "trigram", "dense"}
        refused = client.post("/v1/search", json={"query": "hello", "policy": "lexical"})
        assert "lexical could not answer" in problem(refused, 503)["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        if mode == "full":
            refused = client.put("/v1/entities/other", json=entity)
            assert "overloaded" in problem(refused, 503)["detail"]
            assert int(refused.headers["retry-after"]) >= 1
        assert client.post("/v1/events", json=click("q", "hello", event_id="meanwhile")).status_code == 202
        line.turn("through")
        eventually(lambda: search(client, "hello", policy="lexical")["hits"], seconds=4 * FAR)
