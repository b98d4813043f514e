"""The catalogue's vectors in FAISS: exact up to a size, approximate above, new entities searchable at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import RetrievalError
from bandstand.retrievers.base import inside
from bandstand.retrievers.vector_store import VectorBatch
from bandstand.types import Mask, Matrix, Ordinals, Scores

_MARGIN = 16
_TIE = 1e-6
"""Scores closer than this are one score: float32 sums of 384 products differ by less."""

_FEW = 0.2
"""The share of permitted rows below which FAISS's slower filtered scan pays."""

_ADD = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class VectorPart:
    """Immutable once made, so that searches need no lock.

    ``index`` is a FAISS inner-product index of n rows, ``ordinals`` int32 (n,) what they stand for, ``current``
    bool (n,) whether they still do. ``trained`` is the number of rows that an approximate index was made for, 0 for
    an exact one; ``probes`` is how many of its lists a search of the whole reads.
    """

    index: Any
    ordinals: Ordinals
    current: Mask
    trained: int = 0
    probes: int = 0

    @classmethod
    def exact(cls, vectors: NDArray[np.floating], ordinals: Ordinals) -> VectorPart:
        """An exhaustive index over vectors (n, dim), held as float16.

        That is what a `VectorStore` holds, so nothing is lost, and a search, which is bound by memory, takes a third
        of the time of float32 (40,000 × 384: 1.2 ms against 3.4 ms).
        """
        faiss = _faiss()
        index = faiss.index_factory(max(vectors.shape[1], 1), "SQfp16", faiss.METRIC_INNER_PRODUCT)
        return cls(_add(index, vectors), ordinals, np.ones(len(ordinals), np.bool_))

    @classmethod
    def approximate(
        cls, vectors: NDArray[np.floating], ordinals: Ordinals, *, probes: int, sample: int, seed: int
    ) -> VectorPart:
        """An inverted file of 2·√n lists with 8-bit rows, trained on ``sample`` vectors a list drawn with ``seed``.

        Jégou et al. 2011, "Product quantization for nearest neighbor search", its coarse quantiser alone.
        """
        faiss = _faiss()
        rows, dim = vectors.shape
        lists = max(1, int(2 * rows**0.5))
        chosen = np.random.default_rng(seed).permutation(rows)[: lists * sample]
        index = faiss.index_factory(dim, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed
        index.cp.min_points_per_centroid = 1
        index.train(np.ascontiguousarray(vectors[np.sort(chosen)], np.float32))
        return cls(_add(index, vectors), ordinals, np.ones(rows, np.bool_), trained=rows, probes=min(probes, lists))

    def __len__(self) -> int:
        return len(self.ordinals)

    def without(self, ordinals: Ordinals) -> VectorPart:
        """The same rows, those of ``ordinals`` no longer current."""
        current = self.current & ~np.isin(self.ordinals, ordinals)
        return VectorPart(self.index, self.ordinals, current, self.trained, self.probes)

    def extended(self, vectors: Matrix, ordinals: Ordinals) -> VectorPart:
        """A copy with further rows, trained as it was."""
        return VectorPart(
            _add(_faiss().clone_index(self.index), vectors),
            np.concatenate([self.ordinals, ordinals]),
            np.concatenate([self.current, np.ones(len(ordinals), np.bool_)]),
            self.trained,
            self.probes,
        )

    def rows(self) -> tuple[Matrix, Ordinals]:
        """The current vectors and their ordinals; of an exact part only."""
        vectors: Matrix = self.index.reconstruct_n(0, len(self)).reshape(len(self), self.index.d)
        return vectors[self.current], self.ordinals[self.current]

    def search(self, vector: Scores, depth: int, mask: Mask, *, selective: bool) -> tuple[Ordinals, Scores]:
        """Return at least the ``depth`` best current rows inside ``mask``, with all that tie with the last of them.

        Usually nearly all rows are permitted: some more than asked for are fetched, and the others left out. With a
        ``selective`` mask that few rows pass, and where too few were left, FAISS is told which rows to look at.
        """
        keep = self._kept(mask) if selective else None
        share = 1.0 if keep is None else max(int(np.count_nonzero(keep)), 1) / len(self)
        # The same lists whichever way is taken: so a smaller depth is a prefix of a larger one here too.
        probes = self._probes_for(share)
        if share > _FEW:
            fetch = min(int((depth + _MARGIN) / share), len(self))
            rows, scores = self._nearest(vector, fetch, probes, None)
            good = self.current[rows] & inside(self.ordinals[rows], mask)
            best = scores[good]
            if fetch == len(self) or _finalized(best, depth, scores):
                return self.ordinals[rows[good]], best
        return self._search_kept(vector, depth, probes, self._kept(mask) if keep is None else keep)

    def _kept(self, mask: Mask) -> Mask:
        return self.current & inside(self.ordinals, mask)

    def _search_kept(self, vector: Scores, depth: int, probes: int, keep: Mask) -> tuple[Ordinals, Scores]:
        """The same, among the rows ``keep`` only; more are fetched until the last ties are in."""
        total = int(np.count_nonzero(keep))
        fetch = min(depth + _MARGIN, total)
        while fetch > 0:
            rows, scores = self._nearest(vector, fetch, probes, keep)
            if len(rows) < fetch or fetch == total or _finalized(scores, depth, scores):
                return self.ordinals[rows], scores
            fetch = min(4 * fetch, total)
        return np.empty(0, np.int32), np.empty(0, np.float32)

    def _nearest(self, vector: Scores, count: int, probes: int, keep: Mask | None) -> tuple[NDArray[np.int64], Scores]:
        faiss = _faiss()
        faiss.omp_set_num_threads(1)  # holds for the calling thread only, hence here
        selector = None if keep is None else faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little"))
        if self.trained:
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probes)
        else:
            parameters = faiss.SearchParameters(sel=selector)
        scores, rows = self.index.search(vector.reshape(1, -1), count, params=parameters)
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]

    def _probes_for(self, share: float) -> int:
        """More lists when only a share of their rows counts, so that as many rows are compared."""
        return int(min(self.index.nlist, np.ceil(self.probes / share))) if self.trained else 0


