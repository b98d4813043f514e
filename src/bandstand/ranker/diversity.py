"""A page mixes kinds: each has its share of the places by how likely it is meant, its best candidates first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandstand.ranker.fold import Rows
from bandstand.types import KINDS, Scores

Kinds = NDArray[np.int8]
"""Indices into `bandstand.types.KINDS`."""

_NO_CHANCE = 1e-12
"""Less likely than this is as good as not: its seat is behind every page."""


def kind_likelihoods(scores: Scores, kinds: Kinds) -> NDArray[np.float64]:
    """How likely each of `KINDS` is what was meant, float64 (len(KINDS),), summing to 1; zeros without candidates.

    P(kind) = Σ exp(s_i) / Σ exp(s_j) over its candidates i and all candidates j: the chance that the best answer is one
    of them, if scores are log-odds as LambdaMART's are (top-one probability of Plackett & Luce; Cao et al. 2007,
    "Learning to rank: from pairwise approach to listwise approach"). NaN counts as no chance.

    Args:
        scores: float32 (n,).
        kinds: int8 (n,).
    """
    return np.bincount(kinds, _chances(scores), minlength=len(KINDS)).astype(np.float64)


def mixed_order(scores: Scores, kinds: Kinds) -> Rows:
    """The order in which ranked candidates mix kinds by likelihood; indices (n,) into rows that are best first.

    Places are seats, and chances of being the best answer are votes. The j-th best of a kind stands where its seat by
    Sainte-Laguë falls, (2j - 1) / P, where P is the kind's likelihood without its j - 1 better ones, or where its own
    score puts it, 2p - 1 for the p-th best of all, whichever comes first. So kinds have their share of any beginning of
    the page (calibration, Steck 2018; proportional seats, Dang & Croft 2012, "Diversity by proportionality"), but one
    candidate that is surely meant brings nobody else of its kind forward. None loses what the ranker itself gave it.
    The first candidate keeps its place, the order within a kind stays, and it does not matter how long the page is.
    """
    by_kind = np.argsort(kinds, kind="stable")
    grouped = kinds[by_kind]
    first, last = np.searchsorted(grouped, grouped), np.searchsorted(grouped, grouped, side="right")
    votes = np.concatenate([[0.0], np.cumsum(_chances(scores)[by_kind])])
    left = np.maximum(votes[last] - votes[:-1], _NO_CHANCE)
    seats = np.empty(len(kinds))
    seats[by_kind] = (2 * (np.arange(len(kinds)) - first) + 1) / left
    return np.argsort(np.minimum(seats, 2 * np.arange(len(kinds)) + 1), kind="stable")


def _chances(scores: Scores) -> NDArray[np.float64]:
    """P(the best answer) of each candidate, float64 (n,); all 0 where no score is known."""
    known = ~np.isnan(scores)
    if not known.any():
        return np.zeros(len(scores))
    odds = np.where(known, np.exp(scores.astype(np.float64) - float(scores[known].max())), 0.0)
    chances: NDArray[np.float64] = odds / odds.sum()
    return chances
