"""Scores made into probabilities, and how far they can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
