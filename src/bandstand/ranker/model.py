"""The learned scorer: a LightGBM LambdaMART model out of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput, ModelError
from bandstand.models import ModelVersion
from bandstand.ranker.features import feature_hash, feature_names
from bandstand.types import ARMS, Matrix, Scores

if TYPE_CHECKING:
    from lightgbm import Booster

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
