"""The record of one query: as bytes that are read without copying, and open for changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.keys import decode, encode
from bandstand.memory_index.posterior import decay, unclicked
from bandstand.types import Mask, Matrix, Ordinals

HEADER = Struct("<dffIII")
"""Time of the counts, evidence and best predicted score as of then, rows, visible rows, shared rows."""

_STORED = (
    *("ordinal", "clicks", "plays", "impressions", "predicted", "unclicked"),
    *("state", "raw_clicks", "raw_plays"),
)
"""The columns on disk, in this order: what everybody may see of a row, then what only the writer reads.

``clicks`` and ``plays`` are 0 until a pair is shared, whatever its raw counts are; ``unclicked`` are the impressions
that led to nothing. ``ordinal`` and ``state`` are int32, the others float32.
"""

_PLACES = {name: place for place, name in enumerate(_STORED)}
_INTEGERS = ("ordinal", "state")

Column = NDArray[Any]
"""A column of rows, of the type that its name says."""


class StoredRows:
    """Rows of stored records, by column: ``rows["clicks"]`` is float32 (n,), without copying."""

    __slots__ = ("block",)

    def __init__(self, block: Matrix) -> None:
        self.block = block

    def __len__(self) -> int:
        return int(self.block.shape[1])

    def __getitem__(self, name: str) -> Column:
        column: Column = self.block[_PLACES[name]]
        return column.view(np.int32) if name in _INTEGERS else column

    def first(self, n: int) -> StoredRows:
        """The first ``n`` rows."""
        return StoredRows(self.block[:, :n])

    @classmethod
    def joined(cls, parts: Sequence[StoredRows]) -> StoredRows:
        """The rows of several records, one after another."""
        return cls(np.concatenate([part.block for part in parts], axis=1))


class StoredQuery:
    """Read-only view of a stored record, valid as long as its bytes are.

    ``updated`` is seconds since 1970. The ``visible`` rows, which are shared or predicted, stand first among ``rows``;
    both they and the hidden ones ascend by ordinal. ``shared`` of them are shared.
    """

    __slots__ = ("_text", "rows", "shared", "updated", "visible")

    def __init__(self, value: bytes | memoryview) -> None:
        self.updated, _, _, n, visible, self.shared = HEADER.unpack_from(value)
        block: Matrix = np.frombuffer(value, np.float32, len(_STORED) * n, HEADER.size).reshape(len(_STORED), n)
        self.rows = StoredRows(block)
        self.visible = self.rows.first(visible)
        self._text = value[HEADER.size + block.nbytes :]

    @property
    def text(self) -> str:
        """The query, '' where nobody but one user knows it."""
        return decode(self._text)


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

ROW = np.dtype(
    [
        ("ordinal", np.int32),
        ("state", np.int32),
        ("impressions", np.float32),
        ("clicks", np.float32),
        ("plays", np.float32),
        ("predicted", np.float32),
    ]
)
"""One entity under a query; ``predicted`` is NaN where nothing was predicted."""

_BEFORE_PREDICTED = slice(1, 5)
"""The columns of `ROW` that are 0 where a pair was only predicted."""

_COUNTS = ("impressions", "clicks", "plays")


@dataclass(slots=True, eq=False)
class QueryRecord:
    """What one query led to, counts as of ``updated`` (seconds since 1970).

    ``rows`` (n,) are `ROW`, ascending by ordinal. ``text`` stays empty until the query is shared or predicted: what a
    single user typed is written into that user's own record only. ``published`` are the shared ordinals that the
    indexes know, ``stored`` is how many rows the record had when it was read.
    """

    text: str = ""
    updated: float = 0.0
    rows: Column = field(default_factory=lambda: np.empty(0, ROW))
    published: Ordinals = field(default_factory=lambda: np.empty(0, np.int32))
    stored: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def load(cls, value: bytes) -> QueryRecord:
        """A record that may be changed, from the bytes of `dump`."""
        stored = StoredQuery(value)
        rows = np.empty(len(stored.rows), ROW)
        for name in ("ordinal", "state", "impressions", "predicted"):
            rows[name] = stored.rows[name]
        rows["clicks"], rows["plays"] = stored.rows["raw_clicks"], stored.rows["raw_plays"]
        if 0 < len(stored.visible) < len(rows):
            rows = rows[np.argsort(rows["ordinal"], kind="stable")]
        record = cls(stored.text, stored.updated, rows, stored=len(rows))
        record.published = record.shared_ordinals
        return record

    def dump(self) -> bytes:
        """The bytes that `StoredQuery` reads."""
        return self._dump_predicted() or self._dump_any()

    def _dump_predicted(self) -> bytes:
        """As `_dump_any` in a tenth of the time, of what was only predicted, as nearly all is; else b""."""
        if not len(self) or self.rows.view(np.int32).reshape(len(self), -1)[:, _BEFORE_PREDICTED].any():
            return b""
        prior = float(self.rows["predicted"].max())
        if np.isnan(prior):  # so is at least one
            return b""
        block = np.zeros((len(_STORED), len(self)), np.float32)
        block.view(np.int32)[_PLACES["ordinal"]] = self.rows["ordinal"]
        block[_PLACES["predicted"]] = self.rows["predicted"]
        return HEADER.pack(self.updated, 0.0, prior, len(self), len(self), 0) + block.tobytes() + encode(self.text)

    def _dump_any(self) -> bytes:
        visible = (self.rows["state"] == SHARED) | ~np.isnan(self.rows["predicted"])
        rows = self.rows if visible.all() else self.rows[np.argsort(~visible, kind="stable")]
        shared, stored = rows["state"] == SHARED, StoredRows(np.empty((len(_STORED), len(rows)), np.float32))
        for name in ("ordinal", "state", "impressions", "predicted"):
            stored[name][:] = rows[name]
        for name in ("clicks", "plays"):
            stored[f"raw_{name}"][:], stored[name][:] = rows[name], rows[name] * shared
        stored["unclicked"][:] = unclicked(rows["impressions"], rows["clicks"], rows["plays"])
        evidence, prior = rows["clicks"].sum() + rows["plays"].sum(), np.fmax.reduce(rows["predicted"], initial=0.0)
        header = HEADER.pack(self.updated, evidence, prior, len(rows), visible.sum(), shared.sum())
        return header + stored.block.tobytes() + encode(self.text)

    @property
    def is_shared(self) -> bool:
        """Whether enough users agree on at least one pair."""
        return bool((self.rows["state"] == SHARED).any())

    @property
    def is_predicted(self) -> bool:
        """Whether at least one pair has a predicted score."""
        return not bool(np.isnan(self.rows["predicted"]).all())

    @property
    def shared_ordinals(self) -> Ordinals:
        """The entities that enough users agree on, ascending."""
        return self.in_state(SHARED)

    @property
    def popularity(self) -> float:
        """Clicks and plays of the shared pairs, as of ``updated``."""
        shared = self.rows[self.rows["state"] == SHARED]
        return float(shared["clicks"].sum() + shared["plays"].sum())

    @property
    def holds_nothing(self) -> bool:
        """Whether no pair was chosen or predicted."""
        return not self.rows["state"].any() and not self.is_predicted

    def in_state(self, state: int) -> Ordinals:
        """The entities of a state, ascending."""
        ordinals: Ordinals = self.rows["ordinal"][self.rows["state"] == state]
        return ordinals

    def advance(self, now: float, half_life: float) -> None:
        """Decay every count to ``now``; earlier times than ``updated`` change nothing."""
        if now > self.updated:
            for name in _COUNTS if len(self) else ():
                self.rows[name] *= np.float32(decay(now - self.updated, half_life))
            self.updated = now

    def find(self, ordinal: int) -> int:
        """The position of an entity, -1 when it is missing."""
        at = int(self.rows["ordinal"].searchsorted(ordinal))
        return at if at < len(self) and self.rows["ordinal"][at] == ordinal else -1

    def row(self, ordinal: int) -> int:
        """The position of an entity, added when it was missing."""
        at = self.find(ordinal)
        return at if at >= 0 else int(self.add(np.array([ordinal], np.int32))[0])

    def add(self, ordinals: Ordinals) -> NDArray[np.intp]:
        """The positions of unique ascending ``ordinals``, the missing ones added without counts."""
        if not len(self):
            self.rows = _uncounted(ordinals)
            return np.arange(len(ordinals))
        known = self.rows["ordinal"]
        merged = np.union1d(known, ordinals)
        if len(merged) > len(self):
            rows = _uncounted(merged)
            rows[np.searchsorted(merged, known)] = self.rows
            self.rows = rows
        return np.searchsorted(merged, ordinals)

    def drop(self, ordinal: int) -> None:
        """Take an entity out."""
        self.keep(self.rows["ordinal"] != ordinal)

    def keep(self, mask: Mask) -> None:
        """Drop the rows where ``mask`` (n,) is False."""
        self.rows = self.rows[mask]

    def clear(self) -> None:
        """Drop every row."""
        self.rows = self.rows[:0]

    def surplus(self, limit: int) -> Mask:
        """Which rows (n,) are too many for ``limit``: the least chosen, then the least predicted."""
        rows, surplus = self.rows, np.zeros(len(self), np.bool_)
        if len(self) > limit:
            order = (rows["ordinal"], -np.nan_to_num(rows["predicted"]), -(rows["clicks"] + rows["plays"]))
            surplus[np.lexsort(order)[limit:]] = True
        return surplus


def _uncounted(ordinals: Ordinals) -> Column:
    """Rows of entities under a query that led to none of them yet."""
    rows = np.zeros(len(ordinals), ROW)
    rows["ordinal"], rows["predicted"] = ordinals, np.nan
    return rows
