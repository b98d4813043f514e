"""How sure a figure is: calibration, intervals, the bootstrap over users, bounds that hold however often one looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and where it is believed to be with probability ``level``; both bounds None where that is unknown."""

    value: float
    low: float | None
    high: float | None
    level: float = 0.95
    method: str = "bootstrap"

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both bounds, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def __contains__(self, value: float) -> bool:
        return self.bounds is None or self.bounds[0] <= value <= self.bounds[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of two policies on the same searches: first less second, its interval, p before and after Holm's correction.

    ``detectable`` is the smallest true difference that a test at 5 % would find four times in five.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None = None
    detectable: float | None = None


_ROWS_AT_ONCE = 250
GROUPS = 20_000
"""Clusters that are drawn, at most: 2,000 resamples of a million would take minutes, and a spread estimated from 20,000
random groups of them is off by 1 / sqrt(40,000) = 0.5 % (Wolter 2007)."""
_FOUR_IN_FIVE = 1.959964 + 0.841621
"""z(0.975) + z(0.8)."""


class ClusterBootstrap:
    """Resamples of clusters, the same for every figure, so that differences are paired by construction.

    A user is drawn with all of their searches, since these are alike (cluster bootstrap; Cameron, Gelbach & Miller
    2008; Field & Welsh 2007); ``clusters`` (n,) says by name or number to whom each row belongs. Beyond `GROUPS`
    clusters, random groups of them are drawn, which are as independent of one another. Deterministic in the seed.
    """

    def __init__(self, clusters: ArrayLike, *, resamples: int, seed: int) -> None:
        names = np.asarray(clusters)
        self._unit = np.unique(names, return_inverse=True)[1] if len(names) else np.empty(0, np.intp)
        self.clusters = self.units = int(self._unit.max()) + 1 if len(names) else 0
        self.resamples, self._seed = resamples, seed
        if self.clusters > GROUPS:
            self.units = GROUPS
            self._unit = (np.random.default_rng([seed, 1]).permutation(self.clusters) % GROUPS)[self._unit]
        self._counts: NDArray[np.uint16] | None = None

    def fewer(self, resamples: int) -> ClusterBootstrap:
        """The first of these resamples, where fewer will do."""
        some = copy(self)
        some._counts, some.resamples = self.counts[:resamples], min(resamples, self.resamples)  # noqa: SLF001
        return some

    @property
    def counts(self) -> NDArray[np.uint16]:
        """How often each unit is drawn, (resamples, units), every row summing to units; drawn when first asked for."""
        if self._counts is None:
            rng, n = np.random.default_rng(self._seed), self.units
            parts = []
            for start in range(0, self.resamples if n else 0, _ROWS_AT_ONCE):
                rows = min(_ROWS_AT_ONCE, self.resamples - start)
                drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
                parts.append(np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.uint16))
            self._counts = np.concatenate(parts) if parts else np.zeros((self.resamples, n), np.uint16)
        return self._counts

    def by_unit(self, columns: Floats) -> Floats:
        """Rows (n, c) summed by unit, (units, c)."""
        return np.stack([np.bincount(self._unit, weights=column, minlength=self.units) for column in columns.T], axis=1)

    def sums(self, columns: Floats) -> Floats:
        """The sums of columns (n, c) in every resample, (resamples, c)."""
        totals, counts = self.by_unit(columns), self.counts
        parts = [counts[at : at + _ROWS_AT_ONCE] @ totals for at in range(0, len(counts), _ROWS_AT_ONCE)]
        return np.concatenate(parts)

    def means(self, values: ArrayLike, rows: NDArray[np.bool_] | None = None) -> Floats:
        """The mean of ``values`` (n,), over ``rows`` bool (n,) if given, in every resample: (resamples,).

        NaN in resamples that hold no such row.
        """
        values = np.asarray(values, np.float64)
        kept = np.ones(len(values)) if rows is None else rows.astype(np.float64)
        sums = self.sums(np.stack([values * kept, kept], axis=1))
        with np.errstate(invalid="ignore"):
            means: Floats = sums[:, 0] / sums[:, 1]
        return means

    def interval(self, values: ArrayLike, rows: NDArray[np.bool_] | None = None) -> Interval:
        """Mean over rows with the percentile interval (Efron 1979); without bounds for fewer than two clusters."""
        values = np.asarray(values, np.float64)
        mean = float(values.mean() if rows is None else values[rows].mean())
        means = self.means(values, rows)
        means = means[~np.isnan(means)]
        if self.clusters < 2 or not len(means):
            return Interval(value=mean, low=None, high=None)
        low, high = np.percentile(means, [2.5, 97.5])
        return Interval(value=mean, low=float(low), high=float(high))

    def difference(self, first: ArrayLike, second: ArrayLike) -> Difference:
        """Paired difference of means, from the same resamples.

        p = 2 · min(share of resamples at or below 0, share at or above 0), each share counted (k + 1) / (b + 1) so that
        it is never 0 (Davison & Hinkley 1997, §4.4), at most 1. Where both agree on every row, p is 1. The detectable
        difference is (z(0.975) + z(0.8)) standard errors.
        """
        gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
        if self.clusters < 2:
            return Difference(difference=float(gap.mean()), low=None, high=None, p=None)
        means = self.means(gap)
        below, above = int((means <= 0).sum()), int((means >= 0).sum())
        low, high = np.percentile(means, [2.5, 97.5])
        return Difference(
            difference=float(gap.mean()),
            low=float(low),
            high=float(high),
            p=min(1.0, 2 * (min(below, above) + 1) / (len(means) + 1)),
            detectable=_FOUR_IN_FIVE * float(means.std(ddof=1)) if len(means) > 1 else None,
        )

    def differences(self, pairs: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> dict[str, Difference]:
        """`difference` of each pair, by name, corrected together (`holm`)."""
        found = {name: self.difference(*pair) for name, pair in pairs.items()}
        corrected = holm({name: each.p for name, each in found.items()})
        return {name: replace(each, p_holm=corrected[name]) for name, each in found.items()}


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down correction: p̃(i) = max over j ≤ i of min(1, (m - j + 1) · p(j)), p ascending; Holm 1979.

    What has no p is left out of the count.
    """
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    for place, (p, name) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - place) * p))
        corrected[name] = largest
    return corrected


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A monotone map from scores to frequencies: straight lines between the points ``(scores[i], frequencies[i])``.

    Both ascend, shape (n,) with n >= 1; below the first and above the last point it is level.
    """

    scores: tuple[float, ...]
    frequencies: tuple[float, ...]

    def __call__(self, scores: ArrayLike) -> Floats:
        """Frequencies of scores, of the same shape."""
        return np.asarray(np.interp(np.asarray(scores), self.scores, self.frequencies), np.float64)


def isotonic(scores: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """The monotone map with the least (weighted) squared error, all of shape (n,), n >= 1, weights > 0.

    By pool adjacent violators: Zadrozny & Elkan, KDD 2002. Written out here, since importing scikit-learn for it would
    take every learner two seconds.
    """
    points, place = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    mass = np.ones(len(place)) if weights is None else np.asarray(weights, np.float64)
    each = np.bincount(place, mass)
    means = np.bincount(place, mass * np.asarray(outcomes, np.float64)) / each
    fitted = _pooled(means.tolist(), each.tolist())
    rises = fitted[1:] != fitted[:-1]
    kept = np.append(True, rises) | np.append(rises, True)
    return Calibration(scores=tuple(points[kept].tolist()), frequencies=tuple(fitted[kept].tolist()))


def _pooled(means: Sequence[float], weights: Sequence[float]) -> Floats:
    """The ascending values (n,) with the least weighted squared distance from the ``means``."""
    blocks: list[tuple[float, float, int]] = []
    for each in zip(means, weights, strict=True):
        mean, weight, size = *each, 1
        while blocks and blocks[-1][0] >= mean:
            before, others, more = blocks.pop()
            mean, weight, size = (before * others + mean * weight) / (others + weight), others + weight, size + more
        blocks.append((mean, weight, size))
    return np.repeat([mean for mean, _, _ in blocks], [size for _, _, size in blocks])


class ReliabilityBin(NamedTuple):
    """Predictions of like size: their mean, the mean of what came true, and their number."""

    predicted: float
    observed: float
    size: int


def reliability(predicted: ArrayLike, observed: ArrayLike, *, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """At most ``bins`` groups of equally many predictions (n,), ascending; equal predictions share a group."""
    guesses, seen = np.asarray(predicted, np.float64), np.asarray(observed, np.float64)
    if not len(guesses):
        return ()
    edges = np.unique(np.quantile(guesses, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    group = np.searchsorted(edges, guesses, side="right")
    members = (group == each for each in np.unique(group))
    return tuple(ReliabilityBin(float(guesses[i].mean()), float(seen[i].mean()), int(i.sum())) for i in members)


def calibration_error(curve: Sequence[ReliabilityBin]) -> float:
    """ECE = Σ (n_b / n) |predicted_b - observed_b| (Naeini, Cooper & Hauskrecht 2015); nan without predictions."""
    total = sum(each.size for each in curve)
    return sum(each.size * abs(each.predicted - each.observed) for each in curve) / total if total else math.nan


_LARGEST_BET = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerBound:
    """A lower bound of the mean of terms of 0 or more that holds at all times together with probability 1 - alpha.

    L_t = max over s <= t of (sum b_i Y_i - log(1 / alpha) - sum (Y_i - m_i)^2 psi(b_i)) / sum b_i, i <= s, with
    psi(b) = -log(1 - b) - b. The bets b_i = min(1/2, sqrt(2 log(1 / alpha) / (v_i i log(1 + i)))), the running mean m_i
    (at most 1) and variance v_i know only what came before term i. As exp(b y - y^2 psi(b)) <= 1 + b y for y >= -1
    (Fan, Grama & Liu 2015), what was bet grows no faster than a supermartingale: the predictable plug-in empirical
    Bernstein sequence of Waudby-Smith & Ramdas 2024 ("Estimating means of bounded random variables by betting",
    theorem 2), one-sided and without an upper bound of the terms. A term X_i is cut at Y_i = min(X_i, 1 / b_i), which
    can only lower its mean, so that no single one costs more than it could have won; terms in [0, 1] are never cut.
    These numbers are its whole state: it needs no terms back.
    """

    alpha: float
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    bets: float = 0.0
    won: float = 0.0
    penalty: float = 0.0
    low: float = 0.0

    def with_value(self, term: float) -> LowerBound:
        """With one more term."""
        return self.following([term])[0]

    def following(self, terms: ArrayLike) -> tuple[LowerBound, Floats]:
        """With more terms (k,) in the order of time, and the bounds after each of them, (k,).

        Raises:
            BadInput: alpha is outside (0, 1).
        """
        if not 0.0 < self.alpha < 1.0:
            raise BadInput(f"alpha must be in (0, 1), got {self.alpha}", field="alpha")
        values, log_term = np.asarray(terms, np.float64), math.log(1.0 / self.alpha)
        count = self.n + np.arange(1, len(values) + 1)
        total = self.total + np.cumsum(values)
        mean = np.minimum((0.5 + total - values) / count, 1.0)
        away = np.square(values - mean)
        squares = self.squares + np.cumsum(away)
        variance = (0.25 + squares - away) / count
        bet = np.minimum(_LARGEST_BET, np.sqrt(2.0 * log_term / (variance * count * np.log1p(count))))
        cut = np.minimum(values, 1.0 / bet)
        bets, won = self.bets + np.cumsum(bet), self.won + np.cumsum(bet * cut)
        penalty = self.penalty + np.cumsum(np.square(cut - mean) * (-np.log1p(-bet) - bet))
        low = np.maximum(np.maximum.accumulate((won - log_term - penalty) / bets), self.low)
        if not len(values):
            return self, low
        state = {"total": total, "squares": squares, "bets": bets, "won": won, "penalty": penalty, "low": low}
        last = {name: float(each[-1]) for name, each in state.items()}
        return replace(self, n=self.n + len(values), **last), low
