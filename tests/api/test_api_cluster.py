"""A worker that starts before its cluster accepts events, says why it cannot search, and becomes ready by itself."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from api_world import FAR, click, eventually, problem, search, settings_of
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bandstand.api.app import create_app


class Line:
    """A port that refuses everybody until it is connected to the node; then it passes bytes on."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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
                near, far = self._listener.accept()[0], socket.create_connection(self._target)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

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


def test_a_worker_started_while_the_cluster_is_away(cluster, line, tmp_path):
    settings = settings_of(
        tmp_path / "home",
        backend="opensearch",
        opensearch_url=line.url,
        opensearch_prefix=cluster.settings.prefix,
        lease_seconds=0.5,
    )
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
        eventually(lambda: client.get("/readyz").status_code == 200, seconds=4 * FAR)
        assert search(client, "hello")["hits"] == []
        log = client.app.state.service.intake.log
        eventually(lambda: log.count("event") == 1, seconds=4 * FAR)
        assert client.post("/v1/events?wait=true", json=click("q", "hello", event_id="early")).json() == {
            "accepted": 0, "duplicates": 1, "rejected": [], "learned": True,
        }  # fmt: skip
        assert log.count("event") == 1
