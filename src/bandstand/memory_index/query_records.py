"""The record of one query: as bytes that are read without copying, and open for changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.keys import decode, encode
from bandstand.memory_index.posterior import decay, unclicked
from bandstand.types import Mask, Matrix, Ordinals, Scores

HEADER = Struct("<dffIII")
"""Time of the counts, evidence and best predicted score as of then, rows, visible rows, shared rows."""

ORDINAL, CLICK, PLAY, IMPRESSION, PREDICTED, UNCLICKED, STATE, RAW_CLICK, RAW_PLAY = range(9)
"""Columns: what everybody may see of a row, impressions that led to nothing, and what only the writer reads.

``CLICK`` and ``PLAY`` are 0 until a pair is shared, whatever its raw counts are; ``ORDINAL`` and ``STATE`` are int32.
"""

COLUMNS = RAW_PLAY + 1


class StoredQuery:
    """Read-only view of a stored record, valid as long as its bytes are.

    ``updated`` is seconds since 1970; ``block`` float32 (9, n) holds the columns named above, its first ``visible``
    rows being shared or predicted, ascending by ordinal within visible and hidden ones.
    """

    __slots__ = ("_value", "block", "shared", "updated", "visible")

    def __init__(self, value: bytes | memoryview) -> None:
        self.updated, _, _, n, self.visible, self.shared = HEADER.unpack_from(value)
        self.block: Matrix = np.frombuffer(value, np.float32, COLUMNS * n, HEADER.size).reshape(COLUMNS, n)
        self._value = value

    @property
    def ordinals(self) -> Ordinals:
        """Every row's entity, int32 (n,)."""
        ordinals: Ordinals = self.block[ORDINAL].view(np.int32)
        return ordinals

    @property
    def text(self) -> str:
        """The query, '' where nobody but one user knows it."""
        return decode(self._value[HEADER.size + self.block.nbytes :])


def worth(value: bytes | memoryview) -> tuple[float, float, float]:
    """Evidence, its time, and the best predicted score of a stored record, read from its header alone."""
    updated, evidence, prior, *_ = HEADER.unpack_from(value)
    return evidence, updated, prior


def shared_rows(value: bytes | memoryview) -> int:
    """How many entities enough users agree on, read from the header alone."""
    shared: int = HEADER.unpack_from(value)[5]
    return shared


SEEN, PENDING, SHARED = 0, 1, 2
"""States of a pair: only shown or predicted; chosen by too few users; agreed upon."""

IMPRESSIONS, CLICKS, PLAYS = 0, 1, 2
"""Rows of `QueryRecord.counts`."""


