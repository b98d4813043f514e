"""The learned reward: how likely a touched hit was the goal, how likely a search satisfied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from bandstand.errors import ModelError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import (
    HIT_FEATURES,
    SEARCH_FEATURES,
    Interaction,
    hit_features,
    interactions_of,
    is_strong,
    search_features,
)
from bandstand.feedback.classifier import Probability, StoredProbability
from bandstand.feedback.intent import INTENT_FEATURES, intent_features
from bandstand.feedback.rewards import DEFAULT_WEIGHTS, RewardWeights, SearchOutcome
from bandstand.types import Event, Impression, Scores
from bandstand.types.actions import ACTIONS

MODEL_FILE = "reward.json"

FEATURES_VERSION = 1
"""Raise it when a feature changes its meaning but not its name."""

FEATURE_HASH = hashlib.sha256(
    "\n".join([str(FEATURES_VERSION), *HIT_FEATURES, "", *SEARCH_FEATURES, "", *INTENT_FEATURES]).encode()
).hexdigest()[:16]
"""What a model must have been trained on to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModel:
    """What a search was worth, learned from how sessions end (`bandstand.feedback.reward_training`).

    ``content`` is P(goal | played long or saved), counted. ``intent`` is None where no pair of searches taught it.
    """

    hit: Probability
    search: Probability
    content: float
    intent: Probability | None = None

    def goals(self, impression: Impression, interactions: Sequence[Interaction]) -> dict[int, float]:
        """P(this was the goal) of every touched row of the head, after these actions.

        A hit that was played long or saved is believed by ``content``, unless it was skipped afterwards. Elsewhere
        the model judges by what led there. What is left of an actor's budget scales either.
        """
        weights: dict[int, float] = {}
        for interaction in interactions:
            weights[interaction.row] = max(weights.get(interaction.row, 0.0), interaction.weight)
        if not weights:
            return {}
        rows = list(weights)
        found = self.hit(hit_features(impression, interactions, rows))
        strong = {row for row in rows if _holds(interactions, row)}
        return {
            row: weights[row] * (self.content if row in strong else float(p))
            for row, p in zip(rows, found, strict=True)
        }

    def satisfied(self, impression: Impression, interactions: Sequence[Interaction]) -> float:
        """P(the search satisfied), after these actions."""
        if any(_holds(interactions, interaction.row) for interaction in interactions):
            return self.content
        return float(self.search(search_features(impression, interactions))[0])

    def same_intent(self, earlier: Impression, later: Impression) -> float | None:
        """P(both searches are after the same thing); None where that was not learned."""
        return None if self.intent is None else float(self.intent(intent_features(earlier, later))[0])

    def to_bytes(self) -> bytes:
        """The model in one file."""
        stored = _Stored(
            features=FEATURE_HASH,
            content=self.content,
            hit=self.hit.stored(),
            search=self.search.stored(),
            intent=None if self.intent is None else self.intent.stored(),
        )
        return msgspec.json.encode(stored)

    @classmethod
    def from_bytes(cls, raw: bytes) -> RewardModel:
        """What `to_bytes` gave.

        Raises:
            ModelError: it is damaged, or was trained on other features.
        """
        try:
            stored = msgspec.json.decode(raw, type=_Stored)
        except (msgspec.MsgspecError, ValueError) as cause:
            raise ModelError("the reward model is damaged; run `bandstand train reward`") from cause
        if stored.features != FEATURE_HASH:
            raise ModelError("the reward model was trained on other features; run `bandstand train reward`")
        return cls(
            hit=stored.hit.read(),
            search=stored.search.read(),
            content=stored.content,
            intent=None if stored.intent is None else stored.intent.read(),
        )


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A `RewardModel` in its file; ``features`` is what it was trained on."""

    features: str
    content: float
    hit: StoredProbability
    search: StoredProbability
    intent: StoredProbability | None


def _holds(interactions: Sequence[Interaction], row: int) -> bool:
    """Whether the last word on a hit is that it was played long or saved."""
    own = [interaction for interaction in interactions if interaction.row == row]
    strong = [at for at, interaction in enumerate(own) if is_strong(interaction)]
    return bool(strong) and not any(ACTIONS[interaction.action].takes_back for interaction in own[strong[-1] :])


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
        found = np.zeros(len(impression.entity_ids), np.float32)
        for row, goal in model.goals(impression, interactions_of(impression, events, attribution)).items():
            found[row] = goal if goal >= UNLIKELY else 0.0
        return found

    return grades