def _finalized(best: Scores, depth: int, fetched: Scores) -> bool:
    """Whether nothing that was not fetched can belong to the ``depth`` best or tie with them."""
    return len(best) >= depth and bool(fetched[-1] < best[depth - 1] - _TIE)


def _faiss() -> Any:  # noqa: ANN401 - its stubs describe the C++ signatures, not those of its Python wrappers
    import faiss

    return faiss


def _add(index: Any, vectors: NDArray[np.floating]) -> Any:  # noqa: ANN401 - as above
    for start in range(0, len(vectors), _ADD):  # converted piecewise: the whole need not fit twice
        index.add(np.ascontiguousarray(vectors[start : start + _ADD], np.float32))
    return index


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSettings:
    """When and how the index approximates.

    Up to ``exact_up_to`` entities every vector is compared (3 ms for 100,000); above, ``probes`` lists of an inverted
    file (of 40,000 entities 128 lists hold 0.92 of the nearest 50, 32 hold 0.69). Up to ``tail_limit`` changed
    vectors wait in a small exact index beside the main one, to be folded in together.
    """

    exact_up_to: int = 200_000
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
class IndexView:
    """One state of a `DenseIndex`, which is replaced as a whole and never changed.

    Who encodes a query for ``fingerprint`` and then searches the same view never compares vectors of two encoders.
    ``seq`` is the catalogue position that is searched, ``origin`` says which vectors these are (`VectorBatch`).
    """

    seq: int
    fingerprint: str
    origin: int
    main: VectorPart
    tail: VectorPart

    def __len__(self) -> int:
        return int(np.count_nonzero(self.main.current) + np.count_nonzero(self.tail.current))

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
        parts = [part for part in (self.main, self.tail) if len(part)]
        if depth <= 0 or not parts:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        if len(vector) != parts[0].index.d:
            raise RetrievalError(f"the index holds vectors of {parts[0].index.d} numbers, the query has {len(vector)}.")
        found = [part.search(vector, depth, mask, selective=selective) for part in parts]
        return np.concatenate([ordinals for ordinals, _ in found]), np.concatenate([scores for _, scores in found])


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
        self._view = self._loaded(source.since(0))

    @property
    def view(self) -> IndexView:
        """What searches see at the moment."""
        return self._view

    def refresh(self) -> int:
        """Take in what changed in the source; return how many entities that were."""
        with self._refreshing:
            view = self._view
            batch = self._source.since(view.seq)
            known = (batch.fingerprint, batch.origin) == (view.fingerprint, view.origin)
            if not known or batch.seq < view.seq:  # all of it was made anew
                batch = self._source.since(0)
                self._view = self._loaded(batch)
            elif batch.seq > view.seq or len(batch.deleted):
                self._view = self._advanced(view, batch)
            return len(batch.ordinals) + len(batch.deleted)

    def _loaded(self, batch: VectorBatch) -> IndexView:
        settings = self._settings
        if len(batch.ordinals) <= settings.exact_up_to:
            main = VectorPart.exact(batch.vectors, batch.ordinals)
        else:
            main = VectorPart.approximate(
                batch.vectors,
                batch.ordinals,
                probes=settings.probes,
                sample=settings.sample_per_list,
                seed=settings.seed,
            )
        return _viewed(batch, main, _nothing(batch.vectors.shape[1]))

    def _advanced(self, view: IndexView, batch: VectorBatch) -> IndexView:
        touched = np.concatenate([batch.ordinals, batch.deleted])
        vectors, ordinals = view.tail.without(touched).rows()
        tail = VectorPart.exact(
            np.concatenate([vectors, batch.vectors.astype(np.float32)]), np.concatenate([ordinals, batch.ordinals])
        )
        main = view.main.without(touched)
        if len(tail) > self._settings.tail_limit:
            if self._outgrown(main, len(tail)):
                return self._loaded(self._source.since(0))
            main, tail = _folded(main, tail), _nothing(tail.index.d)
        return _viewed(batch, main, tail)

    def _outgrown(self, main: VectorPart, added: int) -> bool:
        """Whether the main index should be made anew: its kind or its lists no longer suit its size."""
        counting = int(np.count_nonzero(main.current))
        if not main.trained:
            return counting + added > self._settings.exact_up_to
        return len(main) + added > 2 * main.trained or counting < 0.7 * len(main)


def _viewed(batch: VectorBatch, main: VectorPart, tail: VectorPart) -> IndexView:
    return IndexView(seq=batch.seq, fingerprint=batch.fingerprint, origin=batch.origin, main=main, tail=tail)


def _nothing(dim: int) -> VectorPart:
    return VectorPart.exact(np.empty((0, dim), np.float32), np.empty(0, np.int32))


def _folded(main: VectorPart, tail: VectorPart) -> VectorPart:
    """One part of both; an exact one leaves out the rows that no longer count."""
    vectors, ordinals = tail.rows()
    if main.trained:
        return main.extended(vectors, ordinals)
    old_vectors, old_ordinals = main.rows()
    return VectorPart.exact(np.concatenate([old_vectors, vectors]), np.concatenate([old_ordinals, ordinals]))
