"""Listeners who come one after another: the clock that their home sees."""

from __future__ import annotations

from bandstand.replay.environment import VirtualClock
from bench.attributes import NOW

PAUSE_S = 1_200.0
"""Between two visits of anybody. Three listeners take turns, so that nobody's two searches are one session."""


class Visits(VirtualClock):
    """Stands still during a visit."""

    def __init__(self) -> None:
        super().__init__(NOW)

    def next(self) -> None:
        """Let the next visit begin."""
        self.move_to(self() + PAUSE_S)
