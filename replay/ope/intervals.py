"""Intervals at a fixed sample size: bootstrap, Student's t, and bounds that hold for every distribution in a range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, Ints, numbers, share
from bandstand.replay.ope.estimate import Estimate

_BLOCK_BYTES = 32_000_000
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
) -> dict[str, Interval]:
    """Percentile intervals (Efron 1979) of several estimates on the same n rounds, from the same resamples.

    Self-normalised estimates are normalised anew in each resample. With ``clusters`` (n,), e.g. a number for each
    user, whole clusters are drawn, since the searches of one person are no independent rounds.

    Raises:
        BadInput: Estimates of different logs, or an estimate without weight in too many resamples.
    """
    lengths = {len(estimate) for estimate in estimates.values()}
    if len(lengths) != 1:
        raise BadInput("give estimates of one log: they must have the same number of rounds", field="estimates")
    sums = np.hstack([estimate.columns() for estimate in estimates.values()])
    if clusters is not None:
        sums = _sum_by(sums, clusters)
    blocks = resample_counts(len(sums), resamples=resamples, seed=seed)
    drawn = np.concatenate([block @ sums for block in blocks])
    return {name: _percentiles(name, values, level) for name, values in _split(estimates, drawn)}


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


def _sum_by(rows: Floats, clusters: Ints) -> Floats:
    """Rows (n, c) summed by cluster (n,), one row for each."""
    if len(clusters) != len(rows):
        raise BadInput(f"clusters has {len(clusters)} rows, the log has {len(rows)}", field="clusters")
    _, number = np.unique(clusters, return_inverse=True)
    columns = [np.bincount(number, weights=column) for column in rows.T]
    return np.stack(columns, axis=1)


def _split(estimates: Mapping[str, Estimate], drawn: Floats) -> Iterator[tuple[str, NDArray[np.float64]]]:
    start = 0
    for name, estimate in estimates.items():
        width = 2 + 2 * estimate.denominator.shape[1]
        yield name, estimate.values(drawn[:, start : start + width])
        start += width


def _percentiles(name: str, values: Floats, level: float) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) < (1.0 - _UNDEFINED_SHARE) * len(values):
        raise BadInput(
            f"{name}: {len(values) - len(defined)} of {len(values)} resamples hold no weight at all: too few rounds"
            " agree with the evaluation policy",
            field="target",
        )
    tail = (1.0 - share(level, "level")) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(float(low), float(high), level, "bootstrap")
