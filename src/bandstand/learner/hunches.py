"""What one person's sessions suggest but do not show: a failed search and a goal with no word in common.

A nickname looks like any unrelated search. One person's next success says little about it; a second person whose same
words ended at the same entity says much, as strangers hardly ever agree by chance.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import orjson

from bandstand.learner.open_searches import KeyValue

_PREFIX = b"hunch/"
_MOST_HELD = 8

COINCIDENCE = 0.01
"""P(two unrelated next searches end at the same entity): the share of a very popular one."""


class Hunch(NamedTuple):
    """One person's evidence: who (a hash), the failed search, when, and the actor's remaining weight."""

    who: str
    query_id: str
    time: float
    weight: float


class Hunches:
    """Evidence by (failed query, goal), in the learner's transaction."""

    def __init__(self, state: KeyValue) -> None:
        self._state = state

    def add(self, normalized: str, ordinal: int, hunch: Hunch) -> list[Hunch]:
        """One more; returns the evidence that this makes credible: all of it at the second person, then only the new.

        The same person again adds nothing.
        """
        key = _key(normalized, ordinal)
        held = self._get(key)
        if any(other.who == hunch.who for other in held) or len(held) >= _MOST_HELD:
            return []
        self._keep(key, [*held, hunch])
        if not held:
            return []
        return [*held, hunch] if len(held) == 1 else [hunch]

    def forget(self, who: str) -> None:
        """Drop one person's evidence."""
        for key, raw in self._state.scan(_PREFIX):
            held = [Hunch(*row) for row in orjson.loads(raw)]
            left = [hunch for hunch in held if hunch.who != who]
            if len(left) < len(held):
                self._keep(key, left)

    def expire(self, before: float) -> None:
        """Drop evidence that nobody came to share."""
        for key, raw in self._state.scan(_PREFIX):
            if all(row[2] < before for row in orjson.loads(raw)):
                self._state.delete(key)

    def _get(self, key: bytes) -> list[Hunch]:
        raw = self._state.get(key)
        return [] if raw is None else [Hunch(*row) for row in orjson.loads(raw)]

    def _keep(self, key: bytes, left: list[Hunch]) -> None:
        if left:
            self._state.put(key, orjson.dumps([tuple(hunch) for hunch in left]))
        else:
            self._state.delete(key)


def agreed(alone: float) -> float:
    """P(same intent) once two people agree, of whom each alone would be believed by ``alone`` in (0, 1).

    Naive Bayes over the two: c² / (c² + (1 - c)² · `COINCIDENCE`).
    """
    both, neither = alone**2, (1 - alone) ** 2 * COINCIDENCE
    return both / (both + neither)


def _key(normalized: str, ordinal: int) -> bytes:
    digest = blake2b(normalized.encode("utf-8", "replace"), digest_size=12).hexdigest()
    return _PREFIX + f"{digest}/{ordinal}".encode()
