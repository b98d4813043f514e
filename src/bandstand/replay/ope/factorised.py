"""Estimators for decisions taken in parts: arms one after another, each seeing what the earlier ones found.

The joint propensity is the product over arms of P(depth of arm j | context of arm j), where the context holds what
arms 1..j-1 found. So with rho_j = target_j / logged_j, both (n, m) and in the order of the decisions,
w = rho_1 ... rho_m is the joint importance weight, and every prefix rho_{1:j} has expectation 1 under the logging
policy. That is exact for sequential policies, as both are evaluated on the logged context of each arm, and it is what
the estimators here use to cut variance. Where there is one arm they are IPW and DR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, numbers
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.weights import importance_weights


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
    for fold in (even, ~even):
        control[fold] = differences[fold] @ _slopes(differences[~fold], weighted[~fold])
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
