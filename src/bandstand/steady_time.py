"""The time of day, without its jumps: everything that is remembered fades by it, and retention deletes by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from bandstand.types.times import DAY_S

_WHOLE_S = 2 * DAY_S
"""A step of more than this is no correction: what was remembered would fade, or stop fading, for good."""


def _elapsed() -> float:
    """Seconds that passed, those in which the machine slept too where the system says so."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """Seconds since 1970 as the system tells them, but for jumps of more than two days: time goes on as before then.

    A correction of hours is followed. Who starts anew believes the system; until then `jump_s` says how far off it is.
    Safe for threads. ``wall`` is the system's time, ``elapsed`` counts the seconds that pass.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = _elapsed) -> None:
        self._wall, self._elapsed = wall, elapsed
        self._at = wall(), elapsed()
        self.jump_s = 0.0

    def __call__(self) -> float:
        """The time now."""
        wall, elapsed = self._wall(), self._elapsed()
        before, then = self._at
        expected = before + elapsed - then
        if abs(wall - expected) > _WHOLE_S:
            self._refuse(wall - expected)
            return expected
        self._at, self.jump_s = (wall, elapsed), 0.0
        return wall

    def _refuse(self, jump_s: float) -> None:
        if not self.jump_s:
            structlog.get_logger("clock").error("clock_jumped", reason=said_of(jump_s))
        self.jump_s = jump_s


def said_of(jump_s: float) -> str:
    """What to say of a jump of so many seconds."""
    way = "ahead" if jump_s > 0 else "back"
    return (
        f"this machine's clock jumped {timedelta(seconds=round(abs(jump_s)))} {way}; time goes on here as before: set"
        " the clock, or start anew if it is right now"
    )


STEADY = SteadyClock()
"""The process's own."""
