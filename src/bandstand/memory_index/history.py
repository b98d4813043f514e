"""What a user chose, who chose an entity, and what is chosen together: packed arrays, latest last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.keys import HASH_BYTES, encode, keys_in
from bandstand.memory_index.posterior import decay, decays
from bandstand.types import Ordinals, Scores

_SKETCH_BITS = 256
_NOISE = 0.1

CHOICE = np.dtype(
    [
        ("ordinal", "<i4"),
        ("times", "<f4"),
        ("strength", "<f8"),
        ("last", "<f8"),
        ("query", f"V{HASH_BYTES}"),
        ("sketch", "<u8", (_SKETCH_BITS // 64,)),
    ]
)
"""One (entity, query) that a user chose: decayed number and strength as of ``last`` (seconds since 1970)."""

_CO_CHOSEN = np.dtype([("ordinal", "<i4"), ("users", "<f4")])
_CHOOSERS = Struct("<d")


@lru_cache(maxsize=4096)
def sketch(normalized: str | None) -> NDArray[np.uint64]:
    """256 bits, uint64 (4,), set by the words and padded character trigrams of a query; none for None.

    A query's words cannot be read back from it, and `likeness` compares hundreds in a microsecond or two.
    """
    bits = 0
    for word in (normalized or "").split():
        padded = f" {word} "
        for feature in (padded, *(padded[i : i + 3] for i in range(len(padded) - 2))):
            bits |= 1 << crc32(encode(feature)) % _SKETCH_BITS
    return np.frombuffer(bits.to_bytes(_SKETCH_BITS // 8, "little"), np.uint64)


def likeness(sketches: NDArray[np.uint64], asked: NDArray[np.uint64]) -> Scores:
    """Jaccard likeness in [0, 1] of sketches (n, 4) to one (4,); below 0.1, where bits meet by chance, it is 0."""
    both = np.bitwise_count(sketches & asked).sum(axis=1, dtype=np.float32)
    either = np.bitwise_count(sketches | asked).sum(axis=1, dtype=np.float32)
    like = both / np.maximum(either, 1)
    return np.where(like < _NOISE, np.float32(0), like)


def choices(value: bytes | memoryview) -> np.ndarray:
    """A stored history as `CHOICE` rows, latest last, without copying."""
    return np.frombuffer(value, CHOICE)


def favourites(value: bytes | memoryview | None, now: float, half_life: float) -> tuple[Ordinals, Scores]:
    """The entities of a stored history, most chosen first: int32 (n,), and their decayed strengths float32 (n,)."""
    rows = choices(value or b"")
    strengths = rows["strength"] * decays(now - rows["last"], half_life)
    ordinals, at = np.unique(rows["ordinal"], return_inverse=True)
    sums = np.bincount(at, strengths, minlength=len(ordinals)).astype(np.float32)
    order = np.argsort(-sums, kind="stable")
    return ordinals[order].astype(np.int32), sums[order]


@dataclass(slots=True, eq=False)
class History:
    """One user's bounded history."""

    rows: np.ndarray

    @classmethod
    def load(cls, value: bytes) -> History:
        """Inverse of `dump`."""
        return cls(choices(value).copy())

    def dump(self) -> bytes:
        """The bytes that `choices` reads."""
        return self.rows.tobytes()

    def choose(self, row: np.ndarray, half_life: float) -> None:
        """Count one more choice: ``row`` is a `CHOICE` array of length 1 whose last is the time of the choice."""
        known = (self.rows["ordinal"] == row["ordinal"]) & (self.rows["query"] == row["query"])
        at = np.flatnonzero(known)
        if len(at):
            old = self.rows[at[0]]
            left = decay(float(row["last"][0] - old["last"]), half_life)
            row["times"] += old["times"] * left
            row["strength"] += old["strength"] * left
            row["last"] = np.maximum(row["last"], old["last"])
        kept = self.rows if not len(at) else self.rows[~known]
        self.rows = np.empty(len(kept) + 1, CHOICE)
        self.rows[:-1], self.rows[-1:] = kept, row

    def trim(self, limit: int, half_life: float) -> set[int]:
        """Drop the weakest rows over ``limit``; return the entities that are gone with them."""
        if len(self.rows) <= limit:
            return set()
        now = self.rows["last"].max()
        worth = self.rows["strength"] * decays(now - self.rows["last"], half_life)
        kept = np.sort(np.argsort(-worth, kind="stable")[:limit])
        gone = np.setdiff1d(self.rows["ordinal"], self.rows["ordinal"][kept])
        self.rows = self.rows[kept]
        return set(gone.tolist())


@dataclass(slots=True, eq=False)
class UsersWhoChose:
    """Keys of the users who chose an entity, latest last."""

    keys: list[bytes]

    @classmethod
    def load(cls, value: bytes) -> UsersWhoChose:
        """Inverse of `dump`."""
        return cls(keys_in(value))

    def dump(self) -> bytes:
        """Keys end to end."""
        return b"".join(self.keys)

    def add(self, user: bytes, limit: int) -> None:
        """Make a user the latest."""
        self.remove(user)
        self.keys = [*self.keys[-limit + 1 :], user] if limit > 1 else [user]

    def remove(self, user: bytes) -> None:
        """Forget a user."""
        if user in self.keys:
            self.keys.remove(user)


def co_chosen(value: bytes | memoryview) -> tuple[np.ndarray, float]:
    """Rows (ordinal, users) chosen together with an entity, and how many users chose the entity."""
    return np.frombuffer(value, _CO_CHOSEN, offset=_CHOOSERS.size), _CHOOSERS.unpack_from(value)[0]


@dataclass(slots=True, eq=False)
class CoChosen:
    """What is chosen by the same users shortly before or after an entity, and how many users chose the entity."""

    choosers: float
    users: dict[int, float]

    @classmethod
    def load(cls, value: bytes) -> CoChosen:
        """Inverse of `dump`."""
        rows, choosers = co_chosen(value)
        return cls(choosers, dict(zip(rows["ordinal"].tolist(), rows["users"].tolist(), strict=True)))

    def dump(self) -> bytes:
        """The bytes that `co_chosen` reads."""
        return _CHOOSERS.pack(self.choosers) + np.array(list(self.users.items()), _CO_CHOSEN).tobytes()

    def add(self, ordinal: int, limit: int) -> None:
        """Count one more user for a pair; over ``limit`` the rarest goes, the oldest of these first."""
        self.users[ordinal] = self.users.pop(ordinal, 0.0) + 1.0
        if len(self.users) > limit:
            del self.users[min(list(self.users)[:-1], key=self.users.__getitem__)]
