"""The scorer that stands in until a model is trained: fixed weights that anyone can read and check by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bandstand.errors import BadInput
from bandstand.ranker.features import feature_names
from bandstand.types import ARMS, Matrix, Scores

SMOOTHING = 60
"""The constant of reciprocal-rank fusion; Cormack, Clarke & Büttcher, SIGIR 2009."""

ARM_WEIGHTS: Mapping[str, float] = {
    "memory": 3.0,
    "lexical": 1.0,
    "structured": 1.0,
    "alike": 0.5,
    "personal": 1.0,
    "fresh": 0.3,
    "trigram": 0.7,
    "rephrase": 0.7,
    "dense": 0.7,
}
"""What a first place is worth: what people chose before counts most. Other arms count `DEFAULT_ARM_WEIGHT`."""

DEFAULT_ARM_WEIGHT = 0.5

PAIR_WEIGHTS: Mapping[str, float] = {
    "title_exact": 0.5,
    "title_ratio": 0.3,
    "name_ratio": 0.7,
    "token_coverage": 0.5,
    "artist_in_query": 0.3,
    "popularity": 0.5,
    "slot_match": 0.5,
    "name_match": 0.5,
}


class PlainScorer:
    """Weighted reciprocal-rank fusion of the arms plus a weighted sum of a few features; no state, no training.

    score = Σ_arm w_arm · 61 / (60 + rank_arm) + Σ_feature w_feature · value, where what is NaN adds nothing.
    """

    version = "plain-1"

    def __init__(self, arms: tuple[str, ...] = ARMS) -> None:
        self.names = feature_names(arms)
        fused = {f"{arm}.rr": ARM_WEIGHTS.get(arm, DEFAULT_ARM_WEIGHT) for arm in arms}
        self._fused = np.array([self.names.index(name) for name in fused], np.intp)
        self._fused_weights = np.array(list(fused.values()), np.float32)
        self._summed = np.array([self.names.index(name) for name in PAIR_WEIGHTS], np.intp)
        self._summed_weights = np.array(list(PAIR_WEIGHTS.values()), np.float32)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,)."""
        scores: Scores = self.contributions(features).sum(axis=1, dtype=np.float32)
        return scores

    def contributions(self, features: Matrix) -> Matrix:
        """The terms of the sum, float32 (m, f + 1); the base in the last column is 0.

        Raises:
            BadInput: the features have another layout than `names`.
        """
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise BadInput(f"expected {len(self.names)} features a row, got an array of shape {features.shape}")
        terms = np.zeros((len(features), len(self.names) + 1), np.float32)
        reciprocal_ranks = features[:, self._fused]
        fused = (SMOOTHING + 1) * reciprocal_ranks / (SMOOTHING * reciprocal_ranks + 1)
        terms[:, self._fused] = np.nan_to_num(fused * self._fused_weights)
        terms[:, self._summed] = np.nan_to_num(features[:, self._summed] * self._summed_weights)
        return terms
