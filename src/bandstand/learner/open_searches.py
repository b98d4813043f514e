"""Searches within their window: what was chosen so far, and when the bandit may learn from them."""

from __future__ import annotations

import heapq
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec
from msgspec.structs import replace

from bandstand.feedback.behaviour import MOST_INTERACTIONS, Interaction

_OPEN = b"open/"
_FIRST_HEAD = struct.Struct("<dd?")
"""Due, closes and finalized, as version 1 stood before its JSON."""


class KeyValue(Protocol):
    """The part of a memory batch that holds the learner's own state, in the same transaction."""

    def get(self, key: bytes) -> bytes | None:
        """The stored value, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value."""

    def delete(self, key: bytes) -> None:
        """Remove a key; a missing one is no error."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key starts with ``prefix``, ascending."""

    def first(self, prefix: bytes) -> bytes | None:
        """The first key that starts with ``prefix``, None where there is none."""


class OpenSearch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A search whose window has not ended.

    ``who`` is a hash of its actor (empty: nobody's). ``due`` is when it is finalized, and, once it is ``finalized``,
    when it is forgotten: at the end of its window, ``closes``. ``outcomes`` maps ordinals to the best and the worst
    grade (0 or below) that actions on them had so far. ``interactions`` are these actions and those since it
    finalized, as they came.
    """

    due: float
    closes: float
    query_id: str
    who: str
    finalized: bool = False
    outcomes: Mapping[int, tuple[float, float]] = msgspec.field(default_factory=dict)
    interactions: tuple[Interaction, ...] = ()
    version: int = 2

    def graded(self, ordinal: int, grade: float, *, due: float) -> OpenSearch:
        """With one more action on an entity."""
        best, worst = self.outcomes.get(ordinal, (0.0, 0.0))
        outcome = (max(best, grade), min(worst, grade))
        return replace(self, outcomes={**self.outcomes, ordinal: outcome}, due=min(self.due, due))

    def grades(self) -> dict[int, float]:
        """Satisfaction in (0, 1] by ordinal, as `SearchOutcome` counts it: the best action, less what a skip takes."""
        grades = {ordinal: min(best + worst, 1.0) for ordinal, (best, worst) in self.outcomes.items()}
        return {ordinal: grade for ordinal, grade in grades.items() if grade > 0}

    def acted(self, interaction: Interaction) -> OpenSearch:
        """With what was done; beyond `MOST_INTERACTIONS` nothing is added."""
        return replace(self, interactions=(*self.interactions, interaction)[:MOST_INTERACTIONS])

    def close(self) -> OpenSearch:
        """As it stays, finalized, until its window ends: what comes later is recognised as too late."""
        return replace(self, finalized=True, due=self.closes, outcomes={})


DueTimes = list[tuple[float, str]]
"""A heap of when which open search falls due. Entries of a search that was changed or removed since stay in it, and are
passed over when they come up. Read from the state once, then handed on from one transaction to the next."""


def due_times(state: KeyValue) -> DueTimes:
    """When each open search of the state falls due (some 0.3 s for 180,000)."""
    found = [(_due(raw), key[len(_OPEN) :].decode()) for key, raw in state.scan(_OPEN)]
    heapq.heapify(found)
    return found


class OpenSearches:
    """The open searches of the log, and the order in which they fall due.

    ``due`` is what the transaction before this one left; it belongs to no other one if this one fails.
    """

    def __init__(self, state: KeyValue, due: DueTimes | None = None) -> None:
        self._state = state
        self.due = due_times(state) if due is None else due

    def get(self, query_id: str) -> OpenSearch | None:
        """The open search, or None when its window has ended or it was never logged."""
        raw = self._state.get(_OPEN + query_id.encode())
        return None if raw is None else _decoded(query_id, raw)

    def put(self, search: OpenSearch) -> None:
        """Store, replacing what was known of the same search."""
        self._state.put(_OPEN + search.query_id.encode(), msgspec.json.encode(search))
        heapq.heappush(self.due, (search.due, search.query_id))

    def remove(self, search: OpenSearch) -> None:
        """Forget a search."""
        self._state.delete(_OPEN + search.query_id.encode())

    @property
    def next_due(self) -> float:
        """No search falls due before this moment."""
        return self.due[0][0] if self.due else math.inf

    def pop_due(self, now: float) -> OpenSearch | None:
        """The earliest search that is due at ``now``, None when there is none; `put` it again or `remove` it."""
        while self.due and self.due[0][0] <= now:
            due, query_id = heapq.heappop(self.due)
            search = self.get(query_id)
            if search is not None and search.due == due:
                return search
        return None

    def of(self, *who: str) -> list[OpenSearch]:
        """All open searches of some actors."""
        searches = (_decoded(key[len(_OPEN) :].decode(), raw) for key, raw in self._state.scan(_OPEN))
        return [search for search in searches if search.who in who]


class _Due(msgspec.Struct, array_like=True):
    """The beginning of an `OpenSearch`: the rest is not read."""

    due: float


def _due(raw: bytes) -> float:
    if _is_first(raw):
        due: float = _FIRST_HEAD.unpack_from(raw)[0]
        return due
    return msgspec.json.decode(raw, type=_Due).due


def _decoded(query_id: str, raw: bytes) -> OpenSearch:
    if not _is_first(raw):
        return msgspec.json.decode(raw, type=OpenSearch)
    due, closes, finalized = _FIRST_HEAD.unpack_from(raw)
    who, rows, *interactions = msgspec.json.decode(raw[_FIRST_HEAD.size :])  # the earliest kept no interactions
    outcomes = {ordinal: outcome for ordinal, *outcome in rows}
    return msgspec.convert((due, closes, query_id, who, finalized, outcomes, *interactions), OpenSearch)


def _is_first(raw: bytes) -> bool:
    """Whether a search was written by version 1: JSON holds no byte as small as its ``finalized``."""
    return raw[_FIRST_HEAD.size - 1] < ord(" ")
