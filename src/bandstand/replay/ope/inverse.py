"""Estimators that weigh the logged rewards and need no model of them.

Throughout, ``reward`` is (n,), ``target`` and ``logged`` are the probabilities (n,) of the logged action under the
evaluation and the logging policy, and w = target / logged. Every function raises `BadInput` for empty or unequal
arrays, values that are not finite, and probabilities out of their range.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, numbers, probabilities
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.weights import clip, importance_weights, marginal_weights, subgaussian


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
