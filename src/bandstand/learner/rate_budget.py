"""Each actor's budget of teaching, kept in the learner's transaction: a bot's clicks weigh like a busy person's."""

from __future__ import annotations

import struct

from bandstand.feedback.rate import Budget, RateGuard
from bandstand.learner.open_searches import KeyValue

_PREFIX = b"rate/"
_VALUE = struct.Struct(">dd")


class RateBudgets:
    """Budgets by actor (a hash, see `bandstand.learner.sessions.hashed`)."""

    def __init__(self, state: KeyValue, guard: RateGuard) -> None:
        self._state = state
        self._guard = guard

    def weight(self, who: str, now: float) -> float:
        """The weight in [0, 1] of one more event of the actor."""
        key = _PREFIX + who.encode()
        raw = self._state.get(key)
        budget = None if raw is None else Budget(*_VALUE.unpack(raw))
        weight, left = self._guard.spend(budget, now)
        self._state.put(key, _VALUE.pack(*left))
        return weight

    def forget(self, who: str) -> None:
        """Drop an actor's budget."""
        self._state.delete(_PREFIX + who.encode())

    def expire(self, before: float) -> int:
        """Drop budgets last touched before a time: they are full again by now. Returns how many."""
        old = [key for key, raw in self._state.scan(_PREFIX) if _VALUE.unpack(raw)[1] < before]
        for key in old:
            self._state.delete(key)
        return len(old)
