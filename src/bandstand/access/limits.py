"""Token buckets: how often something may happen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

_MOST = 50_000


class Drawn(NamedTuple):
    """What a bucket says: how many tokens are left, and in how many seconds there is one again; 0 where there is."""

    left: int
    wait_s: float


class Buckets:
    """A bucket for everyone who draws: it holds ``room`` tokens, begins full, and gains ``rate`` a second.

    The longest unused of more than 50,000 are forgotten. For one thread; ``monotonic`` measures seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def draw(self, who: Hashable, *, rate: float, room: int) -> Drawn:
        """Take a token; where there is none, nothing is taken, and `Drawn.wait_s` says when to come again."""
        tokens, now = self._filled(who, rate, room)
        if tokens < 1:
            return Drawn(0, (1 - tokens) / rate)
        self._held[who] = tokens - 1, now
        self._held.move_to_end(who)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
        return Drawn(int(tokens - 1), 0.0)

    def look(self, who: Hashable, *, rate: float, room: int) -> Drawn:
        """What there is, without taking any."""
        tokens, _ = self._filled(who, rate, room)
        return Drawn(int(tokens), 0.0 if tokens >= 1 else (1 - tokens) / rate)

    def _filled(self, who: Hashable, rate: float, room: int) -> tuple[float, float]:
        now = self._monotonic()
        tokens, then = self._held.get(who, (room, now))
        return min(room, tokens + rate * (now - then)), now
