"""How much to clip, switch or shrink: the choice of a hyper-parameter from the log itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, share
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.intervals import student_quantile

_SLOPE_CONSTANT = math.sqrt(6.0) - 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One value of the hyper-parameter, its estimate, and (for `choose_by_mse`) a measure of its bias."""

    parameter: float
    estimate: Estimate
    bias: float = 0.0


def direct_bias(weights: Floats, changed: Floats, residual: Floats) -> float:
    """|mean((w - w') (r - q))|: what the changed weights w' miss, all (n,). Su et al. 2020, section 5."""
    return abs(float(np.mean((weights - changed) * residual)))


def bias_bound(weights: Floats, changed: Floats, residual: Floats, *, delta: float = 0.1) -> float:
    """An upper bound of the bias: direct_bias + sqrt(2 mean(w^2) log(2 / delta) / n) + 2 max(w) log(2 / delta) / 3n.

    Bernstein's inequality with the largest weight of the log as its range, so a guide for choosing and no guarantee.
    Su et al. 2020, section 5; Wang et al. 2017.
    """
    n, log_term = len(weights), math.log(2.0 / share(delta, "delta"))
    spread = math.sqrt(2.0 * float(np.mean(np.square(weights))) * log_term / n)
    return direct_bias(weights, changed, residual) + spread + 2.0 * float(weights.max()) * log_term / (3.0 * n)


def choose_by_mse(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate of least estimated mean squared error, var(terms) / n + bias^2; the first of equals.

    Raises:
        BadInput: No candidates.
    """
    _some(candidates)
    return min(candidates, key=mean_squared_error)


def mean_squared_error(candidate: Candidate) -> float:
    """var(terms) / n + bias^2, the variance with divisor n."""
    return float(np.var(candidate.estimate.terms)) / len(candidate.estimate) + candidate.bias**2


def choose_by_slope(candidates: Sequence[Candidate], *, delta: float = 0.1) -> Candidate:
    """Lepski's principle: the least variable candidate that still agrees with all the more variable ones.

    Going from the widest to the narrowest interval of half-width c (Student's t at level 1 - delta), stop before the
    first estimate V with |V - V_j| > c + (sqrt(6) - 1) c_j for an earlier j. Assumes that bias grows as variance
    falls. Su, Srinath & Krishnamurthy 2020 ("Adaptive estimator selection for off-policy evaluation"), as refined by
    Tucker & Lee 2021.

    Raises:
        BadInput: No candidates, or a single round, which has no variance.
    """
    _some(candidates)
    n = len(candidates[0].estimate)
    if n < 2:
        raise BadInput("one round is too few to compare variances", field="reward")
    quantile = student_quantile(1.0 - share(delta, "delta"), n)
    widths = [quantile * float(np.std(candidate.estimate.terms)) / math.sqrt(n - 1) for candidate in candidates]
    order = sorted(range(len(candidates)), key=lambda at: -widths[at])
    chosen = order[0]
    for place, at in enumerate(order):
        value = candidates[at].estimate.value
        agrees = all(
            abs(value - candidates[wider].estimate.value) <= widths[at] + _SLOPE_CONSTANT * widths[wider]
            for wider in order[:place]
        )
        if not agrees:
            break
        chosen = at
    return candidates[chosen]


def _some(candidates: Sequence[Candidate]) -> None:
    if not candidates:
        raise BadInput("give at least one candidate value", field="candidates")
