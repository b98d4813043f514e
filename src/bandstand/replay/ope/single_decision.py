"""Estimators for one decision a round: weighing logged rewards, with or without a model of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import (
    Estimate,
    Floats,
    clip,
    distributions,
    importance_weights,
    marginal_weights,
    numbers,
    probabilities,
    shrink,
    subgaussian,
    switch,
)


def replay_method(reward: ArrayLike, target: ArrayLike) -> Estimate:
    """V = mean of r over the rounds where the evaluation policy would surely have done the same (target = 1).

    Needs a deterministic evaluation policy and logs drawn uniformly. Li, Chu, Langford & Wang 2011.

    Raises:
        BadInput: There is no such round: the estimate is undefined, not 0.
    """
    rewards = numbers(reward, "reward")
    matched = (probabilities(target, "target", rows=len(rewards)) == 1.0).astype(np.float64)
    return Estimate.ratio(matched * rewards, matched)


def ipw(reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, limit: float = math.inf) -> Estimate:
    """V = mean(min(w, limit) r). Horvitz & Thompson 1952; clipped: Ionides 2008, Strehl et al. 2010.

    Unbiased without a limit where the logging policy covers the evaluation policy; with one, and rewards that are
    not negative, biased downwards. 0 where every weight is 0.
    """
    rewards = numbers(reward, "reward")
    return Estimate.mean(clip(_weights(target, logged, len(rewards)), limit) * rewards)


def snipw(reward: ArrayLike, target: ArrayLike, logged: ArrayLike) -> Estimate:
    """V = sum(w r) / sum(w). Swaminathan & Joachims 2015.

    Within the range of the rewards, blind to a common factor in the propensities; biased by O(1 / n).

    Raises:
        BadInput: Every weight is 0: the estimate is undefined.
    """
    rewards = numbers(reward, "reward")
    weights = _weights(target, logged, len(rewards))
    return Estimate.ratio(weights * rewards, weights)


def sg_ipw(reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, mixing: float) -> Estimate:
    """V = mean(r w / (1 - mixing + mixing w)), mixing in [0, 1]. Metelli, Russo & Restelli 2021.

    The weights are at most 1 / mixing. IPW at 0; at 1 the mean of r over the rounds with weight (0 elsewhere).
    """
    rewards = numbers(reward, "reward")
    return Estimate.mean(subgaussian(_weights(target, logged, len(rewards)), mixing) * rewards)


def balanced_ipw(reward: ArrayLike, weights: ArrayLike, *, limit: float = math.inf) -> Estimate:
    """V = sum(min(w, limit) r) / sum(min(w, limit)) for weights w that were learned, (n,). Arbour et al. 2021.

    Raises:
        BadInput: A weight is negative, or every weight is 0.
    """
    rewards = numbers(reward, "reward")
    given = numbers(weights, "weights", rows=len(rewards))
    if (given < 0.0).any():
        raise BadInput("weights must be 0 or more", field="weights")
    limited = clip(given, limit)
    return Estimate.ratio(limited * rewards, limited)


def mipw(
    reward: ArrayLike,
    target_all: ArrayLike,
    logged_all: ArrayLike,
    embedding: ArrayLike,
    *,
    self_normalised: bool = False,
) -> Estimate:
    """V = mean(w r), self-normalised sum(w r) / sum(w), with w over embeddings of actions: `marginal_weights`.

    Unbiased where the action works through the embedding alone; far less variance where many actions share one.
    Saito & Joachims 2022.

    Raises:
        BadInput: Self-normalised with every weight 0.
    """
    rewards = numbers(reward, "reward")
    weights = marginal_weights(target_all, logged_all, embedding)
    if len(weights) != len(rewards):
        raise BadInput(f"reward has {len(rewards)} rows, the distributions have {len(weights)}", field="reward")
    return Estimate.ratio(weights * rewards, weights) if self_normalised else Estimate.mean(weights * rewards)


def _weights(target: ArrayLike, logged: ArrayLike, rows: int) -> Floats:
    weights = importance_weights(target, logged)
    if weights.shape != (rows,):
        raise BadInput(f"logged has shape {weights.shape}, reward has {rows} rows", field="logged")
    return weights


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
