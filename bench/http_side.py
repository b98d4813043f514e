"""What HTTP alone costs: the real server over a home that answers at once. `python -m bench.http_side HOME`.

Each search is answered by the same page, made once; suggestions likewise; events are parsed and appended nowhere.
Metrics are kept as several workers keep them.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI

from bandstand.api.app import create_app
from bandstand.api.metrics import SHARED_FOLDER
from bandstand.engine.request import SearchRequest
from bandstand.feedback.log import Appended
from bandstand.settings import load_settings
from bench.cpu import cpu_of
from bench.figures import Figure, table
from bench.http_client import get, post, send

QUERY, CLIENTS, AIM = "bohemian rhapsody", 8, 0.4


def main() -> None:
    """Measure, and print a table; with ``--serve``, be the server until standard input ends."""
    parser = argparse.ArgumentParser(prog="bench.http_side", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    if given.serve:
        _serve(given.home)
    else:
        print(table(http_figures(given.home, given.requests)))


def http_figures(home: Path, count: int) -> list[Figure]:
    """Milliseconds of CPU of the server for a request of each kind, so many of each by so many clients."""
    with (
        tempfile.TemporaryDirectory() as counters,
        subprocess.Popen(
            [sys.executable, "-m", "bench.http_side", str(home), "--serve"],
            env=os.environ | {SHARED_FOLDER: counters},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        assert server.stdin is not None
        address = server.stdout.readline().strip()
        figures = []
        for name, request in _requests(address).items():
            send(address, [request] * (count // 5), CLIENTS)
            before = cpu_of(server.pid)
            sent = send(address, [request] * count, CLIENTS)
            used, client = ((cpu_of(server.pid) - before) / count * 1e3, sent.client_cpu / count * 1e3)
            figures.append(Figure(name=name, value=used, unit="ms of CPU", aim=AIM, note=f"client {client:.2f} ms"))
        server.stdin.close()
        return figures


def _requests(address: str) -> dict[str, bytes]:
    event = {"action_name": "click", "query_id": "0" * 32, "event_attributes": {"object": {"object_id": "x"}}}
    return {
        "search": post(address, "/v1/search", {"query": QUERY, "user_id": "u1", "policy": "all"}),
        "suggest": get(address, f"/v1/suggest?q={QUERY[:4]}&k=8"),
        "event": post(address, "/v1/events", event),
    }


def _serve(home: Path) -> None:
    app = create_app(load_settings(home=home), learn=False)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    threading.Thread(target=_can, args=(app, listener.getsockname()[1]), daemon=True).start()
    threading.Thread(target=_until_closed, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _until_closed(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


def _can(app: FastAPI, port: int) -> None:
    """Put prepared answers in the place of the home, once it is open; then say where they are served."""
    service = app.state.service
    while service._home is None:  # noqa: SLF001 - no route tells before another worker may have been asked
        time.sleep(0.1)
    home = service._home  # noqa: SLF001
    page = home.search(SearchRequest(query=QUERY, policy="all"))
    completions = home.suggester.suggest(QUERY[:4], 8)
    home.search = _always(page)
    home.suggester = SimpleNamespace(suggest=_always(completions), refresh=_always(None))
    service.intake.log.append_events = _always(Appended(1, 0, 1))
    print(f"http://127.0.0.1:{port}", flush=True)


def _always(answer: object) -> Callable[..., Any]:
    return lambda *_, **__: answer


if __name__ == "__main__":
    main()
