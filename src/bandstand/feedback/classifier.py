"""Small LightGBM classifiers whose scores are made into probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.boosting import lightgbm
from bandstand.errors import ModelError
from bandstand.statistics import Calibration, Floats, isotonic
from bandstand.types import Matrix

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset


def smoothed(scores: Floats, labels: NDArray[np.bool_]) -> Calibration:
    """`isotonic` with two imagined labels, one of each, at either end: no finite sample makes anything certain."""
    low, high = float(scores.min()), float(scores.max())
    return isotonic([low, low, *scores, high, high], [0.0, 1.0, *labels, 0.0, 1.0])


_TREES, _LEAVES, _RATE, _LEAST_ROWS = 60, 8, 0.1, 20
"""Some 30 kB of text, and a tenth of a millisecond a row."""


class Trees:
    """Boosted trees by their text, as the model file and the log's order hold them.

    Raises:
        ModelError: the text is damaged.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._booster: Booster = lightgbm().Booster(model_str=text)
        except lightgbm().basic.LightGBMError as cause:
            raise ModelError(f"the reward model is damaged ({cause}); run `bandstand train reward`") from cause

    def scores(self, features: Matrix) -> Floats:
        """Log-odds float64 (n,) of features float32 (n, f)."""
        return np.asarray(self._booster.predict(features, raw_score=True, num_threads=1), np.float64)


class Probability:
    """Trees and the calibration of their scores."""

    def __init__(self, trees: Trees, calibration: Calibration) -> None:
        self._trees, self._calibration = trees, calibration

    def __call__(self, features: Matrix) -> Floats:
        """Probabilities float64 (n,) of features float32 (n, f)."""
        return self._calibration(self._trees.scores(features))

    def stored(self) -> StoredProbability:
        """As it is stored."""
        return StoredProbability(
            trees=self._trees.text, at=self._calibration.scores, value=self._calibration.frequencies
        )


class StoredProbability(msgspec.Struct, frozen=True, kw_only=True):
    """A `Probability`: LightGBM's text, and the points of the calibration."""

    trees: str
    at: tuple[float, ...]
    value: tuple[float, ...]

    def read(self) -> Probability:
        """What was stored (raises `ModelError` where the trees are damaged)."""
        return Probability(Trees(self.trees), Calibration(scores=self.at, frequencies=self.value))


def grown(
    features: Matrix,
    labels: NDArray[np.bool_],
    *,
    names: tuple[str, ...],
    seed: int,
    rising: Sequence[str] = (),
) -> Trees:
    """Trees for labels (n,) from features (n, f); the score never falls when a feature named ``rising`` grows.

    Raises:
        ModelError: LightGBM failed.
    """
    data = lightgbm().Dataset(features, label=labels, feature_name=list(names), params={"verbose": -1})
    rising_only = [int(name in rising) for name in names]
    booster = boosted(data, _TREES, seed=seed, learning_rate=_RATE, monotone_constraints=rising_only)
    return Trees(booster.model_to_string())


def boosted(data: Dataset, trees: int, *, seed: int, **parameters: object) -> Booster:
    """Small trees that tell two classes apart, the same for the same data, seed and LightGBM ``parameters``.

    Raises:
        ModelError: LightGBM failed.
    """
    common = {
        "objective": "binary",
        "num_leaves": _LEAVES,
        "min_data_in_leaf": _LEAST_ROWS,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    try:
        return lightgbm().train({**common, **parameters}, data, trees)
    except lightgbm().basic.LightGBMError as cause:
        raise ModelError(f"LightGBM could not learn: {cause}") from cause


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """P(a positive scores above a negative), ties by half; nan where one of them is missing."""
    negatives = np.sort(scores[~labels])
    below = np.searchsorted(negatives, scores[labels], "left") + np.searchsorted(negatives, scores[labels], "right")
    return float(below.mean() / (2 * len(negatives))) if len(negatives) and len(below) else float("nan")
