"""How connections are accepted: no more than there are places for, and by whichever worker holds the fewest.

Workers wait at one socket, and each would accept all that are there: of eight clients, one worker had all eight. A
kernel that deals them out by their addresses (SO_REUSEPORT) does so by chance, and half of all times one of two workers
then has six or more. Connections are kept for many searches, so the odds of the first moment would last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from bandstand.api.bounded_http import Bounded
from bandstand.api.connections import MAX_HEADER_BYTES, Place, Places
from bandstand.api.problems import last_words
from bandstand.api.protocols import protocol
from bandstand.api.readiness import alive
from bandstand.errors import BandstandError
from bandstand.settings import Settings

Protocols = Callable[[], Bounded]

_LET_OTHERS_S = 0.02
"""How long a worker that holds more connections than another leaves a new one to that one."""

_AFTER_FAILURE_S = 0.5
"""How long nothing is accepted after the process ran out of descriptors."""

_SAID_AGAIN_S = 60.0
"""How often it is said: as long as it lasts it happens with every connection."""

_END_S = 4
"""How long requests that were accepted may take until the server ends."""

_HUNG_S = 30
KEPT_ALIVE_S = 75
"""How long an idle connection is kept: longer than clients and proxies keep theirs (nginx 60 s, httpx 5 s). The side
that sends the requests must be the one that closes, or a request meets a closing connection and gets no answer."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many connections each worker holds: a file for each, named by its process, in a folder of the server's own.

    A worker that died counts no more.
    """

    folder: Path

    def tell(self, held: int) -> None:
        """This process holds so many."""
        (self.folder / str(os.getpid())).write_text(str(held))

    def leave(self) -> None:
        """This process accepts no more."""
        (self.folder / str(os.getpid())).unlink(missing_ok=True)

    def fewest_of_others(self) -> int | None:
        """The fewest that another worker holds; None where there is no other."""
        others = [path for path in self.folder.iterdir() if int(path.name) != os.getpid() and alive(int(path.name))]
        return min((_number(path) for path in others), default=None)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # gone, or being written
        return 0


class Accepting(uvicorn.Config):
    """How uvicorn serves an application of `create_app`: with bounds, and with ``shares`` as one of several workers."""

    def __init__(
        self, make: Callable[[], FastAPI], settings: Settings, *, workers: int = 1, shares: Shares | None = None
    ) -> None:
        super().__init__(
            make,
            factory=True,
            workers=workers,
            http=protocol(),
            ws="none",
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            log_level="error",  # anybody can cause its warnings
            access_log=False,
            forwarded_allow_ips=settings.proxies,
            timeout_keep_alive=KEPT_ALIVE_S,
            timeout_graceful_shutdown=_END_S,
            timeout_worker_healthcheck=_HUNG_S,
        )
        self._make, self._shares = make, shares
        self._places: Places | None = None

    def load_app(self) -> Callable[[], FastAPI]:
        """See `uvicorn.Config`: gives what makes the application."""
        app = self._make()
        self._places = app.state.places
        return lambda: app

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Loops that accept as is said above, and are else as uvicorn chooses them."""
        make = super().get_loop_factory() or asyncio.new_event_loop

        def new_loop() -> asyncio.AbstractEventLoop:
            loop = make()

            async def create_server(
                protocols: Protocols, *, sock: socket.socket, backlog: int, **_: object
            ) -> Acceptor:
                assert self._places is not None  # uvicorn listens once the application is there
                sock.listen(backlog)
                return Acceptor(loop, sock, protocols, self._places, self._shares)

            loop.create_server = create_server  # type: ignore[method-assign, assignment]
            return loop

        return new_loop


class Acceptor:
    """Accepts at a socket, at which other processes may wait too; what uvicorn wants of an `asyncio.Server`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        protocols: Protocols,
        places: Places,
        shares: Shares | None,
    ) -> None:
        self._loop, self._listener, self._protocols, self._places = loop, listener, protocols, places
        self._shares = shares
        self._beginning: set[asyncio.Task[None]] = set()
        self._waited = self._closed = False
        self._said_at: float | None = None
        listener.setblocking(False)
        self._tell()
        loop.add_reader(listener, self._somebody_waits)

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        self._loop.remove_reader(self._listener)
        if self._shares is not None:
            self._shares.leave()

    async def wait_closed(self) -> None:
        """Return once those that were accepted last are connected."""
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _somebody_waits(self) -> None:
        """Take one connection; the loop calls again while there are more."""
        self._tell()
        if not self._waited and self._is_another_ones():
            self._rest(_LET_OTHERS_S)
            return
        self._waited = False
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker was faster
            return
        except OSError as error:
            self._cannot_accept(error)
            return
        try:
            place = self._places.take(address[0])
        except BandstandError as error:
            _turn_away(connection, error)
            return
        beginning = self._loop.create_task(self._begin(connection, place))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._begun)

    def _is_another_ones(self) -> bool:
        """Whether another worker holds fewer."""
        fewest = None if self._shares is None else self._shares.fewest_of_others()
        return fewest is not None and fewest < self._places.held

    def _cannot_accept(self, error: OSError) -> None:
        """Let who waits wait on, and say why, once a minute."""
        self._rest(_AFTER_FAILURE_S)
        self._places.refused("descriptors")
        now = self._loop.time()
        if self._said_at is None or now >= self._said_at + _SAID_AGAIN_S:
            self._said_at = now
            remedy = "raise the limit of open files (ulimit -n), or set BANDSTAND_MAX_CONNECTIONS lower"
            structlog.get_logger("serve").error("cannot_accept", reason=error.strerror, remedy=remedy)

    def _rest(self, seconds: float) -> None:
        self._waited = True
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._somebody_waits)

    async def _begin(self, connection: socket.socket, place: Place) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers may wait 40 ms for an ACK

        def placed() -> Bounded:
            begun = self._protocols()
            begun.place = place
            return begun

        try:
            await self._loop.connect_accepted_socket(placed, connection)
        except OSError:  # the client has left already
            place.leave()

    def _begun(self, beginning: asyncio.Task[None]) -> None:
        self._beginning.discard(beginning)
        self._tell()

    def _tell(self) -> None:
        if self._shares is not None:
            self._shares.tell(self._places.held)


def _turn_away(connection: socket.socket, error: BandstandError) -> None:
    """Say why, without waiting for anything: what was asked already is read, else the answer would be lost with it."""
    with suppress(OSError), connection:
        connection.setblocking(False)
        connection.send(last_words(error))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(MAX_HEADER_BYTES)
