"""A page mixes kinds: each has its share of the places by how likely it is meant, its best candidates first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandstand.ranker.fold import Rows
from bandstand.types import KINDS, Scores

Kinds = NDArray[np.int8]
"""Indices into `bandstand.types.KINDS`."""


def kind_likelihoods(scores: Scores, kinds: Kinds) -> NDArray[np.float64]:
    """How likely each of `KINDS` is what was meant, float64 (len(KINDS),), summing to 1; zeros without candidates.

    P(kind) = Σ exp(s_i) / Σ exp(s_j) over its candidates i and all candidates j: the chance that the best answer is one
    of them, if scores are log-odds as LambdaMART's are (top-one probability of Plackett & Luce; Cao et al. 2007,
    "Learning to rank: from pairwise approach to listwise approach"). NaN counts as no chance.

    Args:
        scores: float32 (n,).
        kinds: int8 (n,).
    """
    known = ~np.isnan(scores)
    if not known.any():
        return np.zeros(len(KINDS))
    odds = np.where(known, np.exp(scores.astype(np.float64) - float(scores[known].max())), 0.0)
    return np.bincount(kinds, odds / odds.sum(), minlength=len(KINDS)).astype(np.float64)


def mixed_order(scores: Scores, kinds: Kinds) -> Rows:
    """The order in which ranked candidates mix kinds by likelihood; indices (n,) into rows that are best first.

    Places are seats and `kind_likelihoods` votes. The j-th best of a kind stands where its seat by Sainte-Laguë falls,
    (2j - 1) / P(kind), or where its own score puts it, 2p - 1 for the p-th best of all, whichever comes first. So every
    kind has its share of any beginning of the page (calibration, Steck 2018; by proportional seats, Dang & Croft 2012,
    "Diversity by proportionality") or nearly, and none loses what the ranker itself gave it. The first candidate keeps
    its place, and the order within a kind does not change. It does not matter how long the page is.
    """
    likelihoods = kind_likelihoods(scores, kinds)
    by_kind = np.argsort(kinds, kind="stable")
    place = np.empty(len(kinds), np.int64)
    place[by_kind] = np.arange(len(kinds)) - np.searchsorted(kinds[by_kind], kinds[by_kind])
    seats = (2 * place + 1) / np.maximum(likelihoods[kinds], np.finfo(np.float64).tiny)
    return np.argsort(np.minimum(seats, 2 * np.arange(len(kinds)) + 1), kind="stable")
