"""Estimators for rankings: the value is the sum of the rewards of the positions.

``reward`` is (n, L) by slate and position; propensities are those of the logged slates. Which propensity is enough
depends on how users look at a slate; each function says what it assumes. ``self_normalised`` divides every position
by its mean weight: less variance, a bias of O(1 / n), and `BadInput` where a position has no weight at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, numbers
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.weights import importance_weights


def standard_ips(reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, self_normalised: bool = False) -> Estimate:
    """V = mean(w sum_l r_l), w = target / logged of the whole slate, both (n,). Precup, Sutton & Singh 2000.

    Assumes nothing about users; its variance grows exponentially with the length of the slate.
    """
    rewards = numbers(reward, "reward", ndim=2)
    weights = importance_weights(target, logged)
    return _weighted(rewards, np.broadcast_to(weights[:, None], (len(weights), rewards.shape[1])), self_normalised)


def independent_ips(
    reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, self_normalised: bool = False
) -> Estimate:
    """V = mean(sum_l w_l r_l), w_l from the marginal propensities of each position, (n, L). Li et al. 2018.

    Assumes that a position's reward depends on its own item alone.
    """
    return _weighted(numbers(reward, "reward", ndim=2), importance_weights(target, logged), self_normalised)


def reward_interaction_ips(
    reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, self_normalised: bool = False
) -> Estimate:
    """V = mean(sum_l w_{1:l} r_l), w_{1:l} from the propensities of each prefix, (n, L). McInerney et al. 2020.

    Assumes a cascade: what stands below a position does not change its reward.
    """
    return _weighted(numbers(reward, "reward", ndim=2), importance_weights(target, logged), self_normalised)


def cascade_dr(
    reward: ArrayLike, target: ArrayLike, logged: ArrayLike, predicted: ArrayLike, direct: ArrayLike
) -> Estimate:
    """V = mean(sum_l w_{1:l} (r_l - predicted_l) + w_{1:l-1} direct_l), w_{1:0} = 1. Kiyohara et al. 2022.

    Assumes a cascade, as `reward_interaction_ips` does; less variance the better the model, unbiased whatever it is.

    Args:
        reward: (n, L).
        target: Propensities of the prefixes under the evaluation policy, (n, L).
        logged: Those under the logging policy, (n, L).
        predicted: The model's value of the logged item at l and what follows it, (n, L).
        direct: The same, expected over the evaluation policy's items at l given the logged prefix, (n, L).
    """
    rewards = numbers(reward, "reward", ndim=2)
    weights = _aligned(importance_weights(target, logged), rewards)
    before = np.hstack([np.ones((len(weights), 1)), weights[:, :-1]])
    residual = rewards - _aligned(numbers(predicted, "predicted", ndim=2), rewards)
    model = _aligned(numbers(direct, "direct", ndim=2), rewards)
    return Estimate.mean((weights * residual + before * model).sum(axis=1))


def _weighted(rewards: Floats, weights: Floats, self_normalised: bool) -> Estimate:
    weights = _aligned(weights, rewards)
    if self_normalised:
        return Estimate.ratio(weights * rewards, weights)
    return Estimate.mean((weights * rewards).sum(axis=1))


def _aligned(values: Floats, rewards: Floats) -> Floats:
    if values.shape != rewards.shape:
        raise BadInput(f"reward has shape {rewards.shape}, what goes with it {values.shape}", field="reward")
    return values
