"""An encoder without a model: hashed character n-grams, for machines without the weights and for fast tests."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from bandstand.retrievers.query_cache import QueryCache
from bandstand.types import Matrix, Scores

_SIZES = (2, 3, 4)


class HashingEncoder:
    """Signed feature hashing of the character n-grams (2 to 4) of each word; safe for threads, needs no files.

    It knows spelling, not meaning: "happy songs" is near "happy song" and far from "joyful music". v[h(g) mod dim] +=
    sign(g) for every n-gram g, then length 1 (Weinberger et al. 2009, "Feature hashing for large scale multitask
    learning"). A text whose n-grams cancel out, or that has none, is the first unit vector.
    """

    def __init__(self, dim: int = 64, *, cache_size: int = 4096) -> None:
        self.dim = dim
        self.fingerprint = f"hashing/{dim}"
        self._cache = QueryCache(self._encode_one, cache_size)

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,) of length 1, the same as `encode` gives."""
        return self._cache.get(text)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), rows of length 1."""
        return np.stack([self._encode_one(text) for text in texts]) if texts else np.empty((0, self.dim), np.float32)

    def _encode_one(self, text: str) -> Scores:
        padded = [f"<{word}>" for word in text.casefold().split()]
        grams = [word[i : i + size] for word in padded for size in _SIZES for i in range(len(word) - size + 1)]
        hashes = np.fromiter((crc32(gram.encode("utf-8", "replace")) for gram in grams), np.uint32, len(grams))
        signs = 1.0 - 2.0 * (hashes >> 31)
        counts = np.bincount(hashes % self.dim, weights=signs, minlength=self.dim)
        if not counts.any():
            counts[0] = 1.0
        vector: Scores = (counts / np.linalg.norm(counts)).astype(np.float32)
        return vector