@dataclass(slots=True, eq=False)
class QueryRecord:
    """What one query led to, counts as of ``updated`` (seconds since 1970).

    ``ordinals`` int32 (n,) ascending, ``states`` int32 (n,), ``counts`` float32 (3, n): impressions, clicks, plays;
    ``predicted`` float32 (n,), NaN where nothing was predicted. ``text`` stays empty until the query is shared or
    predicted: what a single user typed is written into that user's own record only.
    """

    text: str
    updated: float
    ordinals: Ordinals
    states: NDArray[np.int32]
    counts: Matrix
    predicted: Scores
    published: Ordinals = field(default_factory=lambda: np.empty(0, np.int32))
    stored: int = 0

    def __len__(self) -> int:
        return len(self.ordinals)

    @classmethod
    def blank(cls, ordinals: Ordinals, text: str = "", updated: float = 0.0) -> QueryRecord:
        """A record of rows without counts or predictions."""
        n = len(ordinals)
        counts, predicted = np.zeros((3, n), np.float32), np.full(n, np.nan, np.float32)
        return cls(text, updated, ordinals, np.zeros(n, np.int32), counts, predicted)

    @classmethod
    def empty(cls, text: str = "", updated: float = 0.0) -> QueryRecord:
        """A record without rows."""
        return cls.blank(np.empty(0, np.int32), text, updated)

    @classmethod
    def load(cls, value: bytes) -> QueryRecord:
        """A record that may be changed, from the bytes of `dump`."""
        stored = StoredQuery(value)
        n = stored.block.shape[1]
        order = np.argsort(stored.ordinals, kind="stable") if 0 < stored.visible < n else slice(None)
        block = stored.block[:, order].copy()
        counts = block[[IMPRESSION, RAW_CLICK, RAW_PLAY]]
        ordinals, states = block[ORDINAL].view(np.int32), block[STATE].view(np.int32)
        record = cls(stored.text, stored.updated, ordinals, states, counts, block[PREDICTED], stored=n)
        record.published = record.shared_ordinals
        return record

    def dump(self) -> bytes:
        """The bytes that `StoredQuery` reads."""
        shared = self.states == SHARED
        visible = shared | ~np.isnan(self.predicted)
        block = np.empty((COLUMNS, len(self)), np.float32)
        block[ORDINAL], block[STATE] = self.ordinals.view(np.float32), self.states.view(np.float32)
        block[[IMPRESSION, RAW_CLICK, RAW_PLAY]], block[PREDICTED] = self.counts, self.predicted
        block[[CLICK, PLAY]] = self.counts[CLICKS:] * shared
        block[UNCLICKED] = unclicked(*self.counts)
        if not visible.all():
            block = block[:, np.argsort(~visible, kind="stable")]
        prior, evidence = float(np.fmax.reduce(self.predicted, initial=0.0)), float(self.counts[CLICKS:].sum())
        header = HEADER.pack(self.updated, evidence, prior, len(self), visible.sum(), shared.sum())
        return header + block.tobytes() + encode(self.text)

    @property
    def is_shared(self) -> bool:
        """Whether enough users agree on at least one pair."""
        return bool((self.states == SHARED).any())

    @property
    def is_predicted(self) -> bool:
        """Whether at least one pair has a predicted score."""
        return not bool(np.isnan(self.predicted).all())

    @property
    def shared_ordinals(self) -> Ordinals:
        """The entities that enough users agree on, ascending."""
        shared: Ordinals = self.ordinals[self.states == SHARED]
        return shared

    @property
    def popularity(self) -> float:
        """Clicks and plays of the shared pairs, as of ``updated``."""
        return float(self.counts[CLICKS:, self.states == SHARED].sum())

    @property
    def holds_nothing(self) -> bool:
        """Whether no pair was chosen or predicted."""
        return not self.states.any() and not self.is_predicted

    def advance(self, now: float, half_life: float) -> None:
        """Decay every count to ``now``; earlier times than ``updated`` change nothing."""
        if now > self.updated:
            if len(self):
                self.counts *= np.float32(decay(now - self.updated, half_life))
            self.updated = now

    def row(self, ordinal: int) -> int:
        """The position of an entity, added when it was missing."""
        at = int(self.ordinals.searchsorted(ordinal))
        if at == len(self.ordinals) or self.ordinals[at] != ordinal:
            new = QueryRecord.blank(np.array([ordinal], np.int32))
            self.ordinals = np.concatenate([self.ordinals[:at], new.ordinals, self.ordinals[at:]])
            self.states = np.concatenate([self.states[:at], new.states, self.states[at:]])
            self.counts = np.concatenate([self.counts[:, :at], new.counts, self.counts[:, at:]], axis=1)
            self.predicted = np.concatenate([self.predicted[:at], new.predicted, self.predicted[at:]])
        return at

    def find(self, ordinal: int) -> int:
        """The position of an entity, -1 when it is missing."""
        at = int(self.ordinals.searchsorted(ordinal))
        return at if at < len(self.ordinals) and self.ordinals[at] == ordinal else -1

    def add(self, ordinals: Ordinals) -> NDArray[np.intp]:
        """The positions of unique ascending ``ordinals``, the missing ones added without counts."""
        merged = np.union1d(self.ordinals, ordinals).astype(np.int32) if len(self) else ordinals
        if len(merged) > len(self):
            old, new = np.searchsorted(merged, self.ordinals), QueryRecord.blank(merged)
            new.states[old], new.counts[:, old], new.predicted[old] = self.states, self.counts, self.predicted
            self.ordinals, self.states, self.counts, self.predicted = merged, new.states, new.counts, new.predicted
        return np.searchsorted(self.ordinals, ordinals)

    def keep(self, mask: Mask) -> None:
        """Drop the rows where ``mask`` (n,) is False."""
        self.ordinals, self.states = self.ordinals[mask], self.states[mask]
        self.counts, self.predicted = self.counts[:, mask], self.predicted[mask]

    def surplus(self, limit: int) -> Mask:
        """Which rows (n,) are too many for ``limit``: the least chosen, then the least predicted."""
        surplus = np.zeros(len(self), np.bool_)
        if len(self) > limit:
            chosen = self.counts[CLICKS:].sum(axis=0)
            surplus[np.lexsort((self.ordinals, -np.nan_to_num(self.predicted), -chosen))[limit:]] = True
        return surplus
