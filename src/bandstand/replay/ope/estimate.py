"""An estimate with what it was made of, what every estimator asks of its arrays, and importance weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDING = 1e-6
"""How far a sum of probabilities may be from 1: float32 logs lose that much."""


def numbers(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """``values`` as float64 with ``ndim`` axes, at least one row, all finite.

    Raises:
        BadInput: Another shape, nothing in it, other than ``rows`` rows, or NaN and infinities.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{field} must be numbers: {error}", field=field) from error
    if array.ndim != ndim:
        raise BadInput(f"{field} must have {ndim} axes, not {array.ndim}", field=field)
    if not array.size:
        raise BadInput(f"{field} is empty: there is nothing to evaluate on", field=field)
    if rows is not None and len(array) != rows:
        raise BadInput(f"{field} has {len(array)} rows, the others have {rows}", field=field)
    _refuse(~np.isfinite(array), array, field, "is not finite: leave such rounds out")
    return array


def propensities(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """Probabilities of what really happened: in (0, 1].

    Raises:
        BadInput: As `numbers`, or a value outside (0, 1].
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    wrong = (array <= 0.0) | (array > 1.0 + _ROUNDING)
    _refuse(wrong, array, field, "is outside (0, 1]: what was logged had a positive probability, so log that")
    return array


def probabilities(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """Probabilities of what a policy might do: in [0, 1].

    Raises:
        BadInput: As `numbers`, or a value outside [0, 1].
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    _refuse((array < 0.0) | (array > 1.0 + _ROUNDING), array, field, "is outside [0, 1]")
    return array


def distributions(values: ArrayLike, field: str, *, ndim: int = 2, rows: int | None = None) -> Floats:
    """Distributions along the last axis: in [0, 1], summing to 1.

    Raises:
        BadInput: As `probabilities`, or a sum other than 1.
    """
    array = probabilities(values, field, ndim=ndim, rows=rows)
    sums = array.sum(axis=-1)
    _refuse(np.abs(sums - 1.0) > _ROUNDING, sums, field, "is the sum of a distribution, which must be 1")
    return array


def choices(values: ArrayLike, field: str, *, options: int, ndim: int = 1, rows: int | None = None) -> Ints:
    """Indices of what was chosen: whole numbers in [0, options).

    Raises:
        BadInput: As `numbers`, or a value that is no such index.
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    wrong = (array != np.floor(array)) | (array < 0) | (array >= options)
    _refuse(wrong, array, field, f"is no index of one of {options} actions")
    return array.astype(np.int64)


def non_negative(value: float, field: str) -> float:
    """A hyper-parameter in [0, inf].

    Raises:
        BadInput: It is negative or NaN.
    """
    if not value >= 0.0:
        raise BadInput(f"{field} must be 0 or more, got {value}", field=field)
    return value


def share(value: float, field: str) -> float:
    """A level or a share, strictly between 0 and 1.

    Raises:
        BadInput: It is not.
    """
    if not 0.0 < value < 1.0:
        raise BadInput(f"{field} must be between 0 and 1, got {value}", field=field)
    return value


def taken(table: Floats, action: Ints) -> Floats:
    """Each row's value at its action: (n, k) and (n,) to (n,), or (n, m, k) and (n, m) to (n, m)."""
    return np.take_along_axis(table, action[..., None], axis=-1)[..., 0]


def _refuse(wrong: NDArray[np.bool_], array: Floats, field: str, why: str) -> None:
    if wrong.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        more = int(wrong.sum()) - 1
        raise BadInput(
            f"{field}{list(place)} = {array[place]:g} {why}" + (f" ({more} more like it)" if more else ""), field=field
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """V = mean(base) + sum over l of (sum of numerator[:, l] / sum of denominator[:, l]).

    ``base`` is float64 (n,), one term for each round; ``numerator`` and ``denominator`` are (n, L), L = 0 for plain
    means and the number of positions for self-normalised rankings. Keeping numerators and denominators apart is
    what lets a resample be normalised by its own weights.
    """

    base: Floats
    numerator: Floats
    denominator: Floats

    @classmethod
    def mean(cls, terms: Floats) -> Estimate:
        """The plain mean of one term for each round, (n,)."""
        none = np.empty((len(terms), 0))
        return cls(base=terms, numerator=none, denominator=none)

    @classmethod
    def ratio(cls, numerator: Floats, denominator: Floats, base: Floats | None = None) -> Estimate:
        """mean(base) + sum(numerator) / sum(denominator); (n,), or (n, L) where each column has its own ratio.

        Raises:
            BadInput: A column of ``denominator`` sums to 0: no logged round has weight under the policy.
        """
        rows = len(numerator)
        numerator, denominator = numerator.reshape(rows, -1), denominator.reshape(rows, -1)
        if not denominator.sum(axis=0).all():
            raise BadInput(
                "no logged round has any weight under the evaluation policy: collect logs that explore what it does",
                field="target",
            )
        return cls(base=np.zeros(rows) if base is None else base, numerator=numerator, denominator=denominator)

    def __len__(self) -> int:
        return len(self.base)

    @property
    def normalised(self) -> bool:
        """Whether a denominator is estimated too."""
        return bool(self.denominator.shape[1])

    @property
    def value(self) -> float:
        """The estimate."""
        return float(self.values(self.columns().sum(axis=0)))

    @property
    def terms(self) -> Floats:
        """One term for each round, (n,), with mean `value`; denominators held at their mean over the log."""
        return np.asarray(self.base + (self.numerator / self.denominator.mean(axis=0)).sum(axis=1))

    @property
    def influence(self) -> Floats:
        """How much each round moves the estimate, (n,), mean 0: the delta method's linearisation of the ratios."""
        scale = self.denominator.mean(axis=0)
        ratio = self.numerator.mean(axis=0) / scale
        centred = (self.numerator - ratio * self.denominator) / scale
        return np.asarray(self.base - self.base.mean() + centred.sum(axis=1))

    @property
    def standard_error(self) -> float:
        """sqrt(sum of influence^2 / (n (n - 1))); infinite for a single round, whose spread is unknown."""
        n = len(self)
        return math.sqrt(float(np.square(self.influence).sum()) / (n * (n - 1))) if n > 1 else math.inf

    def columns(self) -> Floats:
        """What has to be summed to compute the estimate anew: (n, 2 + 2 L), the first column counting rounds."""
        return np.column_stack([np.ones(len(self)), self.base, self.numerator, self.denominator])

    def values(self, sums: Floats) -> Floats:
        """Estimates from sums of `columns`, shape (..., 2 + 2 L) to (...); NaN where a denominator is 0."""
        count, base, rest = sums[..., 0], sums[..., 1], sums[..., 2:]
        numerator, denominator = np.split(rest, 2, axis=-1)
        defined = denominator != 0.0
        ratios = np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=defined)
        return np.asarray(base / count + ratios.sum(axis=-1))


def importance_weights(target: ArrayLike, logged: ArrayLike) -> Floats:
    """The weights target / logged, the same shape as both, (n,) or (n, m).

    Args:
        target: Probability of what was logged under the evaluation policy, in [0, 1].
        logged: Probability under the policy that logged, in (0, 1].

    Raises:
        BadInput: A probability out of its range, or arrays of different shapes.
    """
    ndim = np.ndim(logged)
    bottom = propensities(logged, "logged", ndim=ndim)
    top = probabilities(target, "target", ndim=ndim, rows=len(bottom))
    if top.shape != bottom.shape:
        raise BadInput(f"target has shape {top.shape}, logged has {bottom.shape}", field="target")
    return top / bottom


def clip(weights: Floats, limit: float) -> Floats:
    """min(w, limit): never larger, monotone in ``limit``, unchanged at infinity. Ionides 2008."""
    return np.minimum(weights, non_negative(limit, "limit"))


def switch(weights: Floats, limit: float) -> Floats:
    """The weights w where w <= limit, else 0, leaving those rounds to the reward model. Wang, Agarwal & Dudik 2017."""
    return np.where(weights <= non_negative(limit, "limit"), weights, 0.0)


def shrink(weights: Floats, strength: float) -> Floats:
    """The weights strength w / (w^2 + strength): 0 at strength 0 (also where w = 0), w at infinity. Su et al. 2020."""
    if np.isinf(non_negative(strength, "strength")):
        return weights
    return strength * weights / (np.square(weights) + strength) if strength else np.zeros_like(weights)


def subgaussian(weights: Floats, mixing: float) -> Floats:
    """The weights w / (1 - mixing + mixing w), mixing in [0, 1]: w at 0; at 1 all 1, but 0 where w = 0.

    Metelli, Russo & Restelli 2021.

    Raises:
        BadInput: ``mixing`` is outside [0, 1].
    """
    if not 0.0 <= mixing <= 1.0:
        raise BadInput(f"mixing must be in [0, 1], got {mixing}", field="mixing")
    below = 1.0 - mixing + mixing * weights
    return np.divide(weights, below, out=np.zeros_like(weights), where=weights > 0.0)


def marginal_weights(target_all: ArrayLike, logged_all: ArrayLike, embedding: ArrayLike) -> Floats:
    """The weights sum_a target_all(a) p(e | a) / sum_a logged_all(a) p(e | a), shape (n,). Saito & Joachims 2022.

    Args:
        target_all: The evaluation policy's distributions over actions, (n, k).
        logged_all: The logging policy's, (n, k).
        embedding: p(e | x, a) of the logged embedding e under every action a, (n, k); for a grouping of actions
            1 for the actions of the logged one's group and 0 elsewhere.

    Raises:
        BadInput: Not distributions, or an embedding that the logging policy could not have shown.
    """
    bottom = distributions(logged_all, "logged_all")
    top = distributions(target_all, "target_all", rows=len(bottom))
    shown = probabilities(embedding, "embedding", ndim=2, rows=len(bottom))
    return importance_weights((top * shown).sum(axis=1), (bottom * shown).sum(axis=1))
