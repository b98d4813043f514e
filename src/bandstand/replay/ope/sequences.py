"""Anytime-valid confidence sequences: intervals that hold at every moment, so that one may look and stop at will."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, numbers, share
from bandstand.replay.ope.intervals import Interval

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
