"""Estimators that lean on a model of the rewards, and correct it by weighing what it got wrong.

Beside the arrays of `inverse`: ``predicted`` is the model's reward of the logged action, (n,), and ``direct`` what
it expects of the evaluation policy, (n,): `expected` of the predictions for every action. The model must not have
seen the round that it predicts (cross-fitting), or the corrections are too small. MRDR (Farajtabar et al. 2018) is
`dr` with the predictions of a model that was fitted with MRDR's weights.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, distributions, numbers
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.weights import clip, importance_weights, shrink, subgaussian, switch


def expected(target_all: ArrayLike, predicted_all: ArrayLike) -> Floats:
    """sum_a target_all(a) predicted_all(a), shape (n,) from two (n, k): the model's value of the policy."""
    policy = distributions(target_all, "target_all")
    table = numbers(predicted_all, "predicted_all", ndim=2, rows=len(policy))
    if table.shape != policy.shape:
        raise BadInput(f"predicted_all has shape {table.shape}, target_all {policy.shape}", field="predicted_all")
    return np.asarray((policy * table).sum(axis=1))


def dm(direct: ArrayLike) -> Estimate:
    """V = mean(direct): the model alone, as biased as the model is. Beygelzimer & Langford 2009."""
    return Estimate.mean(numbers(direct, "direct"))


def dr(
    reward: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    predicted: ArrayLike,
    direct: ArrayLike,
    *,
    limit: float = math.inf,
) -> Estimate:
    """V = mean(direct + min(w, limit) (r - predicted)). Dudik, Langford & Li 2011.

    Unbiased without a limit whatever the model; DM where the model is perfect or every weight is 0.
    """
    weights, residual, base = _parts(reward, target, logged, predicted, direct)
    return Estimate.mean(base + clip(weights, limit) * residual)


def sndr(reward: ArrayLike, target: ArrayLike, logged: ArrayLike, predicted: ArrayLike, direct: ArrayLike) -> Estimate:
    """V = mean(direct) + sum(w (r - predicted)) / sum(w). Robins et al. 2007, Thomas & Brunskill 2016.

    Raises:
        BadInput: Every weight is 0: the estimate is undefined.
    """
    weights, residual, base = _parts(reward, target, logged, predicted, direct)
    return Estimate.ratio(weights * residual, weights, base)


def switch_dr(
    reward: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    predicted: ArrayLike,
    direct: ArrayLike,
    *,
    limit: float,
) -> Estimate:
    """V = mean(direct + w 1[w <= limit] (r - predicted)). Wang, Agarwal & Dudik 2017.

    DM at limit 0 (a weight of 0 corrects nothing), DR from the largest weight on.
    """
    weights, residual, base = _parts(reward, target, logged, predicted, direct)
    return Estimate.mean(base + switch(weights, limit) * residual)


def dr_os(
    reward: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    predicted: ArrayLike,
    direct: ArrayLike,
    *,
    strength: float,
) -> Estimate:
    """V = mean(direct + strength w / (w^2 + strength) (r - predicted)). Su, Dimakopoulou, Krishnamurthy & Dudik 2020.

    DM at strength 0, DR at infinity.
    """
    weights, residual, base = _parts(reward, target, logged, predicted, direct)
    return Estimate.mean(base + shrink(weights, strength) * residual)


def sg_dr(
    reward: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    predicted: ArrayLike,
    direct: ArrayLike,
    *,
    mixing: float,
) -> Estimate:
    """V = mean(direct + w / (1 - mixing + mixing w) (r - predicted)), mixing in [0, 1]. Metelli et al. 2021.

    DR at 0; at 1 every round that has weight is corrected by its whole residual.
    """
    weights, residual, base = _parts(reward, target, logged, predicted, direct)
    return Estimate.mean(base + subgaussian(weights, mixing) * residual)


def _parts(
    reward: ArrayLike, target: ArrayLike, logged: ArrayLike, predicted: ArrayLike, direct: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Weights, residuals and model values, each (n,)."""
    rewards = numbers(reward, "reward")
    weights = importance_weights(target, logged)
    if weights.shape != rewards.shape:
        raise BadInput(f"logged has shape {weights.shape}, reward {rewards.shape}", field="logged")
    guesses = numbers(predicted, "predicted", rows=len(rewards))
    return weights, rewards - guesses, numbers(direct, "direct", rows=len(rewards))
