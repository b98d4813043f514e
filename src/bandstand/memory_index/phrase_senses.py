"""What clicks say about how a phrase is meant: counts by sense, one user's alone until enough users agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from struct import Struct
from typing import TYPE_CHECKING

from bandstand.memory_index.identity import Meta
from bandstand.memory_index.keys import ANONYMOUS, HASH_BYTES, SUPPORTERS, query_key
from bandstand.memory_index.posterior import decay
from bandstand.types.hashing import digest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bandstand.memory_index.environment import Databases, ReadTransaction

SenseKey = tuple[str, str]
"""(slot, value)."""

VERSION = "senses"
"""The counter of changes to what everybody's readings see."""

_HEADER = Struct("<dI")
_SHARED = Struct(f"<{HASH_BYTES}sd")
_PENDING = Struct(f"<{HASH_BYTES}s{HASH_BYTES}sd")


def hashed(sense: SenseKey) -> bytes:
    """8 bytes for a sense: its value may be a word that only one user has typed."""
    return digest("\0".join(sense), HASH_BYTES)


@dataclass(slots=True, eq=False)
class SenseRecord:
    """The clicks on one phrase, as of ``updated`` (seconds since 1970).

    ``shared`` are counts by sense that readings see. ``pending`` are one user's by (sense, user): until enough agree,
    and then, of the first who did, so that it can be told what is left when one of them is forgotten.
    """

    updated: float = 0.0
    shared: dict[bytes, float] = field(default_factory=dict)
    pending: dict[tuple[bytes, bytes], float] = field(default_factory=dict)

    @classmethod
    def load(cls, value: bytes) -> SenseRecord:
        """From the bytes of `dump`."""
        updated, shared = _HEADER.unpack_from(value)
        middle = _HEADER.size + shared * _SHARED.size
        return cls(
            updated,
            dict(_SHARED.iter_unpack(value[_HEADER.size : middle])),
            {(sense, user): count for sense, user, count in _PENDING.iter_unpack(value[middle:])},
        )

    def dump(self) -> bytes:
        """The bytes to store."""
        shared = b"".join(_SHARED.pack(*item) for item in sorted(self.shared.items()))
        pending = b"".join(_PENDING.pack(*key, count) for key, count in sorted(self.pending.items()))
        return _HEADER.pack(self.updated, len(self.shared)) + shared + pending

    @property
    def evidence(self) -> float:
        """All clicks, as of ``updated``."""
        alone = (count for (sense, _), count in self.pending.items() if sense not in self.shared)
        return fsum((*self.shared.values(), *alone))

    def advance(self, now: float, half_life: float) -> None:
        """Decay every count to ``now``; earlier times than ``updated`` change nothing."""
        if now > self.updated:
            left = decay(now - self.updated, half_life)
            self.shared = {sense: count * left for sense, count in self.shared.items()}
            self.pending = {key: count * left for key, count in self.pending.items()}
            self.updated = now

    def add(self, sense: bytes, share: float, user: bytes | None, agree: int) -> bool:
        """Count a share of a click; whether what everybody sees has changed. Who has no id is one and the same."""
        key, known = (sense, ANONYMOUS if user is None else user), len(self._supporters(sense))
        # Who agreed before they were remembered is not known: of such a sense nobody is.
        if key in self.pending or sense not in self.shared or 0 < known < max(SUPPORTERS, agree):
            self.pending[key] = self.pending.get(key, 0.0) + share
        if sense in self.shared:
            self.shared[sense] += share
            return True
        supporters = self._supporters(sense)
        if len(supporters) < agree:
            return False
        self.shared[sense] = fsum(self.pending[found] for found in supporters)  # in any order the same
        return True

    def forget(self, user: bytes, agree: int) -> bool:
        """Take a user out of what they stand for; whether what everybody sees has changed.

        It has where too few others agree: then the sense is theirs alone again.
        """
        left = {key: count for key, count in self.pending.items() if key[1] != user}
        gone, self.pending = {sense for sense, _ in self.pending.keys() - left.keys()}, left
        fewer = [sense for sense in gone & self.shared.keys() if len(self._supporters(sense)) < agree]
        for sense in fewer:
            del self.shared[sense]
        return bool(fewer)

    def drop(self, user: bytes) -> None:
        """Drop what a user alone stands for, and do not remember any more that they agreed on anything."""
        self.pending = {key: count for key, count in self.pending.items() if key[1] != user or key[0] in self.shared}

    def _supporters(self, sense: bytes) -> list[tuple[bytes, bytes]]:
        return [key for key in self.pending if key[0] == sense]

    def users(self) -> set[bytes]:
        """Who is remembered to stand for something."""
        return {user for _, user in self.pending}


class SenseCounts:
    """Reads what everybody's clicks say, for readings of queries."""

    def __init__(self, dbs: Databases, reading: Callable[[], AbstractContextManager[ReadTransaction]]) -> None:
        self._dbs = dbs
        self._reading = reading

    @property
    def version(self) -> int:
        """Changes with every change to the counts."""
        with self._reading() as txn:
            return Meta(txn, self._dbs["meta"]).get(VERSION)

    def counts(self, asked: Mapping[str, Sequence[SenseKey]]) -> dict[str, list[float]]:
        """Clicks, as of the last one on the phrase, that support each asked sense of a phrase; phrases without none."""
        found = {}
        with self._reading() as txn:
            for phrase, senses in asked.items():
                value = txn.get(query_key(phrase), db=self._dbs["senses"])
                if value is not None and (shared := SenseRecord.load(bytes(value)).shared):
                    found[phrase] = [shared.get(hashed(sense), 0.0) for sense in senses]
        return found
