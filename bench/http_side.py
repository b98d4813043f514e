"""What HTTP alone costs: the real server over a home that answers at once. `python -m bench.http_side HOME` serves it.

Each search is answered by the same page, made once; suggestions likewise; events are parsed and appended nowhere.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI

from bandstand.api.app import create_app
from bandstand.engine.request import SearchRequest
from bandstand.feedback.log import Appended
from bandstand.settings import load_settings

QUERY = "bohemian rhapsody"


def main() -> None:
    """Serve until the end of standard input."""
    app = create_app(load_settings(home=Path(sys.argv[1])), learn=False)
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
