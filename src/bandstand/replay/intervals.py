"""Intervals and comparisons of means over users' searches: bootstrap by user, Holm, what could be detected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHUNK = 250
_GROUPS = 20_000
"""Units that are drawn, at most: more users are put together at random, and their groups are drawn instead."""


class UserBootstrap:
    """Resamples of users, the same for every policy: so that differences are paired by construction.

    A user is drawn with all of their searches, since these are alike (cluster bootstrap; Cameron, Gelbach & Miller
    2008; Field & Welsh 2007). The statistic is the mean over searches, a ratio of two sums over users. Groups of users
    put together at random are as independent of one another as users are, so that beyond `_GROUPS` of them these are
    drawn: time and memory stay bounded. Deterministic in the seed.
    """

    def __init__(self, users: Sequence[str], *, resamples: int, seed: int) -> None:
        _, self._unit = np.unique(np.asarray(users, dtype=object).astype(str), return_inverse=True)
        self.users = self._units = int(self._unit.max()) + 1 if len(users) else 0
        self.resamples, self._seed = resamples, seed
        if self.users > _GROUPS:
            self._units = _GROUPS
            group = np.random.default_rng([seed, 1]).permutation(self.users) % _GROUPS
            self._unit = group[self._unit]
        self._drawn: NDArray[np.uint16] | None = None

    def fewer(self, resamples: int) -> UserBootstrap:
        """The first of these resamples, where fewer will do."""
        some = copy(self)
        some._drawn, some.resamples = self._draws()[:resamples], min(resamples, self.resamples)  # noqa: SLF001
        return some

    def means(self, values: ArrayLike, rows: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """The mean of ``values`` (n,), over ``rows`` bool (n,) if given, in every resample: (resamples,).

        NaN in resamples that hold no such row.
        """
        values = np.asarray(values, np.float64)
        kept = np.ones(len(values)) if rows is None else rows.astype(np.float64)
        sums = np.bincount(self._unit, weights=values * kept, minlength=self._units)
        counts = np.bincount(self._unit, weights=kept, minlength=self._units)
        both, drawn = np.stack([sums, counts], axis=1), self._draws()
        totals = np.concatenate([drawn[at : at + _CHUNK] @ both for at in range(0, len(drawn), _CHUNK)])
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = totals[:, 0] / totals[:, 1]
        return means

    def _draws(self) -> NDArray[np.uint16]:
        """How often each unit was drawn, (resamples, units); drawn once, when first asked for."""
        if self._drawn is None:
            rng, shares = np.random.default_rng(self._seed), np.full(self._units, 1 / max(self._units, 1))
            sizes = [min(_CHUNK, self.resamples - at) for at in range(0, self.resamples, _CHUNK)]
            parts = [rng.multinomial(self._units, shares, size=size).astype(np.uint16) for size in sizes]
            self._drawn = np.concatenate(parts)
        return self._drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and its 95 % interval; both bounds None where it cannot be told."""

    value: float
    low: float | None
    high: float | None


def interval(values: ArrayLike, bootstrap: UserBootstrap, rows: NDArray[np.bool_] | None = None) -> Interval:
    """Mean over searches with the percentile interval by user; without bounds for fewer than two users."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean() if rows is None else values[rows].mean())
    means = bootstrap.means(values, rows)
    means = means[~np.isnan(means)]
    if bootstrap.users < 2 or not len(means):
        return Interval(value=mean, low=None, high=None)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(value=mean, low=float(low), high=float(high))


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


_FOUR_IN_FIVE = 1.959964 + 0.841621
"""z(0.975) + z(0.8)."""


def difference(first: ArrayLike, second: ArrayLike, bootstrap: UserBootstrap) -> Difference:
    """Paired difference of means, from the same resamples of users.

    p = 2 · min(share of resamples at or below 0, share at or above 0), each share counted (k + 1) / (b + 1) so that it
    is never 0 (Davison & Hinkley 1997, §4.4), at most 1. Where both agree on every search, p is 1. The detectable
    difference is (z(0.975) + z(0.8)) standard errors.
    """
    gap = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if bootstrap.users < 2:
        return Difference(difference=float(gap.mean()), low=None, high=None, p=None)
    means = bootstrap.means(gap)
    below, above = np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(
        difference=float(gap.mean()),
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * (min(below, above) + 1) / (len(means) + 1)),
        detectable=_FOUR_IN_FIVE * float(means.std(ddof=1)) if len(means) > 1 else None,
    )


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
