"""Threads that are not missed: each does its work until it is told to stop, and says how it fares."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bandstand.errors import BandstandError, loggable
from bandstand.types import Clock

_FIRST_PAUSE_S = 0.5


class Stopped(Exception):
    """Long work was told to stop; what it had committed by then stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fares:
    """How a thread fares: how often its work ended unbidden, since when it does nothing else, and why.

    ``failing_since`` is in seconds since 1970, None while all is well.
    """

    name: str
    failures: int = 0
    failing_since: float | None = None
    reason: str = ""


class Supervised:
    """A thread that repeats its work until ``stop``: at once while there is more to do, else after ``pause_s``.

    The work says whether there is more; None: it is done for good. Whatever else ends it is told once, counted, and
    tried again after a pause that doubles up to ``longest_pause_s``: a thread that ended would not be missed for days.
    ``told`` is called whenever it begins or ceases to fail.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], bool | None],
        stop: threading.Event,
        *,
        pause_s: float = 0.0,
        longest_pause_s: float = 10.0,
        told: Callable[[], object] = lambda: None,
        clock: Clock = time.time,
    ) -> None:
        self._work, self._stop, self._pause_s, self._longest_pause_s = work, stop, pause_s, longest_pause_s
        self._told, self._clock = told, clock
        self._back_off = _FIRST_PAUSE_S
        self.fares = Fares(name=name)
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Do the work in the calling thread."""
        while not self._stop.is_set():
            try:
                more = self._work()
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001 - whatever it is, the work must go on
                self._failed(error)
                self._stop.wait(max(self._pause_s, self._back_off))
                self._back_off = min(2 * self._back_off, self._longest_pause_s)
                continue
            self._well()
            if more is None:
                return
            if not more:
                self._stop.wait(self._pause_s)

    def _failed(self, error: BaseException) -> None:
        before, expected = self.fares, isinstance(error, BandstandError)
        reason = str(error) if expected else f"{type(error).__name__}: see the log"
        said = before.reason == reason and before.failing_since is not None
        since = before.failing_since or self._clock()
        self.fares = replace(before, failures=before.failures + 1, failing_since=since, reason=reason)
        if not said:  # the same failure again and again is one piece of news
            log = structlog.get_logger("threads")
            log.error("thread_failed", thread=before.name, reason=loggable(error), exc_info=None if expected else error)
            self._told()

    def _well(self) -> None:
        self._back_off = _FIRST_PAUSE_S
        if self.fares.failing_since is not None:
            self.fares = replace(self.fares, failing_since=None)
            self._told()
