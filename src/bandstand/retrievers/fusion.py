"""Reciprocal-rank fusion: several retrievers made into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandstand.retrievers.base import Retriever, finish
from bandstand.types import Candidates, Ordinals, Query, RetrieverSpec


def rrf(rankings: Sequence[Sequence[int] | Ordinals], k: float = 60.0) -> tuple[Ordinals, NDArray[np.float64]]:
    """Fused score of every ordinal that some ranking holds: Σ 1 / (k + rank), rank from 1.

    Args:
        rankings: best first, each without repeats; an empty one adds nothing.
        k: damps the lead of first ranks, > 0; 60 in the paper.

    Returns:
        Ordinals (m,) ascending and their scores (m,), unsorted by score.

    Source: Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual rank learning
    methods", SIGIR 2009.
    """
    if not rankings:
        return np.empty(0, np.int32), np.empty(0, np.float64)
    shares = [1.0 / (k + np.arange(1, len(ranking) + 1)) for ranking in rankings]
    joined = np.concatenate([np.asarray(ranking, np.int32) for ranking in rankings])
    ordinals, where = np.unique(joined, return_inverse=True)
    scores = np.bincount(where, weights=np.concatenate(shares), minlength=len(ordinals))
    return ordinals.astype(np.int32), scores.astype(np.float64)


class ReciprocalRankFusion(Retriever):
    """The union of several retrievers, ordered by `rrf`; itself a `Retriever`.

    Every member is asked for ``pool`` candidates whatever depth is wanted, because a member's rank below the
    wanted depth still counts towards the fused score: with the depth passed on, scores would change with it.
    """

    def __init__(
        self, retrievers: Sequence[Retriever], *, k: float = 60.0, pool: int = 200, name: str = "fusion"
    ) -> None:
        self.spec = RetrieverSpec(name)
        self._retrievers = tuple(retrievers)
        self._k = k
        self._pool = pool

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `Retriever`; a member's `RetrievalError` is the fusion's."""
        if depth <= 0:
            return Candidates.empty(self.name)
        ordinals, scores = rrf([member.retrieve(query, self._pool).ordinals for member in self._retrievers], self._k)
        return finish(self.name, ordinals, scores, mask=None, depth=depth)
