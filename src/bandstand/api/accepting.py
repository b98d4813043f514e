"""How the workers of one server share out connections: whoever holds the fewest accepts the next one.

They wait at one socket, and each would accept all that are there: of eight clients, one worker had all eight. A kernel
that deals them out by their addresses (SO_REUSEPORT) does so by chance, and half of all times one of two workers then
has six or more. Connections are kept for many searches, so the odds of the first moment would last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn

from bandstand.api.readiness import alive

Protocols = Callable[[], asyncio.Protocol]

_LET_OTHERS_S = 0.02
"""How long a worker that holds more connections than another leaves a new one to that one."""

_AFTER_FAILURE_S = 0.5
"""How long nothing is accepted after the process ran out of files."""


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


class SharingConfig(uvicorn.Config):
    """The configuration of workers that share out connections."""

    shares: Shares

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Loops that accept by turns, and are else as uvicorn chooses them."""
        return partial(_sharing_loop, super().get_loop_factory() or asyncio.new_event_loop, self.shares)


def _sharing_loop(make: Callable[[], asyncio.AbstractEventLoop], shares: Shares) -> asyncio.AbstractEventLoop:
    loop = make()

    async def create_server(protocols: Protocols, *, sock: socket.socket, backlog: int, **_: object) -> Acceptor:
        return Acceptor(loop, sock, protocols, shares, backlog)

    loop.create_server = create_server  # type: ignore[method-assign, assignment]
    return loop


class Acceptor:
    """Accepts at a socket that other processes wait at too; what uvicorn wants of an `asyncio.Server`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        protocols: Protocols,
        shares: Shares,
        backlog: int,
    ) -> None:
        self._loop, self._listener, self._protocols, self._shares = loop, listener, protocols, shares
        self._held: Collection[asyncio.Protocol] = ()
        self._beginning: set[asyncio.Task[None]] = set()
        self._waited = self._closed = False
        listener.setblocking(False)
        listener.listen(backlog)
        shares.tell(0)
        loop.add_reader(listener, self._somebody_waits)

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        self._loop.remove_reader(self._listener)
        self._shares.leave()

    async def wait_closed(self) -> None:
        """Return once those that were accepted last are connected."""
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _somebody_waits(self) -> None:
        """Take one connection; the loop calls again while there are more."""
        held = len(self._held) + len(self._beginning)
        self._shares.tell(held)
        fewest = self._shares.fewest_of_others()
        if not self._waited and fewest is not None and fewest < held:
            self._rest(_LET_OTHERS_S)
            return
        self._waited = False
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker was faster
            return
        except OSError:
            self._rest(_AFTER_FAILURE_S)
            return
        beginning = self._loop.create_task(self._begin(connection))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._begun)

    def _rest(self, seconds: float) -> None:
        self._waited = True
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._somebody_waits)

    async def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers may wait 40 ms for an ACK
        with suppress(OSError):  # the client has left already
            _, protocol = await self._loop.connect_accepted_socket(self._protocols, connection)
            self._held = protocol.connections  # type: ignore[attr-defined]  # uvicorn's set of all that are open

    def _begun(self, beginning: asyncio.Task[None]) -> None:
        self._beginning.discard(beginning)
        self._shares.tell(len(self._held) + len(self._beginning))
