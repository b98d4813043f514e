"""What must be known of a log before an estimate from it is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bandstand.replay.ope.estimate import Floats
from bandstand.replay.ope.feedback import Feedback
from bandstand.statistics import ReliabilityBin, calibration_error, reliability

_TOP_SHARE = 0.01
_FALSE_ALARM = 0.001
"""With right propensities the check of all options together raises an alarm with at most this probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDiagnostics:
    """How the weight is spread over the rounds.

    ``ess`` is Kish's effective sample size of the log; ``expected_ess`` what the distributions say that it should
    be (None where they were not logged): far below ``ess`` when the heavy rounds did not happen to be drawn.
    ``expected_deviation`` is the mean size of |mean(w) - 1| by the same source, else by the sample's own variance;
    ``mean_error`` is the standard error behind it.
    """

    rounds: int
    ess: float
    expected_ess: float | None
    mean: float
    deviation: float
    expected_deviation: float
    mean_error: float
    sample_error: float
    largest: float
    largest_share: float
    top_percent_share: float
    positive_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PropensityCheck:
    """Sum of 1 / p over the rounds that chose an option, beside its expectation and how far chance may move it."""

    arm: str
    option: int
    total: float
    expected: float
    allowed: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A reward model against the rewards: mean residual with its standard error, expected calibration error, bins."""

    bias: float
    bias_error: float
    ece: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Everything that the verdict is made of; None where the log cannot tell.

    ``uncovered`` is the evaluation policy's mass on what the logging policy never does; ``explored`` the share of
    rounds in which something else than the logging policy's first choice was done; ``effective_rewards`` Kish's size
    of the rounds that carry reward and weight.
    """

    weights: WeightDiagnostics
    uncovered: float | None
    explored: float | None
    effective_rewards: float
    propensities: tuple[PropensityCheck, ...]
    calibration: Calibration | None


def effective_sample_size(weights: Floats) -> float:
    """(sum w)^2 / sum w^2, between 1 and n; 0 where every weight is 0. Kish 1965."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def diagnose(feedback: Feedback) -> Diagnostics:
    """All diagnostics of one log under one evaluation policy."""
    return Diagnostics(
        weights=weight_diagnostics(feedback),
        uncovered=uncovered_mass(feedback),
        explored=explored_share(feedback),
        effective_rewards=effective_sample_size(feedback.weights * np.abs(feedback.reward)),
        propensities=propensity_checks(feedback),
        calibration=None if feedback.predicted is None else calibration(feedback.predicted[:, -1], feedback.reward),
    )


def weight_diagnostics(feedback: Feedback) -> WeightDiagnostics:
    """Spread, mean and tail of the joint weights."""
    weights, n = feedback.weights, len(feedback)
    total = float(weights.sum())
    known = second_moment(feedback)
    sample_error = float(weights.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    error = sample_error if known is None else math.sqrt(max(known - 1.0, 0.0) / n)
    heaviest = np.sort(weights)[::-1][: max(1, math.ceil(_TOP_SHARE * n))]
    return WeightDiagnostics(
        rounds=n,
        ess=effective_sample_size(weights),
        expected_ess=n / known if known else None,
        mean=total / n,
        deviation=abs(total / n - 1.0),
        expected_deviation=math.sqrt(2.0 / math.pi) * error,
        mean_error=error,
        sample_error=sample_error,
        largest=float(weights.max()),
        largest_share=float(weights.max()) / total if total else 0.0,
        top_percent_share=float(heaviest.sum()) / total if total else 0.0,
        positive_share=float((weights > 0.0).mean()),
    )


def second_moment(feedback: Feedback) -> float | None:
    """E[w^2] over the logged contexts: mean of prod_j sum_a target_j(a)^2 / logged_j(a); None without distributions.

    Computed from what might have been drawn, not from what was: no luck can hide a heavy tail. Exact for one arm;
    for several it takes the later arms' contexts as they were found. Mass that is not covered counts as nothing.
    """
    if feedback.logged_all is None or feedback.target_all is None:
        return None
    covered = feedback.logged_all > 0.0
    ratio = np.divide(
        np.square(feedback.target_all), feedback.logged_all, out=np.zeros_like(feedback.logged_all), where=covered
    )
    return float(ratio.sum(axis=2).prod(axis=1).mean())


def largest_weight(feedback: Feedback) -> float:
    """The largest weight that could have been drawn in the logged contexts; infinite where that is not known.

    It is known for one decision with logged distributions. It does not depend on what was drawn, so an interval that
    uses it holds for the policy's value in these contexts. With several arms, later contexts do depend on draws.
    """
    if feedback.logged_all is None or feedback.target_all is None or len(feedback.arms) > 1:
        return math.inf
    covered = feedback.logged_all > 0.0
    return float((feedback.target_all[covered] / feedback.logged_all[covered]).max())


def uncovered_mass(feedback: Feedback) -> float | None:
    """Mean over rounds of the evaluation policy's probability of something that the logging policy never does."""
    if feedback.logged_all is None or feedback.target_all is None:
        return None
    covered = np.where(feedback.logged_all > 0.0, feedback.target_all, 0.0).sum(axis=2)
    return float(np.maximum(1.0 - covered.prod(axis=1), 0.0).mean())


