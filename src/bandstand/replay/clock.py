"""The replay's clock: it stands still until it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class VirtualClock:
    """Seconds since 1970 of the stream that is played."""

    def __init__(self, start: float) -> None:
        self._now = start

    def __call__(self) -> float:
        """The moment that it is."""
        return self._now

    def move_to(self, now: float) -> None:
        """Let time pass until ``now``; a moment that has passed already changes nothing."""
        self._now = max(self._now, now)

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """For a block, the time of ``moment``: what happened then is written down later."""
        now, self._now = self._now, moment
        try:
            yield
        finally:
            self._now = now
