"""How far each hit of a logged search satisfied: by a reward model, or by the constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import deeds_of
from bandstand.feedback.reward_model import RewardModel
from bandstand.feedback.rewards import DEFAULT_WEIGHTS, RewardWeights, SearchOutcome
from bandstand.types import Event, Impression, Scores

Grader = Callable[[Impression, Sequence[Event], Attribution], Scores]
"""Grades float32 (n,) in [0, 1] of the logged head of a search, from its events."""

UNLIKELY = 0.1
"""P(goal) below which a touched hit is no better an answer than one that nobody touched."""


def by_constants(weights: RewardWeights = DEFAULT_WEIGHTS) -> Grader:
    """The best action on a hit, by documented weights (`SearchOutcome`)."""

    def grades(impression: Impression, events: Sequence[Event], attribution: Attribution) -> Scores:
        outcome = SearchOutcome(impression, attribution=attribution, weights=weights)
        for event in events:
            outcome.add(event)
        return outcome.grades

    return grades


BY_CONSTANTS = by_constants()


def by_model(model: RewardModel) -> Grader:
    """P(goal) of every touched hit, 0 where it is `UNLIKELY`."""

    def grades(impression: Impression, events: Sequence[Event], attribution: Attribution) -> Scores:
        found = np.zeros(len(impression.ordinals), np.float32)
        for row, goal in model.goals(impression, deeds_of(impression, events, attribution)).items():
            found[row] = goal if goal >= UNLIKELY else 0.0
        return found

    return grades
