"""Intervals: bootstrap, Student's t, bounds for any distribution in a range, anytime-valid sequences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import Estimate, Floats, Ints, numbers, share
from bandstand.statistics import ClusterBootstrap, Interval, LowerBound

_LEAST_EXCESS = 1e-6
"""Of kurtosis over 1, where two values make the whole spread."""
_UNDEFINED_SHARE = 0.001
"""Above this share of resamples without any weight, percentiles of the others would flatter."""


def bootstrap(
    estimates: Mapping[str, Estimate],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int,
    clusters: Ints | None = None,
    expanded: bool = False,
) -> dict[str, Interval]:
    """Percentile intervals (Efron 1979) of several estimates on the same n rounds, from the same resamples.

    Self-normalised estimates are normalised anew in each resample. With ``clusters`` (n,), e.g. a number for each
    user, whole clusters are drawn (`ClusterBootstrap`), since the searches of one person are no independent rounds.

    A bootstrap treats the spread that it saw as the true one, and where few heavy rounds make the spread its intervals
    are too narrow. ``expanded`` takes the percentiles that Student's t would, with 2 u / (k - 1) degrees of freedom
    for u units whose influences have kurtosis k (expanded percentiles: Hesterberg 2015; freedom: Satterthwaite 1946).

    Raises:
        BadInput: Estimates of different logs, or an estimate without weight in too many resamples.
    """
    lengths = {len(estimate) for estimate in estimates.values()}
    if len(lengths) != 1:
        raise BadInput("give estimates of one log: they must have the same number of rounds", field="estimates")
    (rounds,) = lengths
    if clusters is not None and len(clusters) != rounds:
        raise BadInput(f"clusters has {len(clusters)} rows, the log has {rounds}", field="clusters")
    drawing = ClusterBootstrap(np.arange(rounds) if clusters is None else clusters, resamples=resamples, seed=seed)
    drawn = drawing.sums(np.hstack([estimate.columns() for estimate in estimates.values()]))
    return {
        name: _percentiles(
            name, estimates[name], values, level, _tail(estimates[name], drawing, level, expanded=expanded)
        )
        for name, values in _split(estimates, drawn)
    }


def student(estimate: Estimate, *, level: float = 0.95) -> Interval:
    """V +- t_{n-1} standard errors: right for many rounds without heavy weights. Student 1908."""
    quantile = student_quantile(0.5 + share(level, "level") / 2.0, len(estimate))
    half = quantile * estimate.standard_error
    return _around(estimate.value, estimate.value - half, estimate.value + half, level, "student")


def student_quantile(probability: float, n: int) -> float:
    """The quantile of Student's t with n - 1 degrees of freedom (at least 1)."""
    from scipy.special import stdtrit

    return float(stdtrit(max(n - 1, 1), probability))


def hoeffding(terms: ArrayLike, *, low: float, high: float, level: float = 0.95) -> Interval:
    """The mean +- (high - low) sqrt(log(2 / (1 - level)) / 2n) for independent terms in [low, high]. Hoeffding 1963.

    Raises:
        BadInput: The range is infinite, or a term lies outside it.
    """
    values = _within(terms, low, high)
    half = (high - low) * math.sqrt(math.log(2.0 / (1.0 - share(level, "level"))) / (2 * len(values)))
    mean = float(values.mean())
    return _around(mean, mean - half, mean + half, level, "hoeffding")


def empirical_bernstein(terms: ArrayLike, *, low: float, high: float, level: float = 0.95) -> Interval:
    """The mean +- sqrt(2 V log(2 / d) / n) + 7 (high - low) log(2 / d) / (3 (n - 1)), d = (1 - level) / 2.

    V is the sample variance; holds for all independent terms in [low, high], whatever n. Maurer & Pontil 2009,
    theorem 11. The range must be known without looking at the terms: the largest *observed* term is no range.

    Raises:
        BadInput: The range is infinite, a term lies outside it, or there is a single term.
    """
    values = _within(terms, low, high)
    n = len(values)
    if n < 2:
        raise BadInput("one round has no variance: an interval needs at least two", field="terms")
    log_term = math.log(4.0 / (1.0 - share(level, "level")))
    half = math.sqrt(2.0 * float(values.var(ddof=1)) * log_term / n) + 7.0 * (high - low) * log_term / (3 * (n - 1))
    mean = float(values.mean())
    return _around(mean, mean - half, mean + half, level, "empirical_bernstein")


