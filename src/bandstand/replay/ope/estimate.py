"""An estimate with what it was made of, so that every interval can resample it honestly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats


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
