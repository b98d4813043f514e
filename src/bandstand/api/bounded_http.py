"""Bounds for uvicorn's HTTP protocols: a header must come in time.

What an asked body may take is for `Patience` to say, which answers; here a connection is closed that no answer is due
on: nothing whole was asked, or what was asked was answered before all of it had come.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bandstand.api.connections import Place
from bandstand.api.problems import last_words
from bandstand.errors import BandstandError, Unreadable


class Bounded(asyncio.Protocol):
    """What both protocols have in common; uvicorn's own class comes behind it. ``place`` is set before it begins."""

    place: Place
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    config: Any
    cycle: Any
    _timer: asyncio.TimerHandle | None = None

    def begun(self) -> bool:
        """Whether a request has begun to come, and has not come whole."""
        raise NotImplementedError

    @property
    def answering(self) -> bool:
        """Whether an answer is due."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait(self.place.limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_waiting()
        self.place.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; uvicorn does not wait for a next request any more as soon as anything comes."""
        begun = self.begun()
        super().data_received(data)
        if self.answering:
            self._stop_waiting()
        elif begun and not self.begun():  # the rest of what was answered before
            self._wait(self.config.timeout_keep_alive)
        elif self._timer is None:
            self._wait(self.place.limits.header_s)

    def on_response_complete(self) -> None:
        """Called by uvicorn, which then waits for a next request."""
        super().on_response_complete()  # type: ignore[misc]
        if not self.answering and self.begun():
            self._wait(self.place.limits.header_s)

    def send_400_response(self, _: str) -> None:
        """Called by uvicorn for what cannot be read."""
        self.refuse(Unreadable("this is no HTTP request: its header cannot be read"))

    def refuse(self, error: BandstandError) -> None:
        """Say what is wrong, unless an answer to something else is on its way, and close."""
        if self.answering:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(last_words(error))
            self.transport.close()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if not self.answering:
            self.place.refused("header")
            self.transport.abort()
