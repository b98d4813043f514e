"""Estimators for several decisions a round: retrievers one after another, and the positions of a ranking."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import Estimate, Floats, importance_weights, numbers


def joint_ips(reward: ArrayLike, target: ArrayLike, logged: ArrayLike, *, self_normalised: bool = False) -> Estimate:
    """V = mean(rho_{1:m} r), self-normalised sum(rho_{1:m} r) / sum(rho_{1:m}); ``reward`` (n,), the others (n, m).

    Assumes overlap alone. Variance grows with every arm on which the policies differ.

    Raises:
        BadInput: Self-normalised with every weight 0.
    """
    rewards, ratios = _matched(reward, target, logged)
    weights = ratios.prod(axis=1)
    return Estimate.ratio(weights * rewards, weights) if self_normalised else Estimate.mean(weights * rewards)


def per_decision_ips(reward: ArrayLike, target: ArrayLike, logged: ArrayLike) -> Estimate:
    """V = mean(sum_j rho_{1:j} r_j), all (n, m). Per-decision importance sampling: Precup, Sutton & Singh 2000.

    Assumes that later decisions do not change r_j, which holds for what arm j costs, and not for what the page earns.
    """
    prefixes = importance_weights(target, logged).cumprod(axis=1)
    rewards = numbers(reward, "reward", ndim=2, rows=len(prefixes))
    if rewards.shape != prefixes.shape:
        raise BadInput(f"reward has shape {rewards.shape}, logged {prefixes.shape}", field="reward")
    return Estimate.mean((prefixes * rewards).sum(axis=1))


def control_variate_ips(reward: ArrayLike, target: ArrayLike, logged: ArrayLike) -> Estimate:
    """V = mean(rho_{1:m} r - sum_j beta_j (rho_{1:j} - rho_{1:j-1})); ``reward`` (n,), the others (n, m).

    Each difference has expectation 0, so V is unbiased for any beta and assumes overlap alone; least squares of the
    weighted reward on the differences gives the beta of least variance, taken from the other half of the rounds
    (even and odd) so that it stays unbiased. After Vlassis et al. 2021 ("Control variates for slate off-policy
    evaluation"), with prefixes in place of single slots, as decisions here are sequential. With one round beta is 0.
    """
    rewards, ratios = _matched(reward, target, logged)
    prefixes = np.hstack([np.ones((len(ratios), 1)), ratios.cumprod(axis=1)])
    weighted, differences = prefixes[:, -1] * rewards, np.diff(prefixes, axis=1)
    control = np.zeros(len(rewards))
    even = np.arange(len(rewards)) % 2 == 0
    for half in (even, ~even):
        control[half] = differences[half] @ _slopes(differences[~half], weighted[~half])
    return Estimate.mean(weighted - control)


def independent_arms_ips(reward: ArrayLike, target: ArrayLike, logged: ArrayLike) -> Estimate:
    """V = mean(r (1 - m + sum_j rho_j)); ``reward`` (n,), the others (n, m).

    The pseudo-inverse estimator (Swaminathan et al. 2017) in closed form for a logging policy that is a product over
    arms (Vlassis et al. 2021). Assumes that the arms' contributions add up, and that an arm's probabilities do not
    depend on what earlier arms were told to do. Both are false here in the strict sense (two arms may find the same
    entity), so it is a cross-check with a variance that is linear in m, never the answer.
    """
    rewards, ratios = _matched(reward, target, logged)
    return Estimate.mean(rewards * (1.0 + (ratios - 1.0).sum(axis=1)))


def sequential_dr(
    reward: ArrayLike, target: ArrayLike, logged: ArrayLike, predicted: ArrayLike, direct: ArrayLike
) -> Estimate:
    """V = mean(direct_1 + sum_j rho_{1:j} (direct_{j+1} - predicted_j)), direct_{m+1} = r. Jiang & Li 2016.

    Assumes overlap alone; unbiased whatever the model, and each arm's chance is corrected by its own prefix only.

    Args:
        reward: (n,), known once all arms have decided.
        target: (n, m).
        logged: (n, m).
        predicted: The model's value of the logged depth of arm j in its context, (n, m).
        direct: The same, expected over the evaluation policy's depths of arm j, (n, m).
    """
    rewards, ratios = _matched(reward, target, logged)
    prefixes = ratios.cumprod(axis=1)
    values = numbers(direct, "direct", ndim=2, rows=len(rewards))
    guesses = numbers(predicted, "predicted", ndim=2, rows=len(rewards))
    if values.shape != prefixes.shape or guesses.shape != prefixes.shape:
        raise BadInput(
            f"direct has shape {values.shape}, predicted {guesses.shape}, logged {prefixes.shape}", field="direct"
        )
    following = np.column_stack([values[:, 1:], rewards])
    return Estimate.mean(values[:, 0] + (prefixes * (following - guesses)).sum(axis=1))


def _matched(reward: ArrayLike, target: ArrayLike, logged: ArrayLike) -> tuple[Floats, Floats]:
    ratios = importance_weights(target, logged)
    if ratios.ndim != 2:
        raise BadInput(f"logged must have one column for each arm, it has {ratios.ndim} axes", field="logged")
    return numbers(reward, "reward", rows=len(ratios)), ratios


def _slopes(differences: Floats, weighted: Floats) -> Floats:
    """Least squares of (n,) on (n, m) with an intercept; the shortest solution where arms never differ."""
    if not len(weighted):
        return np.zeros(differences.shape[1])
    centred = differences - differences.mean(axis=0)
    return np.asarray(np.linalg.lstsq(centred, weighted - weighted.mean(), rcond=None)[0])


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
