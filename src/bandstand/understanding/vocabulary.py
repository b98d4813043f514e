"""The words that the catalogue and past queries are made of, how common each is, and which are near a misspelt one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

PREFIX = 7
SHORTEST, TWO_EDITS_FROM, LONGEST = 4, 8, 40
"""Letters of a word from which one and two typos are forgiven, and above which none is."""

_BASE = 0x9E3779B97F4A7C15
_MOST = 4_096

Hashes = NDArray[np.uint64]


def edits_allowed(word: str) -> int:
    """How many typos are forgiven: none in a word with digits (2024 is not 2025) or in a very short one."""
    if not SHORTEST <= len(word) <= LONGEST or any(map(str.isdigit, word)):
        return 0
    return 2 if len(word) >= TWO_EDITS_FROM else 1


class DeletionIndex:
    """Finds the words of a fixed list within 2 edits (insert, delete, replace, swap neighbours).

    Hashes of every word's first `PREFIX` letters with up to two of them deleted, sorted: 12 bytes an entry, about 29
    entries a word. Looking at a prefix alone only adds candidates, and each is verified. Source: SymSpell (Garbe 2012).
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Index words; their numbers are their places in the list. Those that are never corrected are left out."""
        self._words = words
        hashes, numbers = _deletions(words)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._numbers = hashes[order], numbers[order]

    def near(self, word: str) -> list[tuple[int, int]]:
        """Return (number, edits) of the words within the edits that the asked word's length forgives, itself too."""
        allowed = edits_allowed(word)
        if not allowed or not len(self._hashes):
            return []
        wanted = np.unique(_hashed(_codes([word], len(word[:PREFIX]))))
        starts = np.searchsorted(self._hashes, wanted)
        ends = np.searchsorted(self._hashes, wanted, side="right")
        runs = [
            self._numbers[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True) if end > start
        ]
        if not runs:
            return []
        numbers = np.unique(np.concatenate(runs))[:_MOST].tolist()
        words = [self._words[number] for number in numbers]
        (edits,) = process.cdist([word], words, scorer=OSA.distance, score_cutoff=allowed, dtype=np.uint8).tolist()
        return [(number, edit) for number, edit in zip(numbers, edits, strict=True) if edit <= allowed]


def _deletions(words: Sequence[str]) -> tuple[Hashes, NDArray[np.int32]]:
    """Hashes and word numbers of all deletions of all words, letter count by letter count."""
    lengths = np.fromiter(
        (min(len(word), PREFIX) if edits_allowed(word + "x") else 0 for word in words), np.int8, len(words)
    )
    hashes, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    for length in range(SHORTEST - 1, PREFIX + 1):
        at = np.flatnonzero(lengths == length).astype(np.int32)
        if len(at):
            hashed = _hashed(_codes([words[number] for number in at.tolist()], length))
            hashes.append(hashed.ravel())
            numbers.append(np.repeat(at, hashed.shape[1]))
    return np.concatenate(hashes), np.concatenate(numbers)


def _codes(words: Sequence[str], length: int) -> NDArray[np.uint64]:
    """The code points of the words' first letters, (words, length)."""
    joined = "".join([word[:length] for word in words])
    return np.frombuffer(joined.encode("utf-32-le"), np.uint32).reshape(len(words), length).astype(np.uint64)


def _hashed(codes: NDArray[np.uint64]) -> Hashes:
    """Polynomial hashes of what is left of each word for each choice of letters to delete, (words, choices)."""
    powers, kept = _choices(codes.shape[1])
    return np.asarray(codes @ powers + kept, np.uint64)


@lru_cache(maxsize=PREFIX + 1)
def _choices(length: int) -> tuple[Hashes, Hashes]:
    """For each choice of up to two letters to delete: what each letter counts, (length, choices); how many stay.

    A letter counts a power of the base by its place among those that stay, and 0 when deleted: so words are hashed
    by one product of matrices, in the integers modulo 2^64.
    """
    choices = [kept for count in range(3) for kept in combinations(range(length), length - count) if kept]
    powers = np.zeros((length, len(choices)), np.uint64)
    for column, kept in enumerate(choices):
        powers[list(kept), column] = [pow(_BASE, power + 1, 1 << 64) for power in range(len(kept))]
    return powers, np.array([len(kept) for kept in choices], np.uint64)


_REINDEX_SHARE, _REINDEX_LEAST = 0.05, 2_000
_NOTHING = 1e-9
"""Less than any weight that a word has."""


class Near(NamedTuple):
    """A known word, how many edits it is from the asked one, and how common it is."""

    word: str
    edits: int
    weight: float


class _Index(NamedTuple):
    """Near spellings of the first ``main_size`` words, and of the others up to ``size``."""

    main: DeletionIndex
    main_size: int
    recent: DeletionIndex
    size: int


class Vocabulary:
    """Words with their weight: the popularity of what holds them, summed; a word of no weight is unknown.

    Words that came since the large index of spellings was built are in a small one. One thread adds; others may read.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._weights: list[float] = []
        self._index = _Index(DeletionIndex(()), 0, DeletionIndex(()), 0)
        self.total = 0.0

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str, weight: float) -> None:
        """One more use of a word; near spellings find a new one after `index`."""
        number = self._numbers.get(word)
        if number is None:
            number = len(self._words)
            self._weights.append(0.0)
            self._words.append(word)
            self._numbers[word] = number  # last: readers come by the number
        self._weights[number] += weight
        self.total += weight

    def take(self, word: str, weight: float) -> None:
        """Take a use of a word back."""
        number = self._numbers[word]
        left = self._weights[number] - weight
        self._weights[number] = left if left > _NOTHING else 0.0
        self.total -= weight

    def weight(self, word: str) -> float:
        """How common a word is, 0 for an unknown one."""
        number = self._numbers.get(word)
        return 0.0 if number is None else self._weights[number]

    def near(self, word: str) -> list[Near]:
        """Known words within the forgiven edits, fewest edits first, then the most common; not the word itself."""
        index = self._index
        found = index.main.near(word)
        found += [(index.main_size + number, edits) for number, edits in index.recent.near(word)]
        near = [Near(self._words[number], edits, self._weights[number]) for number, edits in found if edits]
        return sorted(near, key=lambda other: (other.edits, -other.weight, other.word))

    def index(self) -> None:
        """Make near spellings of everything known findable."""
        size, index = len(self._words), self._index
        if size - index.main_size > max(_REINDEX_LEAST, _REINDEX_SHARE * index.main_size):
            self._index = _Index(DeletionIndex(self._words[:size]), size, DeletionIndex(()), size)
        elif size > index.size:
            self._index = index._replace(recent=DeletionIndex(self._words[index.main_size : size]), size=size)
