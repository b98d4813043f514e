"""The catalogue's vectors in FAISS: exact up to a size, approximate above, new entities searchable at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bandstand.errors import RetrievalError
from bandstand.retrievers.vector_part import VectorPart
from bandstand.retrievers.vectors import VectorBatch
from bandstand.types import Mask, Ordinals, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSettings:
    """When and how the index approximates.

    Up to ``exact_limit`` entities every vector is compared (3 ms for 100,000); above, ``probes`` lists of an inverted
    file (of 40,000 entities 128 lists hold 0.92 of the nearest 50, 32 hold 0.69). Up to ``tail_limit`` changed
    vectors wait in a small exact index beside the main one, to be folded in together.
    """

    exact_limit: int = 200_000
    tail_limit: int = 2_048
    probes: int = 128
    sample_per_list: int = 64
    seed: int = 0


class VectorSource(Protocol):
    """Where vectors come from, e.g. a `VectorStore`."""

    def since(self, seq: int) -> VectorBatch:
        """What changed after a position; 0 for everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """What a search reads: replaced as a whole, never changed."""

    seq: int
    fingerprint: str
    main: VectorPart
    tail: VectorPart


class DenseIndex:
    """Nearest entities by inner product, from a source that this or another process writes.

    Searches take no lock and see one consistent state; `refresh` takes in what changed in the source.

    Raises:
        StorageError: from the constructor and `refresh`, when the source cannot be read.
    """

    def __init__(self, source: VectorSource, *, settings: DenseSettings | None = None) -> None:
        self._source = source
        self._settings = settings or DenseSettings()
        self._refreshing = threading.Lock()
        self._state = self._loaded(source.since(0))

    @property
    def seq(self) -> int:
        """The catalogue position that searches see."""
        return self._state.seq

    @property
    def fingerprint(self) -> str:
        """The encoder of the vectors, "" while there are none."""
        return self._state.fingerprint

    def __len__(self) -> int:
        state = self._state
        return int(np.count_nonzero(state.main.current) + np.count_nonzero(state.tail.current))

    def search(self, vector: Scores, depth: int, mask: Mask, *, selective: bool = False) -> tuple[Ordinals, Scores]:
        """Return the nearest entities inside ``mask`` in no order: the best ``depth``, their ties, and some more.

        Args:
            vector: float32 (dim,), length 1.
            depth: how many are wanted.
            mask: bool (n_ordinals,), what may be returned.
            selective: whether the mask may leave few; else that nearly all pass.

        Raises:
            RetrievalError: the vector has another length than those of the index.
        """
        state = self._state
        parts = [part for part in (state.main, state.tail) if len(part)]
        if depth <= 0 or not parts:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        if len(vector) != parts[0].index.d:
            raise RetrievalError(f"the index holds vectors of {parts[0].index.d} numbers, the query has {len(vector)}.")
        found = [part.search(vector, depth, mask, selective=selective) for part in parts]
        return np.concatenate([ordinals for ordinals, _ in found]), np.concatenate([scores for _, scores in found])

    def refresh(self) -> int:
        """Take in what changed in the source; return how many entities that were."""
        with self._refreshing:
            state = self._state
            batch = self._source.since(state.seq)
            if batch.fingerprint != state.fingerprint or batch.seq < state.seq:  # all of it was made anew
                batch = self._source.since(0)
                self._state = self._loaded(batch)
            elif batch.seq > state.seq:
                self._state = self._advanced(state, batch)
            return len(batch.ordinals) + len(batch.deleted)

    def _loaded(self, batch: VectorBatch) -> _State:
        settings = self._settings
        if len(batch.ordinals) <= settings.exact_limit:
            main = VectorPart.exact(batch.vectors, batch.ordinals)
        else:
            main = VectorPart.approximate(
                batch.vectors,
                batch.ordinals,
                probes=settings.probes,
                sample=settings.sample_per_list,
                seed=settings.seed,
            )
        return _State(seq=batch.seq, fingerprint=batch.fingerprint, main=main, tail=_nothing(batch.vectors.shape[1]))

    def _advanced(self, state: _State, batch: VectorBatch) -> _State:
        touched = np.concatenate([batch.ordinals, batch.deleted])
        vectors, ordinals = state.tail.without(touched).rows()
        tail = VectorPart.exact(
            np.concatenate([vectors, batch.vectors.astype(np.float32)]), np.concatenate([ordinals, batch.ordinals])
        )
        main = state.main.without(touched)
        if len(tail) > self._settings.tail_limit:
            if self._outgrown(main, len(tail)):
                return self._loaded(self._source.since(0))
            main, tail = _folded(main, tail), _nothing(tail.index.d)
        return _State(seq=batch.seq, fingerprint=batch.fingerprint, main=main, tail=tail)

    def _outgrown(self, main: VectorPart, added: int) -> bool:
        """Whether the main index should be made anew: its kind or its lists no longer suit its size."""
        counting = int(np.count_nonzero(main.current))
        if not main.trained:
            return counting + added > self._settings.exact_limit
        return len(main) + added > 2 * main.trained or counting < 0.7 * len(main)


def _nothing(dim: int) -> VectorPart:
    return VectorPart.exact(np.empty((0, dim), np.float32), np.empty(0, np.int32))


def _folded(main: VectorPart, tail: VectorPart) -> VectorPart:
    """One part of both; an exact one leaves out the rows that no longer count."""
    vectors, ordinals = tail.rows()
    if main.trained:
        return main.extended(vectors, ordinals)
    old_vectors, old_ordinals = main.rows()
    return VectorPart.exact(np.concatenate([old_vectors, vectors]), np.concatenate([old_ordinals, ordinals]))