def explored_share(feedback: Feedback) -> float | None:
    """The share of rounds in which some arm did not do what the logging policy likes best (of equals, the first)."""
    if feedback.logged_all is None:
        return None
    return float((feedback.choice != feedback.logged_all.argmax(axis=2)).any(axis=1).mean())


def propensity_checks(feedback: Feedback) -> tuple[PropensityCheck, ...]:
    """For each arm and option, whether sum of 1 / p over the rounds that chose it is what it must be.

    E[sum_i 1[a_i = a] / p_i(a)] is the number of rounds in which a was possible. ``allowed`` is Bernstein's bound with
    variance sum_i (1 / p_i(a) - 1) and range max_i 1 / p_i(a), at a false alarm rate of 0.001 over all options. Where
    only the propensities of the chosen options were logged, every option counts as always possible, variance and
    range are those of the chosen rounds, and only an excess is an alarm. After Li et al. 2015 (harmonic mean test).
    """
    options = int(feedback.choice.max()) + 1 if feedback.logged_all is None else feedback.logged_all.shape[2]
    log_term = math.log(2.0 * options * len(feedback.arms) / _FALSE_ALARM)
    return tuple(
        _propensity_check(feedback, place, option, log_term)
        for place in range(len(feedback.arms))
        for option in range(options)
    )


def calibration(predicted: Floats, reward: Floats) -> Calibration:
    """Predictions (n,) against rewards (n,), see `reliability`."""
    residual, bins = reward - predicted, reliability(predicted, reward)
    return Calibration(
        bias=float(residual.mean()),
        bias_error=float(residual.std(ddof=1)) / math.sqrt(len(residual)) if len(residual) > 1 else math.inf,
        ece=calibration_error(bins),
        bins=bins,
    )


def _propensity_check(feedback: Feedback, place: int, option: int, log_term: float) -> PropensityCheck:
    chose = feedback.choice[:, place] == option
    inverse = 1.0 / feedback.logged[chose, place]
    total = float(inverse.sum())
    if feedback.logged_all is None:
        expected, variance = float(len(feedback)), float(np.square(inverse).sum())
        largest = float(inverse.max(initial=1.0))
    else:
        chances = feedback.logged_all[:, place, option]
        possible = 1.0 / chances[chances > 0.0]
        expected, variance = float(len(possible)), float((possible - 1.0).sum())
        largest = float(possible.max(initial=1.0))
    allowed = math.sqrt(2.0 * variance * log_term) + largest * log_term / 3.0
    excess = total - expected if feedback.logged_all is None else abs(total - expected)
    return PropensityCheck(
        arm=feedback.arms[place],
        option=option,
        total=total,
        expected=expected,
        allowed=allowed,
        passed=excess <= allowed,
    )
