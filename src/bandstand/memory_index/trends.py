"""What is trending: one decayed amount for each entity, in pages, so that all of them are read in one sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.keys import ordinal_key
from bandstand.memory_index.posterior import decay, decays
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, ReadTransaction

_PAGE = 256
_STORED = np.dtype([("times", np.float64, _PAGE), ("amounts", np.float32, _PAGE)])
"""How `TrendPage.dump` lays a page out."""


def place(ordinal: int) -> tuple[bytes, int]:
    """Key of an entity's page, and its place there."""
    return ordinal_key(ordinal // _PAGE), ordinal % _PAGE


@dataclass(slots=True, eq=False)
class TrendPage:
    """Amounts float32 (256,) as of times float64 (256,)."""

    times: NDArray[np.float64]
    amounts: Scores

    @classmethod
    def empty(cls) -> TrendPage:
        """Nothing trends."""
        return cls(np.zeros(_PAGE), np.zeros(_PAGE, np.float32))

    @classmethod
    def view(cls, value: bytes | memoryview) -> TrendPage:
        """Read-only, over the stored bytes."""
        return cls(np.frombuffer(value, np.float64, _PAGE), np.frombuffer(value, np.float32, _PAGE, 8 * _PAGE))

    @classmethod
    def load(cls, value: bytes) -> TrendPage:
        """A page that may be changed."""
        page = cls.view(value)
        return cls(page.times.copy(), page.amounts.copy())

    def dump(self) -> bytes:
        """The bytes that `view` reads."""
        return self.times.tobytes() + self.amounts.tobytes()

    def add(self, at: int, amount: float, now: float, half_life: float) -> None:
        """Add to one entity; an amount from before the stored time counts in full as of that time."""
        then = float(self.times[at])
        self.amounts[at] = self.amounts[at] * decay(now - then, half_life) + amount
        self.times[at] = max(now, then)


def trending(txn: ReadTransaction, db: Database, now: float, half_life: float) -> tuple[Ordinals, Scores]:
    """Every entity with an amount: ordinals int32 (n,), ascending, and decayed amounts float32 (n,)."""
    numbers, pages = [], []
    for key, value in txn.cursor(db=db):
        numbers.append(int.from_bytes(key, "big"))
        pages.append(value)
    stored = np.frombuffer(b"".join(pages), _STORED)
    amounts, times = (np.ascontiguousarray(stored[name]).ravel() for name in ("amounts", "times"))
    held = np.flatnonzero(amounts != 0)
    ordinals = np.array(numbers, np.int32)[held // _PAGE] * np.int32(_PAGE) + (held % _PAGE).astype(np.int32)
    return ordinals, amounts[held] * decays(now - times[held], half_life)
