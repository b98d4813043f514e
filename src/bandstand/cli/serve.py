"""`bandstand serve`: the HTTP service, in one process or in several."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import HomeOption, out
from bandstand.cli.ope_command import repeated
from bandstand.errors import BadInput, Unavailable
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (BANDSTAND_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on (BANDSTAND_PORT); 0 takes a free one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes; above 1 the learner has its own.")] = 1,
    learner: Annotated[
        bool, typer.Option(help="Whether to learn and index beside it, or leave that to another machine.")
    ] = True,
    subsonic: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Stand before this Subsonic server, and answer its searches (BANDSTAND_SUBSONIC)."
        ),
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure", help="Without any key, trust everybody who reaches the address.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Answer searches over HTTP, and learn beside it."""
    from bandstand.api.processes import configure_logs
    from bandstand.backend import Paths

    settings = load_settings(home=home, host=host, port=port, subsonic=subsonic, insecure=insecure)
    configure_logs(settings.log_level)
    Paths(settings.home).create()
    said = _who_is_trusted(settings)
    with _listening(settings.host, settings.port) as listener:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        out.print(f"Bandstand on http://{shown}:{listener.getsockname()[1]} (docs at /docs), home {settings.home}")
        out.print(said)
        minutes = settings.estimate_minutes if learner else 0.0
        with repeated(settings.home, Paths(settings.home).estimates, minutes):
            if workers == 1:
                _serve_alone(settings, listener, learn=learner)
            else:
                _serve_together(settings, listener, workers, learn=learner)


def _who_is_trusted(settings: Settings) -> str:
    """What `serve` says of who may ask for what.

    Raises:
        BadInput: anybody could ask for anything.
        StorageError: the keys cannot be read.
    """
    try:
        keyed = settings.admin_key is not None or _has_keys(settings)
    except Unavailable as error:
        return f"Nobody is let in before the keys are known: {error}"
    if keyed:
        return "Callers need a key (bandstand keys list)"
    if settings.local:
        return "There are no keys: whoever reaches this address is trusted with everything (bandstand keys create)"
    if not settings.insecure:
        raise BadInput(
            f"{settings.host} is reached from other machines, and there is no key: make one"
            " (bandstand keys create NAME --scope admin), set BANDSTAND_ADMIN_KEY, or trust everybody with --insecure",
            field="--host",
        )
    return (
        "INSECURE: there are no keys, so that everybody who reaches this address may read what people asked, write and"
        " delete entities, users and models, and make keys"
    )


def _has_keys(settings: Settings) -> bool:
    from bandstand.app.storage import open_backend

    with closing(open_backend(settings)) as backend:
        return backend.open_keys().read() is not None


def _listening(host: str, port: int) -> socket.socket:
    from bandstand.errors import Conflict

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; else every answer may wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as cause:
        listener.close()
        why = cause.strerror or str(cause)
        raise Conflict(f"cannot listen on {host}:{port} ({why}): choose with --host and --port") from cause
    return listener


def _serve_alone(settings: Settings, listener: socket.socket, *, learn: bool) -> None:
    import uvicorn

    from bandstand.api.accepting import Accepting
    from bandstand.api.app import create_app

    # uvicorn stops gracefully and then raises the signal once more: an orderly end is to be exit code 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    app = create_app(settings, learn=learn)
    uvicorn.Server(Accepting(lambda: app, settings)).run(sockets=[listener])


def _serve_together(settings: Settings, listener: socket.socket, workers: int, *, learn: bool) -> None:
    """API workers that share the listening socket, and, with ``learn``, one learner."""
    from bandstand.api.accepting import Accepting, Shares
    from bandstand.api.app import create_worker
    from bandstand.api.metrics import SHARED_FOLDER
    from bandstand.api.processes import LearnerProcess
    from bandstand.api.readiness import Readiness
    from bandstand.api.workers import Workers

    with ExitStack() as running:
        counters, loaded, shares = (
            running.enter_context(tempfile.TemporaryDirectory(prefix="bandstand-")) for _ in range(3)
        )
        learner = running.enter_context(LearnerProcess(settings)) if learn else None
        os.environ.setdefault(SHARED_FOLDER, counters)
        make = partial(create_worker, settings, Readiness(Path(loaded), workers))
        config = Accepting(make, settings, workers=workers, shares=Shares(Path(shares)))
        Workers(config, listener, learner).run()