def _around(value: float, low: float, high: float, level: float, method: str) -> Interval:
    return Interval(value=value, low=low, high=high, level=level, method=method)


def _within(terms: ArrayLike, low: float, high: float) -> Floats:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise BadInput(
            f"the terms have no finite range ([{low}, {high}]): clip the weights, or state the largest that can occur",
            field="high",
        )
    values = numbers(terms, "terms")
    slack = 1e-9 * max(1.0, high - low)
    if values.min() < low - slack or values.max() > high + slack:
        raise BadInput(
            f"terms from {values.min():g} to {values.max():g} lie outside [{low:g}, {high:g}]: the range is wrong",
            field="high",
        )
    return values


def _split(estimates: Mapping[str, Estimate], drawn: Floats) -> Iterator[tuple[str, Floats]]:
    start = 0
    for name, estimate in estimates.items():
        width = 2 + 2 * estimate.denominator.shape[1]
        yield name, estimate.values(drawn[:, start : start + width])
        start += width


def _tail(estimate: Estimate, drawing: ClusterBootstrap, level: float, *, expanded: bool) -> float:
    """The share of resamples that an interval leaves out at either end."""
    from scipy.special import ndtr, stdtrit

    tail = (1.0 - share(level, "level")) / 2.0
    moved = drawing.by_unit(estimate.influence[:, None])[:, 0]
    squares = np.square(moved)
    if not expanded or len(moved) < 2 or not squares.any():
        return tail
    kurtosis = float(np.square(squares).mean() / squares.mean() ** 2)
    freedom = max(2.0 * len(moved) / max(kurtosis - 1.0, _LEAST_EXCESS), 1.0)
    return float(ndtr(stdtrit(freedom, tail)))


def _percentiles(name: str, estimate: Estimate, values: Floats, level: float, tail: float) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) < (1.0 - _UNDEFINED_SHARE) * len(values):
        raise BadInput(
            f"{name}: {len(values) - len(defined)} of {len(values)} resamples hold no weight at all: too few rounds"
            " agree with the evaluation policy",
            field="target",
        )
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(value=estimate.value, low=float(low), high=float(high), level=level)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfidenceSequence:
    """``low`` and ``high`` (n,) after each round: with probability ``level`` all of them hold together.

    ``value`` is the mean of the weighted rewards, which the last pair is about.
    """

    value: float
    low: Floats
    high: Floats
    level: float

    @property
    def last(self) -> Interval:
        """The interval after the last round."""
        return _around(self.value, float(self.low[-1]), float(self.high[-1]), self.level, "confidence_sequence")


def confidence_sequence(reward: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> ConfidenceSequence:
    """A sequence for V = E[w r], rewards in [0, 1], rounds in time order; no bound on the weights is needed.

    The lower end is the `LowerBound` of w r; the upper one is 1 less that of w (1 - r), since E[w] = 1 where the
    logging policy covers the evaluation policy. So overlap is assumed (the verdict checks it), while the logging
    policy may change from round to round, and learn. Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2024
    ("Anytime-valid off-policy inference for contextual bandits").

    Raises:
        BadInput: Rewards outside [0, 1], or negative weights.
    """
    rewards = numbers(reward, "reward")
    if rewards.min() < 0.0 or rewards.max() > 1.0:
        raise BadInput("rewards must lie in [0, 1]: scale them first", field="reward")
    ratios = numbers(weights, "weights", rows=len(rewards))
    half = (1.0 - share(level, "level")) / 2.0
    if ratios.min() < 0.0:
        raise BadInput("weights must be 0 or more", field="weights")
    _, low = LowerBound(alpha=half).following(ratios * rewards)
    _, above = LowerBound(alpha=half).following(ratios * (1.0 - rewards))
    value = float(np.mean(ratios * rewards))
    return ConfidenceSequence(value=value, low=np.clip(low, 0.0, 1.0), high=np.clip(1.0 - above, 0.0, 1.0), level=level)
