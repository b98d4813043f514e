"""Queries that enough users agree on, in memory, to complete what is being typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.prefix_ranges import Ranges, under
from bandstand.memory_index.keys import decode
from bandstand.memory_index.posterior import decays
from bandstand.memory_index.publishing import POPULARITY
from bandstand.memory_index.transaction import items_from

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Database, ReadTransaction


@dataclass(frozen=True, slots=True, eq=False)
class PopularQueries:
    """Normalised ``texts`` ascending, and float32 (n,) how often each was chosen under, decayed to the newest."""

    texts: list[str]
    chosen: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def empty(cls) -> PopularQueries:
        """None at all."""
        return cls([], np.empty(0, np.float32))

    @classmethod
    def read(cls, txn: ReadTransaction, db: Database, half_life: float) -> PopularQueries:
        """Everything that is published; 200,000 queries take some 0.3 s."""
        found = sorted((decode(text), *POPULARITY.unpack(value)) for text, value in items_from(txn, db, b""))
        if not found:
            return cls.empty()
        texts, counts, updated = zip(*found, strict=True)
        times = np.array(updated)
        return cls(list(texts), np.array(counts, np.float32) * decays(times.max() - times, half_life))

    def complete(self, typed: str, k: int, *, ranges: Ranges = under) -> list[str]:
        """At most ``k`` queries that begin as a normalised text does, most chosen first, ties by text."""
        found = [np.arange(len(self))[each] for each in ranges(self.texts, typed)]
        if not found or k <= 0:
            return []
        at = np.concatenate(found)
        best = at[np.lexsort((at, -self.chosen[at]))[:k]]
        return [self.texts[place] for place in best.tolist()]
