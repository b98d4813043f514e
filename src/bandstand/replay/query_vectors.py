"""Vectors of the queries of a replay, worked out once for all policies that meet them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Self

import numpy as np

from bandstand.replay.rows import stored, written
from bandstand.retrievers.encoder import Encoder
from bandstand.types import Matrix, Scores


class QueryVectors:
    """Normalised texts and their vectors, float32 (n, dim); ``encode_ms`` is what one of them took, on average."""

    def __init__(self, texts: Sequence[str], vectors: Matrix, *, fingerprint: str, encode_ms: float) -> None:
        self.fingerprint, self.encode_ms = fingerprint, encode_ms
        vectors.setflags(write=False)
        self._vectors = vectors
        self._rows = {text: row for row, text in enumerate(texts)}

    def __len__(self) -> int:
        return len(self._rows)

    @classmethod
    def of(cls, texts: Iterable[str], encoder: Encoder) -> Self:
        """Encode each text by itself, as a search does: vectors made together differ a little (see `OnnxEncoder`)."""
        distinct, started = sorted(set(texts) - {""}), perf_counter()
        vectors = np.array([encoder.encode_query(text) for text in distinct], np.float32).reshape(-1, encoder.dim)
        took = (perf_counter() - started) * 1e3 / max(len(distinct), 1)
        return cls(distinct, vectors, fingerprint=encoder.fingerprint, encode_ms=took)

    def get(self, text: str) -> Scores | None:
        """The vector (dim,) of a text, None where it is not among them."""
        row = self._rows.get(text)
        return None if row is None else self._vectors[row]

    def save(self, path: Path) -> None:
        """Write them to one file.

        Raises:
            StorageError: it cannot be written.
        """
        texts, about = np.array(list(self._rows), np.str_), np.array(self.fingerprint)
        with written(path) as file:
            np.savez(file, texts=texts, vectors=self._vectors, fingerprint=about, encode_ms=self.encode_ms)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            StorageError: the file is missing or damaged.
        """
        with stored(path, "delete the replay's folder and play again") as arrays:
            return cls(
                arrays["texts"].tolist(),
                arrays["vectors"],
                fingerprint=str(arrays["fingerprint"]),
                encode_ms=float(arrays["encode_ms"]),
            )


class PreparedEncoder:
    """An encoder that has some queries' vectors at hand, and works the others out."""

    def __init__(self, inner: Encoder, vectors: QueryVectors | None) -> None:
        self._inner = inner
        self._vectors = vectors if vectors is not None and vectors.fingerprint == inner.fingerprint else None
        self.dim, self.fingerprint = inner.dim, inner.fingerprint

    def encode(self, texts: Sequence[str]) -> Matrix:
        """See `Encoder`."""
        return self._inner.encode(texts)

    def encode_query(self, text: str) -> Scores:
        """See `Encoder`."""
        found = None if self._vectors is None else self._vectors.get(text)
        return self._inner.encode_query(text) if found is None else found
