"""A part of a vector index: FAISS rows, the ordinals that they stand for, and which of them still count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.retrievers.base import inside
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
            if fetch == len(self) or _settled(best, depth, scores):
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
            if len(rows) < fetch or fetch == total or _settled(scores, depth, scores):
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


def _settled(best: Scores, depth: int, fetched: Scores) -> bool:
    """Whether nothing that was not fetched can belong to the ``depth`` best or tie with them."""
    return len(best) >= depth and bool(fetched[-1] < best[depth - 1] - _TIE)


def _faiss() -> Any:  # noqa: ANN401 - its stubs describe the C++ signatures, not those of its Python wrappers
    import faiss

    return faiss


def _add(index: Any, vectors: NDArray[np.floating]) -> Any:  # noqa: ANN401 - as above
    for start in range(0, len(vectors), _ADD):  # converted piecewise: the whole need not fit twice
        index.add(np.ascontiguousarray(vectors[start : start + _ADD], np.float32))
    return index
