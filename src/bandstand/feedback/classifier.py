"""Small LightGBM classifiers whose scores are made into probabilities, and how far these can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import ModelError
from bandstand.types import Matrix

if TYPE_CHECKING:
    from lightgbm import Booster


Floats = NDArray[np.float64]

_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A monotone map from scores to probabilities: straight lines between the points ``(at[i], value[i])``.

    Both ascend, shape (n,) with n >= 1; below the first and above the last point it is level.
    """

    at: tuple[float, ...]
    value: tuple[float, ...]

    def __call__(self, scores: Floats) -> Floats:
        """Probabilities (n,) of scores (n,)."""
        return np.asarray(np.interp(scores, self.at, self.value), np.float64)


def isotonic(scores: Floats, labels: NDArray[np.bool_]) -> Calibration:
    """The monotone map with the least squared error (pool adjacent violators; Zadrozny & Elkan, KDD 2002).

    Two imagined labels, one of each, stand at either end: no finite sample makes anything certain.
    """
    from sklearn.isotonic import IsotonicRegression

    low, high = float(scores.min()), float(scores.max())
    x = np.concatenate([[low, low], scores, [high, high]])
    y = np.concatenate([[0.0, 1.0], labels.astype(np.float64), [0.0, 1.0]])
    fitted = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    return Calibration(at=tuple(fitted.X_thresholds_.tolist()), value=tuple(fitted.y_thresholds_.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Predicted against observed, in bins of equal width: means (b,), shares (b,), counts (b,) of bins not empty."""

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error Σ n_b / n |observed_b - predicted_b| (Naeini et al., AAAI 2015); nan if empty."""
        counts = np.array(self.counts, np.float64)
        if not counts.sum():
            return float("nan")
        gaps = np.abs(np.array(self.observed) - np.array(self.predicted))
        return float((counts * gaps).sum() / counts.sum())


def reliability(predicted: Floats, labels: NDArray[np.bool_]) -> Reliability:
    """How often what was given probability p came true; both (n,)."""
    bins = np.minimum((predicted * _BINS).astype(np.intp), _BINS - 1)
    used = np.unique(bins)
    return Reliability(
        predicted=tuple(float(predicted[bins == at].mean()) for at in used),
        observed=tuple(float(labels[bins == at].mean()) for at in used),
        counts=tuple(int((bins == at).sum()) for at in used),
    )


_TREES, _LEAVES, _RATE, _LEAST_ROWS = 60, 8, 0.1, 20
"""Some 30 kB of text, and a tenth of a millisecond a row."""


class Trees:
    """Boosted trees by their text, as the model file and the log's order hold them.

    Raises:
        ModelError: the text is damaged.
    """

    def __init__(self, text: str) -> None:
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        self.text = text
        try:
            self._booster: Booster = Booster(model_str=text)
        except LightGBMError as cause:
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

    def values(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"trees": self._trees.text, "at": self._calibration.at, "value": self._calibration.value}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Probability:
        """What `values` gave (raises `ModelError`, `KeyError` or `TypeError` where it is something else)."""
        calibration = Calibration(at=tuple(values["at"]), value=tuple(values["value"]))
        return cls(Trees(values["trees"]), calibration)


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
    import lightgbm

    parameters = {
        "objective": "binary",
        "num_leaves": _LEAVES,
        "learning_rate": _RATE,
        "min_data_in_leaf": _LEAST_ROWS,
        "monotone_constraints": [int(name in rising) for name in names],
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    data = lightgbm.Dataset(features, label=labels, feature_name=list(names), params={"verbose": -1})
    try:
        booster = lightgbm.train(parameters, data, _TREES)
    except lightgbm.basic.LightGBMError as cause:
        raise ModelError(f"LightGBM could not train the reward model: {cause}") from cause
    return Trees(booster.model_to_string())


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """P(a positive scores above a negative), ties by half; nan where one of them is missing."""
    from sklearn.metrics import roc_auc_score

    if labels.all() or not labels.any():
        return float("nan")
    return float(roc_auc_score(labels, scores))
