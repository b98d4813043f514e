"""Small worlds like the platform's own, in which the value of every policy is known: to check estimators on.

Queries are of one of three classes; three arms decide one after another, each seeing what earlier ones found; an arm
finds the answer with a chance that depends on class and depth; the page earns a reward with one chance where something
was found, another where nothing was. So values are sums over a handful of states, and exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandstand.replay.ope.estimate import Floats
from bandstand.replay.ope.feedback import Feedback

CLASSES, ARMS, DEPTHS = 3, 3, 4
CLASS_SHARE = np.array([0.5, 0.3, 0.2])
EARNS = np.array([0.05, 0.7])
"""The chance of a reward where nothing was found, and where something was."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """``finds`` (class, arm, depth): the chance to find; a policy is (arm, class, found before, depth), float64."""

    finds: Floats

    @classmethod
    def of(cls, seed: int) -> World:
        """A world whose deeper searches find more, up to 0.7."""
        steps = np.random.default_rng(seed).dirichlet(np.ones(DEPTHS), (CLASSES, ARMS))
        found = np.concatenate([np.zeros((CLASSES, ARMS, 1)), steps[:, :, 1:].cumsum(axis=2)], axis=2)
        return cls(0.7 * found)

    def value(self, policy: Floats) -> float:
        """The exact value of a policy."""
        total = 0.0
        for kind in range(CLASSES):
            found = np.array([1.0, 0.0])
            for arm in range(ARMS):
                chance = (policy[arm, kind] * self.finds[kind, arm]).sum(axis=1)
                found = np.array([found[0] * (1 - chance[0]), found[1] + found[0] * chance[0]])
            total += CLASS_SHARE[kind] * float(found @ EARNS)
        return total

    def log(self, rounds: int, logging: Floats, target: Floats, seed: int) -> Feedback:
        """Rounds of the logging policy, with what the target would have done."""
        random = np.random.default_rng(seed)
        kind = random.choice(CLASSES, rounds, p=CLASS_SHARE)
        found = np.zeros(rounds, np.int64)
        choice = np.empty((rounds, ARMS), np.int64)
        logged_all, target_all = np.empty((rounds, ARMS, DEPTHS)), np.empty((rounds, ARMS, DEPTHS))
        context = []
        for arm in range(ARMS):
            logged_all[:, arm], target_all[:, arm] = logging[arm, kind, found], target[arm, kind, found]
            context.append(np.column_stack([kind == 1, kind == 2, found]).astype(np.float32))
            choice[:, arm] = (random.random((rounds, 1)) > logged_all[:, arm].cumsum(axis=1)[:, :-1]).sum(axis=1)
            found |= random.random(rounds) < self.finds[kind, arm, choice[:, arm]]
        at, places = np.arange(rounds)[:, None], np.arange(ARMS)[None]
        return Feedback(
            arms=("a", "b", "c"),
            reward=(random.random(rounds) < EARNS[found]).astype(np.float64),
            choice=choice,
            logged=logged_all[at, places, choice],
            target=target_all[at, places, choice],
            logged_all=logged_all,
            target_all=target_all,
            context=tuple(context),
            cost=choice.astype(np.float64),
        )


def random_policy(seed: int, floor: float) -> Floats:
    """Distributions over depths for each arm, class, and what was found before, all above floor / depths."""
    drawn = np.random.default_rng(seed).dirichlet(np.ones(DEPTHS), (ARMS, CLASSES, 2))
    return np.asarray(floor / DEPTHS + (1 - floor) * drawn)
