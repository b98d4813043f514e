"""Scorers of candidates: fixed weights that anyone can check by hand, and LambdaMART out of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.boosting import lightgbm
from bandstand.errors import BadInput, ModelError
from bandstand.models.registry import ModelVersion
from bandstand.ranker.features import FeatureSet, feature_hash
from bandstand.ranker.start import Start
from bandstand.types import FeatureLayout, Matrix, Scores

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


class PlainScorer:
    """The `Start` by itself: no state, no training."""

    version = "plain-2"

    def __init__(self, features: FeatureSet) -> None:
        """The weights are those of retrievers and features themselves."""
        self.layout = features.layout
        self._sum = Start.of(features).over(features.layout)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,)."""
        _check_shape(features, self.layout)
        return self._sum.scores(features)

    def contributions(self, features: Matrix) -> Matrix:
        """The terms of the sum, float32 (m, f + 1); the base in the last column is 0.

        Raises:
            BadInput: the features have another layout.
        """
        _check_shape(features, self.layout)
        return np.hstack([self._sum.terms(features), np.zeros((len(features), 1), np.float32)])


MODEL_FILE, START_FILE = "model.txt", "start.json"


class LambdaMartScorer:
    """Scores with one version of the model: the `Start` from which it was trained, if any, and trees.

    Safe for several threads at once. The model keeps the features that it was trained on: those that a row lacks now,
    or has in another meaning, it sees as unknown, as it saw those of retrievers that did not play.

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
        self._start = Start.from_json(model.read(START_FILE)) if START_FILE in model.files else Start()
        self._sum = self._start.over(self._own)

    def score(self, features: Matrix) -> Scores:
        """Score candidates: features float32 (m, f) to scores float32 (m,).

        One thread: a few hundred rows take a millisecond, and searches run side by side.
        """
        own = self._aligned(features)
        scores: Scores = self._sum.scores(own) + self._predict(own)
        return scores

    def contributions(self, features: Matrix) -> Matrix:
        """SHAP values, float32 (m, f + 1), the expected score last; Lundberg, Erion & Lee 2018.

        What is said of features that are not in the layout goes to the expected score. Some 0.3 to 1 ms a row: meant
        for the hits of a page, not for all candidates.
        """
        rows = self._aligned(features)
        own = self._predict(rows, contributions=True).reshape(len(rows), len(self._own.names) + 1)
        own[:, :-1] += self._sum.terms(rows)
        places = {name: column for column, name in enumerate(self.layout.names)}
        found = np.zeros((len(features), len(places) + 1), np.float32)
        for column, name in enumerate((*self._own.names, "")):
            found[:, places.get(name, -1)] += own[:, column]
        return found

    def importances(self) -> dict[str, float]:
        """By feature its share of what the trees' splits gained in training, 1 together.

        Without trees its share of the start's weights.
        """
        if self._booster is None:
            gains = np.array([abs(self._start.weights.get(name, 0.0)) for name in self._own.names])
        else:
            gains = self._booster.feature_importance("gain")
        return dict(zip(self._own.names, (gains / (gains.sum() or 1.0)).tolist(), strict=True))

    def _aligned(self, features: Matrix) -> Matrix:
        """The rows in the columns that the model was trained on."""
        _check_shape(features, self.layout)
        return self._own.aligned(features, self.layout)

    def _predict(self, rows: Matrix, *, contributions: bool = False) -> NDArray[np.float32]:
        if self._booster is None or not len(rows):  # LightGBM refuses empty matrices
            return np.zeros(len(rows) * (len(self._own.names) + 1 if contributions else 1), np.float32)
        predicted: NDArray[np.float64] = self._booster.predict(
            rows, raw_score=True, pred_contrib=contributions, num_threads=1
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


def _load(model: ModelVersion) -> Booster | None:
    """The trees; None for a model that is its start alone."""
    text = model.read(MODEL_FILE).decode()
    if not text and START_FILE in model.files:
        return None
    try:
        booster = lightgbm().Booster(model_str=text)
    except lightgbm().basic.LightGBMError as cause:
        raise ModelError(f"ranker {model.version} is no LightGBM model: train again with `bandstand train`") from cause
    if tuple(booster.feature_name()) != model.card.feature_names:
        raise ModelError(f"ranker {model.version} was not trained on what its manifest says: run `bandstand train`")
    return booster
