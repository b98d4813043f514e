"""Whether probabilities mean what they say: predicted against observed frequency, and the expected error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Predictions of like size: their number, their mean, and how often what they predict came true."""

    count: int
    predicted: float
    observed: float


def reliability(
    probabilities: NDArray[np.float64], outcomes: NDArray[np.bool_], *, bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """At most ``bins`` groups of equally many predictions (n,), ascending; equal predictions share a group."""
    if not len(probabilities):
        return ()
    edges = np.unique(np.quantile(probabilities, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    group = np.searchsorted(edges, probabilities, side="right")
    return tuple(
        ReliabilityBin(
            int((group == each).sum()),
            float(probabilities[group == each].mean()),
            float(outcomes[group == each].mean()),
        )
        for each in np.unique(group).tolist()
    )


def calibration_error(curve: Sequence[ReliabilityBin]) -> float:
    """ECE = Σ (n_b / n) |predicted_b - observed_b| (Naeini, Cooper & Hauskrecht 2015); nan without predictions."""
    total = sum(each.count for each in curve)
    if not total:
        return float("nan")
    return sum(each.count * abs(each.predicted - each.observed) for each in curve) / total
