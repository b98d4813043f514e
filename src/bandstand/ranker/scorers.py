"""Scorers of candidates: fixed weights that anyone can check by hand, and LambdaMART out of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput, ModelError
from bandstand.models.registry import ModelVersion
from bandstand.ranker.features import FeatureSet, feature_hash
from bandstand.types import FeatureLayout, Matrix, Scores
from bandstand.types.features import RANK

if TYPE_CHECKING:
    from lightgbm import Booster


class Scorer(Protocol):
    """Scores the rows of a feature matrix in a layout, that of the platform's `bandstand.ranker.features.FeatureSet`.

    Safe for several threads at once.
    """

    @property
    def version(self) -> str:
        """What the impression log names as the ranker's version."""
        ...

    @property
    def layout(self) -> FeatureLayout:
        """The features that `score` expects."""
        ...

    def score(self, features: Matrix) -> Scores:
        """Score candidates, higher is better: features float32 (m, f) to scores float32 (m,)."""
        ...

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature adds to the score, float32 (m, f + 1); the base is last, and rows sum to the scores."""
        ...


SMOOTHING = 60
"""The constant of reciprocal-rank fusion; Cormack, Clarke & Büttcher, SIGIR 2009."""


class PlainScorer:
    """Weighted reciprocal-rank fusion of the arms plus a weighted sum of a few features; no state, no training.

    score = Σ_arm w_arm · 61 / (60 + rank_arm) + Σ_feature w_feature · value, where what is NaN adds nothing.
    """

    version = "plain-1"

    def __init__(self, features: FeatureSet) -> None:
        """The weights are those of retrievers and features themselves."""
        self.layout, names = features.layout, features.names
        weighed = [feature for feature in features.pairs if feature.weight]
        self._fused = np.array([names.index(f"{spec.name}.{RANK}") for spec in features.roster], np.intp)
        self._fused_weights = np.array([spec.weight for spec in features.roster], np.float32)
        self._summed = np.array([names.index(feature.name) for feature in weighed], np.intp)
        self._summed_weights = np.array([feature.weight for feature in weighed], np.float32)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,)."""
        scores: Scores = self.contributions(features).sum(axis=1, dtype=np.float32)
        return scores

    def contributions(self, features: Matrix) -> Matrix:
        """The terms of the sum, float32 (m, f + 1); the base in the last column is 0.

        Raises:
            BadInput: the features have another layout.
        """
        _check_shape(features, self.layout)
        terms = np.zeros((len(features), len(self.layout.names) + 1), np.float32)
        reciprocal_ranks = features[:, self._fused]
        fused = (SMOOTHING + 1) * reciprocal_ranks / (SMOOTHING * reciprocal_ranks + 1)
        terms[:, self._fused] = np.nan_to_num(fused * self._fused_weights)
        terms[:, self._summed] = np.nan_to_num(features[:, self._summed] * self._summed_weights)
        return terms


MODEL_FILE = "model.txt"


class LambdaMartScorer:
    """Scores with one version of the model; safe for several threads at once.

    The model keeps the features that it was trained on: those that a row lacks now, or has in another meaning, it sees
    as unknown, as it saw those of retrievers that did not play.

    Raises:
        ModelError: the version has no feature in common with the layout, or cannot be read.
    """

    def __init__(self, model: ModelVersion, layout: FeatureLayout) -> None:
        self.version = model.version
        self.layout = layout
        self._own = _features_of(model)
        if not self._own.shares(layout):
            raise ModelError(
                f"ranker {model.version} was trained on other features, none of which is computed now: train again with"
                " `bandstand train`"
            )
        self._booster = _load(model)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,).

        One thread: a few hundred rows take a millisecond, and searches run side by side.
        """
        return self._predict(features)

    def contributions(self, features: Matrix) -> Matrix:
        """SHAP values, float32 (m, f + 1), the expected score last; Lundberg, Erion & Lee 2018.

        What is said of features that are not in the layout goes to the expected score. Some 0.3 to 1 ms a row: meant
        for the hits of a page, not for all candidates.
        """
        own = self._predict(features, contributions=True).reshape(len(features), len(self._own.names) + 1)
        places = {name: column for column, name in enumerate(self.layout.names)}
        found = np.zeros((len(features), len(places) + 1), np.float32)
        for column, name in enumerate((*self._own.names, "")):
            found[:, places.get(name, -1)] += own[:, column]
        return found

    def importances(self) -> dict[str, float]:
        """Each feature's share of all that the trees' splits gained in training; the shares add up to 1."""
        gains = self._booster.feature_importance("gain")
        return dict(zip(self._own.names, (gains / (gains.sum() or 1.0)).tolist(), strict=True))

    def _predict(self, features: Matrix, *, contributions: bool = False) -> NDArray[np.float32]:
        _check_shape(features, self.layout)
        if not len(features):
            return np.empty(0, np.float32)  # LightGBM refuses empty matrices
        predicted: NDArray[np.float64] = self._booster.predict(
            self._own.aligned(features, self.layout), raw_score=True, pred_contrib=contributions, num_threads=1
        )
        return predicted.astype(np.float32)


def _check_shape(features: Matrix, layout: FeatureLayout) -> None:
    if features.ndim != 2 or features.shape[1] != len(layout.names):
        raise BadInput(f"expected {len(layout.names)} features a row, got an array of shape {features.shape}")


def _features_of(model: ModelVersion) -> FeatureLayout:
    """What the model was trained on, as its manifest says; models that say nothing of versions knew the first ones."""
    own = FeatureLayout.of(model.card.feature_names, model.card.feature_versions)
    if model.card.feature_hash != feature_hash(own):
        raise ModelError(
            f"ranker {model.version} was not trained on what its manifest says, or on other meanings of it"
            f" (hash {model.card.feature_hash or 'missing'}, of these it is {feature_hash(own)}): train again with"
            " `bandstand train`"
        )
    return own


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
