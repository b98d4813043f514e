"""Ranking metrics over judged queries, a value a query; what has no relevant candidate has no value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grades = NDArray[np.int32]
Groups = NDArray[np.int32]
PerQuery = NDArray[np.float64]
Values = NDArray[np.floating] | NDArray[np.integer]


def ndcg_at(k: int, scores: NDArray[np.floating], grades: Grades, groups: Groups) -> PerQuery:
    """nDCG@k = DCG@k / DCG@k of the ideal order, DCG@k = Σ_{rank <= k} (2^grade - 1) / log2(1 + rank).

    Equal scores count against the model: the lower grade is taken to come first.

    Args:
        k: how deep to look.
        scores: (n,), higher is better.
        grades: int (n,), 0 for not relevant.
        groups: int (q,), how many consecutive rows belong to each query.

    Returns:
        Float64 (q,), NaN for a query whose grades are all 0. Järvelin & Kekäläinen 2002; gains of Burges et al. 2005.
    """
    gains = np.exp2(grades.astype(np.float64)) - 1
    ideal = _discounted(k, gains, _ranks(grades, -grades, groups), groups)
    reached = _discounted(k, gains, _ranks(scores, grades, groups), groups)
    quotient: PerQuery = np.divide(reached, ideal, out=np.full(len(groups), np.nan), where=ideal > 0)
    return quotient


def mrr_at(k: int, scores: NDArray[np.floating], grades: Grades, groups: Groups) -> PerQuery:
    """1 / rank of the first candidate with a grade above 0, 0 beyond rank k; arguments and NaN as in `ndcg_at`."""
    ranks = np.where(grades > 0, _ranks(scores, grades, groups), np.inf)
    first = np.minimum.reduceat(ranks, _starts(groups)) if len(groups) else np.empty(0)
    return np.where(np.isinf(first), np.nan, np.where(first <= k, 1 / first, 0.0))


def mean(values: PerQuery) -> float:
    """The mean over queries that have a value; NaN when none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def query_of_row(groups: Groups) -> NDArray[np.intp]:
    """Which query (from 0) each row belongs to."""
    return np.repeat(np.arange(len(groups)), groups)


def _starts(groups: Groups) -> NDArray[np.intp]:
    return (np.cumsum(groups) - groups).astype(np.intp)


def _ranks(scores: Values, tie_breaker: Values, groups: Groups) -> PerQuery:
    """The rank from 1 of each row inside its query, by descending score, then ascending tie breaker."""
    order = np.lexsort((tie_breaker, -scores, query_of_row(groups)))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1) - np.repeat(_starts(groups), groups)
    return ranks


def _discounted(k: int, gains: PerQuery, ranks: PerQuery, groups: Groups) -> PerQuery:
    seen = np.where(ranks <= k, gains / np.log2(1 + ranks), 0.0)
    sums: PerQuery = np.bincount(query_of_row(groups), weights=seen, minlength=len(groups)).astype(np.float64)
    return sums
