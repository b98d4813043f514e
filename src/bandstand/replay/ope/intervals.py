"""Intervals: bootstrap, Student's t, bounds for any distribution in a range, anytime-valid sequences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import Estimate, Floats, Ints, numbers, share

_BLOCK_BYTES = 32_000_000
GROUPS = 20_000
"""More rounds (or users) than this are drawn in so many random groups: 2,000 resamples of a million rounds would take
minutes, and a spread estimated from 20,000 groups is off by 1 / sqrt(40,000) = 0.5 % (random groups: Wolter 2007)."""
_LEAST_EXCESS = 1e-6
"""Of kurtosis over 1, where two values make the whole spread."""
_UNDEFINED_SHARE = 0.001
"""Above this share of resamples without any weight, percentiles of the others would flatter."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the value is believed to be, with probability ``level``, by ``method``."""

    low: float
    high: float
    level: float
    method: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


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
    user, whole clusters are drawn, since the searches of one person are no independent rounds. Beyond `GROUPS` units,
    random groups of them are drawn.

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
    units = _units(rounds, clusters, seed)
    sums = np.hstack([_sum_by(estimate.columns(), units) for estimate in estimates.values()])
    blocks = resample_counts(len(sums), resamples=resamples, seed=seed)
    drawn = np.concatenate([block @ sums for block in blocks])
    tails = {
        name: _tail(estimate, units, level, expanded=expanded and len(sums) > 1) for name, estimate in estimates.items()
    }
    return {name: _percentiles(name, values, level, tails[name]) for name, values in _split(estimates, drawn)}


def resample_counts(n: int, *, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of n units is drawn in each resample: blocks of float64 (rows, n), each row summing to n."""
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def bootstrap_values(estimate: Estimate, counts: Floats) -> Floats:
    """The estimate in each resample, (resamples,), from how often it drew each round, (resamples, n)."""
    return estimate.values(counts @ estimate.columns())


def student(estimate: Estimate, *, level: float = 0.95) -> Interval:
    """V +- t_{n-1} standard errors: right for many rounds without heavy weights. Student 1908."""
    quantile = student_quantile(0.5 + share(level, "level") / 2.0, len(estimate))
    half = quantile * estimate.standard_error
    return Interval(estimate.value - half, estimate.value + half, level, "student")


def student_quantile(probability: float, n: int) -> float:
    """The quantile of Student's t with n - 1 degrees of freedom (at least 1)."""
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf(probability, max(n - 1, 1)))


def hoeffding(terms: ArrayLike, *, low: float, high: float, level: float = 0.95) -> Interval:
    """The mean +- (high - low) sqrt(log(2 / (1 - level)) / 2n) for independent terms in [low, high]. Hoeffding 1963.

    Raises:
        BadInput: The range is infinite, or a term lies outside it.
    """
    values = _within(terms, low, high)
    half = (high - low) * math.sqrt(math.log(2.0 / (1.0 - share(level, "level"))) / (2 * len(values)))
    return Interval(float(values.mean()) - half, float(values.mean()) + half, level, "hoeffding")


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
    return Interval(float(values.mean()) - half, float(values.mean()) + half, level, "empirical_bernstein")


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


def _units(rounds: int, clusters: Ints | None, seed: int) -> Ints | None:
    """The unit (n,) that each round is drawn with; None where every round is one."""
    if clusters is None and rounds <= GROUPS:
        return None
    if clusters is not None and len(clusters) != rounds:
        raise BadInput(f"clusters has {len(clusters)} rows, the log has {rounds}", field="clusters")
    number = np.arange(rounds) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count > GROUPS:
        number = (np.random.default_rng(seed).permutation(count) % GROUPS)[number]
    return np.asarray(number, np.int64)


def _sum_by(rows: Floats, units: Ints | None) -> Floats:
    """Rows (n, c) summed by unit (n,), one row for each."""
    if units is None:
        return rows
    return np.stack([np.bincount(units, weights=column) for column in rows.T], axis=1)


def _split(estimates: Mapping[str, Estimate], drawn: Floats) -> Iterator[tuple[str, NDArray[np.float64]]]:
    start = 0
    for name, estimate in estimates.items():
        width = 2 + 2 * estimate.denominator.shape[1]
        yield name, estimate.values(drawn[:, start : start + width])
        start += width


