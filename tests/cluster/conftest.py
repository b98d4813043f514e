"""A node that answers what the test tells it to, on a port of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bandstand.opensearch.connection import Cluster, ClusterSettings


class ScriptedNode:
    """Answers every request with the next of ``answers`` (the last one again and again); keeps what was asked."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        node, left = self, list(answers)

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                node.asked.append((self.command, self.path, body))
                status, content = left.pop(0) if len(left) > 1 else left[0]
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - as the base class calls them

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[Cluster, ScriptedNode]]]:
    """A connection to a node that answers as told; pauses between retries take no time and are kept in ``slept``."""
    opened: list[tuple[Cluster, ScriptedNode]] = []

    def connect(*answers: tuple[int, object], **settings: object) -> tuple[Cluster, ScriptedNode]:
        node = ScriptedNode(*answers)
        cluster = Cluster(ClusterSettings(urls=(node.url,), prefix="test", **settings), sleep=lambda _: None)
        opened.append((cluster, node))
        return opened[-1]

    yield connect
    for cluster, node in opened:
        cluster.close()
        node.close()
