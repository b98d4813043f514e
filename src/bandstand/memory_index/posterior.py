"""The arithmetic of belief: exponential decay and the posterior mean of satisfaction."""

from __future__ import annotations

from math import exp2

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Scores


def decay(age: float, half_life: float) -> float:
    """What is left of a count after ``age`` seconds: 2^(-age / half_life).

    A negative age (a clock that ran backwards, an event that came late) leaves the count as it is, never more.
    """
    return exp2(-age / half_life) if age > 0 else 1.0


def decays(ages: NDArray[np.float64], half_life: float) -> Scores:
    """`decay` of an array of ages in seconds, float32 of the same shape."""
    left: Scores = np.exp2(np.maximum(ages, 0.0) / -half_life).astype(np.float32)
    return left


def unclicked(impressions: Scores, clicks: Scores, plays: Scores) -> Scores:
    """Examined impressions that led to nothing: max(0, I - max(c, p)), shape (n,).

    A click whose impression was never logged counts as its own impression.
    """
    return np.maximum(impressions - np.maximum(clicks, plays), np.float32(0))


def posterior_mean(prior: Scores, gains: Scores, failures: Scores, strength: float) -> Scores:
    """Mean of the Beta posterior of satisfaction, in [0, 1], shape (n,).

    α / (α + β) with α = s·m + g and β = s·(1 - m) + f: m the prior mean, s > 0 its strength in pseudo-counts, g the
    weighted clicks and plays, f the examined impressions without either. So a click never lowers it and an
    impression without click never raises it; without evidence it is the prior. (Beta-binomial smoothing of click
    rates as in Wang, Zhai and Dumais 2012; here a play adds more than one success.)
    """
    successes = prior * np.float32(strength) + gains
    return successes / (gains + failures + np.float32(strength))