def _tail(estimate: Estimate, units: Ints | None, level: float, *, expanded: bool) -> float:
    """The share of resamples that an interval leaves out at either end."""
    from scipy.stats import norm, t

    tail = (1.0 - share(level, "level")) / 2.0
    moved = estimate.influence if units is None else np.bincount(units, weights=estimate.influence)
    squares = np.square(moved)
    if not expanded or not squares.any():
        return tail
    kurtosis = float(np.square(squares).mean() / squares.mean() ** 2)
    freedom = max(2.0 * len(moved) / max(kurtosis - 1.0, _LEAST_EXCESS), 1.0)
    return float(norm.cdf(t.ppf(tail, freedom)))


def _percentiles(name: str, values: Floats, level: float, tail: float) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) < (1.0 - _UNDEFINED_SHARE) * len(values):
        raise BadInput(
            f"{name}: {len(values) - len(defined)} of {len(values)} resamples hold no weight at all: too few rounds"
            " agree with the evaluation policy",
            field="target",
        )
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(float(low), float(high), level, "bootstrap")


_LARGEST_BET = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfidenceSequence:
    """``low`` and ``high`` (n,) after each round: with probability ``level`` all of them hold together."""

    low: Floats
    high: Floats
    level: float

    @property
    def last(self) -> Interval:
        """The interval after the last round."""
        return Interval(float(self.low[-1]), float(self.high[-1]), self.level, "confidence_sequence")


def confidence_sequence(reward: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> ConfidenceSequence:
    """A sequence for V = E[w r], rewards in [0, 1], rounds in time order; no bound on the weights is needed.

    The lower end is `lower_sequence` of w r; the upper one is 1 less that of w (1 - r), since E[w] = 1 where the
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
    low = lower_sequence(ratios * rewards, alpha=half)
    high = 1.0 - lower_sequence(ratios * (1.0 - rewards), alpha=half)
    return ConfidenceSequence(low=np.clip(low, 0.0, 1.0), high=np.clip(high, 0.0, 1.0), level=level)


def lower_sequence(terms: ArrayLike, *, alpha: float) -> Floats:
    """Lower bounds (n,) of the mean of non-negative terms, all valid together with probability 1 - alpha.

    L_t = max over s <= t of (sum_i b_i Y_i - log(1 / alpha) - sum_i (Y_i - m_i)^2 psi(b_i)) / sum_i b_i, i <= s,
    with psi(b) = -log(1 - b) - b. The bets b_i = min(1/2, sqrt(2 log(1 / alpha) / (v_i i log(1 + i)))) and the running
    mean m_i (at most 1) and variance v_i know only what came before round i. As exp(b y - y^2 psi(b)) <= 1 + b y for
    y >= -1 (Fan, Grama & Liu 2015), what was bet grows no faster than a supermartingale. This is the predictable
    plug-in empirical Bernstein sequence of Waudby-Smith & Ramdas 2024, in its form without an upper bound; here a
    term is cut at Y_i = min(X_i, 1 / b_i), which can only lower its mean, so that no single round costs more than it
    could have won.

    Raises:
        BadInput: A term is negative.
    """
    values = numbers(terms, "terms")
    if values.min() < 0.0:
        raise BadInput("terms must be 0 or more", field="terms")
    log_term = math.log(1.0 / share(alpha, "alpha"))
    count = np.arange(1, len(values) + 1)
    variance = _before(0.25, np.square(values - np.minimum(_before(0.5, values) / count, 1.0))) / count
    bet = np.minimum(_LARGEST_BET, np.sqrt(2.0 * log_term / (variance * count * np.log1p(count))))
    cut = np.minimum(values, 1.0 / bet)
    mean = np.minimum(_before(0.5, cut) / count, 1.0)
    penalty = np.square(cut - mean) * (-np.log1p(-bet) - bet)
    bound = (np.cumsum(bet * cut) - log_term - np.cumsum(penalty)) / np.cumsum(bet)
    return np.asarray(np.maximum.accumulate(bound))


def _before(start: float, values: Floats) -> Floats:
    """The sum of ``start`` and of all earlier values, (n,)."""
    return np.asarray(start + np.concatenate([[0.0], np.cumsum(values[:-1])]))
