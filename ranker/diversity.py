"""A page mixes kinds: each gets as many of the places as it is likely to be meant, its best candidates first."""

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

    Places are seats and `kind_likelihoods` votes: the j-th best of a kind stands where its (2j - 1) / P(kind) falls, as
    seats are given by Sainte-Laguë. So the share of a kind in every beginning of the page is as near its likelihood as
    whole places allow (calibration, Steck 2018; by proportional seats, Dang & Croft 2012, "Diversity by
    proportionality"), whatever the length of the page. The first candidate keeps its place, as its kind's first seat,
    and the order within a kind does not change. Candidates of one kind are left as they are.
    """
    likelihoods = kind_likelihoods(scores, kinds)
    by_kind = np.argsort(kinds, kind="stable")
    place = np.empty(len(kinds), np.int64)
    place[by_kind] = np.arange(len(kinds)) - np.searchsorted(kinds[by_kind], kinds[by_kind])
    seats = (2 * place + 1) / np.maximum(likelihoods[kinds], np.finfo(np.float64).tiny)
    seats[:1] = 0.0
    return np.argsort(seats, kind="stable")
