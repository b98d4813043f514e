"""Importance weights w = target / logged, and the ways of making large ones smaller."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, distributions, non_negative, probabilities, propensities


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
