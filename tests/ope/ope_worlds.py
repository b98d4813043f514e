"""A small world like the platform's own: arms decide one after another, each seeing what earlier ones found.

Queries are of one of three classes; arm j finds the answer with a chance that depends on class and depth; the page
earns a reward with one chance where something was found, another where nothing was. So values are sums over a
handful of states, and known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandstand.replay.ope.rounds import Feedback

CLASSES, ARMS, DEPTHS = 3, 3, 4
CLASS_SHARE = np.array([0.5, 0.3, 0.2])
EARNS = np.array([0.05, 0.7])  # nothing found, something found


@dataclass(frozen=True)
class World:
    """``finds`` (class, arm, depth): the chance to find; a policy is (arm, class, found before, depth)."""

    finds: np.ndarray

    @classmethod
    def of(cls, seed: int) -> World:
        steps = np.random.default_rng(seed).dirichlet(np.ones(DEPTHS), (CLASSES, ARMS))
        finds = 0.7 * np.concatenate([np.zeros((CLASSES, ARMS, 1)), steps[:, :, 1:].cumsum(axis=2)], axis=2)
        return cls(finds)

    def value(self, policy: np.ndarray) -> float:
        """The exact value of a policy."""
        total = 0.0
        for kind in range(CLASSES):
            found = np.array([1.0, 0.0])
            for arm in range(ARMS):
                chance = (policy[arm, kind] * self.finds[kind, arm]).sum(axis=1)
                found = np.array([found[0] * (1 - chance[0]), found[1] + found[0] * chance[0]])
            total += CLASS_SHARE[kind] * found @ EARNS
        return float(total)

    def log(self, n: int, logging: np.ndarray, target: np.ndarray, seed: int) -> Feedback:
        """n rounds of the logging policy, with what the target would have done."""
        random = np.random.default_rng(seed)
        kind = random.choice(CLASSES, n, p=CLASS_SHARE)
        found = np.zeros(n, np.int64)
        choice = np.empty((n, ARMS), np.int64)
        logged_all, target_all = np.empty((n, ARMS, DEPTHS)), np.empty((n, ARMS, DEPTHS))
        context = []
        for arm in range(ARMS):
            logged_all[:, arm], target_all[:, arm] = logging[arm, kind, found], target[arm, kind, found]
            context.append(np.column_stack([kind == 1, kind == 2, found]).astype(np.float32))
            choice[:, arm] = (random.random((n, 1)) > logged_all[:, arm].cumsum(axis=1)[:, :-1]).sum(axis=1)
            found |= random.random(n) < self.finds[kind, arm, choice[:, arm]]
        rows, places = np.arange(n)[:, None], np.arange(ARMS)[None]
        return Feedback(
            arms=("a", "b", "c"),
            reward=(random.random(n) < EARNS[found]).astype(np.float64),
            choice=choice,
            logged=logged_all[rows, places, choice],
            target=target_all[rows, places, choice],
            logged_all=logged_all,
            target_all=target_all,
            context=tuple(context),
            cost=choice.astype(np.float64),
        )


def policy(seed: int, floor: float) -> np.ndarray:
    """Random distributions over depths for each arm, class and what was found before, all above floor / depths."""
    drawn = np.random.default_rng(seed).dirichlet(np.ones(DEPTHS), (ARMS, CLASSES, 2))
    return floor / DEPTHS + (1 - floor) * drawn
