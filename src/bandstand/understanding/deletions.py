"""Words near a misspelt one: two spellings within d edits meet after at most d deletions from each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

PREFIX = 7
SHORTEST, TWO_EDITS_FROM, LONGEST = 4, 8, 40
"""Letters of a word from which one and two slips are forgiven, and above which none is."""

_BASE = 0x9E3779B97F4A7C15
_MOST = 4_096

Hashes = NDArray[np.uint64]


def edits_allowed(word: str) -> int:
    """How many slips are forgiven: none in a word with digits (2024 is not 2025) or in a very short one."""
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
