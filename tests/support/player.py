"""The front of a Subsonic server on a port, and a player (py-sonic) before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import libsonic
import uvicorn

from bandstand.api.app import create_app
from bandstand.api.service import Service
from tests.support.api_world import eventually, settings_of

HTTP = httpx.Client(verify=False, trust_env=False, timeout=60)
"""One for all: to make one takes longer than what it is used for."""


class Fronting(NamedTuple):
    """Where a front listens, and what serves behind it."""

    port: int
    service: Service


@contextmanager
def fronting(home: Path, upstream: str, **settings: object) -> Iterator[Fronting]:
    """Serve a home before a server."""
    app = create_app(settings_of(home, subsonic=upstream, **settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, name="front")
    thread.start()
    try:
        eventually(lambda: server.started)
        yield Fronting(server.servers[0].sockets[0].getsockname()[1], app.state.service)
    finally:
        server.should_exit = True
        thread.join()


def ready(port: int) -> None:
    """Wait until the front can search."""
    eventually(lambda: HTTP.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)


def player(port: int, user: str, password: str, **options: object) -> libsonic.Connection:
    """A player with an account."""
    return libsonic.Connection("http://127.0.0.1", user, password, port=port, legacyAuth=True, **options)
