"""Sorted columnar postings: rows by key, in a large layer and a small one that holds what changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Row = tuple[int, int, int, int, float]
"""Key, owner, target, slot, share: see `Postings`."""

NO_OWNER = -1
_DTYPES = (np.int64, np.int32, np.int32, np.int8, np.float32)
_MERGE_SHARE, _MERGE_LEAST = 0.05, 20_000


def key_of(text: str) -> int:
    """A text's 64-bit key; of this process only, never to be stored."""
    return hash(text)


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Rows of one or many keys, 21 bytes each, all arrays of shape (n,).

    ``keys`` int64, ``owners`` int32 (the entity that the row goes with, `NO_OWNER` for none), ``targets`` int32 (what
    the key means), ``slots`` int8 (in which sense), ``shares`` float32 (how completely).
    """

    keys: Keys
    owners: NDArray[np.int32]
    targets: NDArray[np.int32]
    slots: NDArray[np.int8]
    shares: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Rows as columns."""
        columns = list(zip(*rows, strict=True)) or [()] * len(_DTYPES)
        return cls(*(np.array(column, dtype) for column, dtype in zip(columns, _DTYPES, strict=True)))

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Postings:
        """Some of the rows."""
        return Postings(self.keys[rows], self.owners[rows], self.targets[rows], self.slots[rows], self.shares[rows])

    def then(self, other: Postings) -> Postings:
        """These rows, then the other's."""
        return Postings(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.owners, other.owners]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.slots, other.slots]),
            np.concatenate([self.shares, other.shares]),
        )

    def by_key(self, ranks: NDArray[np.float32]) -> Postings:
        """Sorted by key, under one key by falling rank (n,)."""
        return self.at(np.lexsort((-ranks, self.keys)))

    def find(self, keys: Keys) -> list[slice]:
        """Where the rows of each key are, in postings sorted by key."""
        starts = np.searchsorted(self.keys, keys).tolist()
        ends = np.searchsorted(self.keys, keys, side="right").tolist()
        return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


Ranking = Callable[[Postings], NDArray[np.float32]]
"""The ranks (n,) by which rows of one key are ordered."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """``main`` without the rows of ``stale`` owners, and ``recent``; never changed, replaced as a whole.

    ``stale`` is bool over owners, with one False at the end that stands for `NO_OWNER`.
    """

    main: Postings
    recent: Postings
    stale: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> Layers:
        """No rows."""
        nothing = Postings.of(())
        return cls(nothing, nothing, np.zeros(1, np.bool_))

    def changed(self, owners: Sequence[int], rows: Sequence[Row], rank: Ranking) -> Layers:
        """These layers after all rows of ``owners`` were replaced by ``rows``.

        Once the recent layer holds more than a twentieth of all rows both are sorted into one (45 ms for 500,000 rows).
        """
        outdated = np.asarray(owners, np.int32)
        stale = np.zeros(max(len(self.stale), int(outdated.max(initial=0)) + 2), np.bool_)
        stale[: len(self.stale)] = self.stale
        stale[outdated] = True
        recent = self.recent.at(~np.isin(self.recent.owners, outdated)).then(Postings.of(rows))
        if len(recent) <= max(_MERGE_LEAST, _MERGE_SHARE * len(self.main)):
            return Layers(self.main, recent.by_key(rank(recent)), stale)
        merged = self.main.at(_fresh(self.main.owners, stale)).then(recent)
        return Layers(merged.by_key(rank(merged)), Postings.of(()), np.zeros(1, np.bool_))

    def find(self, keys: Keys) -> list[Postings | None]:
        """The rows of each key: main ones first, None where there are none."""
        olds, news = self.main.find(keys), self.recent.find(keys)
        return [self._rows(old, new) for old, new in zip(olds, news, strict=True)]

    def _rows(self, old: slice, new: slice) -> Postings | None:
        found = self.main.at(old) if old.stop > old.start else None
        if found is not None and len(self.stale) > 1:
            found = found.at(_fresh(found.owners, self.stale))
        if new.stop > new.start:
            recent = self.recent.at(new)
            found = recent if found is None else recent.then(found)
        return found if found is not None and len(found) else None


def _fresh(owners: NDArray[np.int32], stale: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which owners are not stale; those past the end are not, nor is `NO_OWNER`, which is the end."""
    fresh: NDArray[np.bool_] = ~stale[np.minimum(owners, len(stale) - 1)]
    return fresh
