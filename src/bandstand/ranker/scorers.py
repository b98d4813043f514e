"""Scorers of candidates: fixed weights that anyone can check by hand, and LambdaMART out of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput, ModelError
from bandstand.models.registry import ModelVersion
from bandstand.ranker.features import feature_hash, feature_names
from bandstand.types import ARMS, Matrix, Scores

if TYPE_CHECKING:
    from lightgbm import Booster


class Scorer(Protocol):
    """Scores the rows of a feature matrix, in the layout of `bandstand.ranker.features.feature_names`.

    Safe for several threads at once.
    """

    @property
    def version(self) -> str:
        """What the impression log names as the ranker's version."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The features that `score` expects, in order."""
        ...

    def score(self, features: Matrix) -> Scores:
        """Score candidates, higher is better: features float32 (m, f) to scores float32 (m,)."""
        ...

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature adds to the score, float32 (m, f + 1); the base is last, and rows sum to the scores."""
        ...


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


MODEL_FILE = "model.txt"


class LambdaMartScorer:
    """Scores with one version of the model; safe for several threads at once.

    Raises:
        ModelError: the version was trained on other features than are computed now, or cannot be read.
    """

    def __init__(self, model: ModelVersion, arms: tuple[str, ...] = ARMS) -> None:
        self.version = model.version
        self.names = feature_names(arms)
        _check_features(model, self.names)
        self._booster = _load(model)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,).

        One thread: a few hundred rows take a millisecond, and searches run side by side.
        """
        return self._predict(features)

    def contributions(self, features: Matrix) -> Matrix:
        """SHAP values, float32 (m, f + 1), the expected score last; Lundberg, Erion & Lee 2018.

        Some 0.3 to 1 ms a row: meant for the hits of a page, not for all candidates.
        """
        return self._predict(features, contributions=True).reshape(len(features), len(self.names) + 1)

    def importances(self) -> dict[str, float]:
        """Each feature's share of all that the trees' splits gained in training; the shares add up to 1."""
        gains = self._booster.feature_importance("gain")
        return dict(zip(self.names, (gains / (gains.sum() or 1.0)).tolist(), strict=True))

    def _predict(self, features: Matrix, *, contributions: bool = False) -> NDArray[np.float32]:
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise BadInput(f"expected {len(self.names)} features a row, got an array of shape {features.shape}")
        if not len(features):
            return np.empty(0, np.float32)  # LightGBM refuses empty matrices
        predicted: NDArray[np.float64] = self._booster.predict(
            features, raw_score=True, pred_contrib=contributions, num_threads=1
        )
        return predicted.astype(np.float32)


def _check_features(model: ModelVersion, names: tuple[str, ...]) -> None:
    expected = feature_hash(names)
    if model.card.feature_hash == expected:
        return
    trained = model.card.feature_names
    missing = ", ".join(name for name in trained if name not in names) or "none"
    new = ", ".join(name for name in names if name not in trained) or "none"
    raise ModelError(
        f"ranker {model.version} was trained on other features (hash {model.card.feature_hash or 'missing'}, computed"
        f" now are {expected}; no longer computed: {missing}; new: {new}): train again with `bandstand train`"
    )


def _load(model: ModelVersion) -> Booster:
    import lightgbm

    text = model.read(MODEL_FILE).decode()
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as cause:
        raise ModelError(f"ranker {model.version} is no LightGBM model: train again with `bandstand train`") from cause
    if tuple(booster.feature_name()) != model.card.feature_names:
        raise ModelError(f"ranker {model.version} was not trained on what its manifest says: run `bandstand train`")
    return booster
