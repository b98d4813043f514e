"""From the union to the head of the ranking: features, scores, duplicates folded, best first."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.ranker.base import Scorer
from bandstand.ranker.features import build_features
from bandstand.ranker.fold import Rows, fold
from bandstand.types import LOGGED_DEPTH, CandidateSet, Matrix, Ordinals, Query, Scores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """Every candidate of a search: ordinals int32 (m,) ascending, scores float32 (m,), features float32 (m, f)."""

    ordinals: Ordinals
    scores: Scores
    features: Matrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """The head of a ranking, as it is to be shown: best first unless it was re-ordered since; duplicates folded.

    ``rows`` int64 (n,) are the rows of the candidate set, ``ordinals`` int32 (n,), ``scores`` float32 (n,),
    ``features`` float32 (n, f) as they were scored; ``whole`` is what the head was taken from.
    """

    rows: Rows
    ordinals: Ordinals
    scores: Scores
    features: Matrix
    whole: Scored

    def __len__(self) -> int:
        return len(self.ordinals)

    def taken(self, order: Rows) -> Ranking:
        """The hits at ``order`` (m,), in that order; each keeps its score."""
        return replace(
            self,
            rows=self.rows[order],
            ordinals=self.ordinals[order],
            scores=self.scores[order],
            features=self.features[order],
        )


def rank(
    query: Query, candidates: CandidateSet, columns: Columns, scorer: Scorer, *, depth: int = LOGGED_DEPTH
) -> Ranking:
    """Rank a search's candidates and keep the best ``depth``.

    A candidate newer than the snapshot ``columns`` is passed over: an index may be ahead of it by a moment.
    """
    candidates = _known(candidates, columns.n)
    features = build_features(query, candidates, columns)
    scores = scorer.score(features)
    rows = fold(candidates.ordinals, scores, columns.fold_key[candidates.ordinals])[:depth]
    return Ranking(
        rows=rows,
        ordinals=candidates.ordinals[rows],
        scores=scores[rows],
        features=features[rows],
        whole=Scored(ordinals=candidates.ordinals, scores=scores, features=features),
    )


def _known(candidates: CandidateSet, n: int) -> CandidateSet:
    """The candidates with ordinals below ``n``; their rows stay what they are, since ordinals ascend."""
    known = int(np.searchsorted(candidates.ordinals, n))
    if known == len(candidates):
        return candidates
    return CandidateSet(
        arms=candidates.arms,
        ordinals=candidates.ordinals[:known],
        ranks=candidates.ranks[:known],
        scores=candidates.scores[:known],
        columns={name: column[:known] for name, column in candidates.columns.items()},
    )
