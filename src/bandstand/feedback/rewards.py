"""What an action is worth by documented constants, and how much one actor may teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.feedback.attribution import Attribution, position_of
from bandstand.types import Event, Impression, Scores
from bandstand.types.actions import ACTIONS

_WORTH = {name: spec.worth for name, spec in ACTIONS.items()}
_SHORT_WORTH = {name: spec.short_worth for name, spec in ACTIONS.items() if spec.short_worth is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWeights:
    """Grades of single actions; the best action on a hit counts, and a skip takes its share off.

    ``worth`` and ``short_worth`` are by action, see `ActionSpec`; ``full_play_seconds`` is from when on one that lasts
    is not short. ``relabelled`` scales the grade of a search that is credited with what a later wording of it found;
    ``unlike`` does so where the two have no word in common. A search whose reward reaches ``success`` has succeeded.
    """

    worth: Mapping[str, float] = field(default_factory=lambda: _WORTH)
    short_worth: Mapping[str, float] = field(default_factory=lambda: _SHORT_WORTH)
    full_play_seconds: float = 30.0
    relabelled: float = 0.5
    unlike: float = 0.25
    success: float = 0.3

    @property
    def click(self) -> float:
        """What a click is worth."""
        return self.worth["click"]


DEFAULT_WEIGHTS = RewardWeights()

CLICKS_ALONE = RewardWeights(worth={"click": 1.0}, short_worth={}, success=1.0)
"""Every click is a success and nothing else counts: what the others are compared with."""

# float32 as the grades are: 0.9 as float32 is a little less than 0.9.
_RANKER_BOUNDS = np.array([0.5, 0.9], np.float32)


def ends_well(action: str, seconds: float | None, weights: RewardWeights = DEFAULT_WEIGHTS) -> bool:
    """Whether an action is what people end with once they have what they wanted: a long play or a save."""
    spec = ACTIONS.get(action)
    if spec is None or not spec.satisfies:
        return False
    return not spec.lasts or (seconds is not None and seconds >= weights.full_play_seconds)


def grade_of(event: Event, weights: RewardWeights = DEFAULT_WEIGHTS) -> float:
    """The worth of one action, in [skip, 1]; 0 for actions that do not teach."""
    spec, worth = ACTIONS.get(event.action), weights.worth.get(event.action, 0.0)
    if spec is None or not spec.lasts:
        return worth
    if event.play_seconds is None:
        return weights.click
    return worth if event.play_seconds >= weights.full_play_seconds else weights.short_worth.get(event.action, 0.0)


class SearchOutcome:
    """What came of one search, gathered from its events in any order; the same event twice changes nothing.

    A hit's grade is the best of its actions plus its skip, clipped to [0, 1].
    """

    def __init__(
        self,
        impression: Impression,
        *,
        attribution: Attribution | None = None,
        weights: RewardWeights = DEFAULT_WEIGHTS,
    ) -> None:
        self.impression = impression
        self._attribution, self._weights = attribution or Attribution(), weights
        size = len(impression.entity_ids)
        self._best, self._worst = np.zeros(size), np.zeros(size)
        self._touched = np.zeros(size, np.bool_)
        self._outside: dict[str, tuple[float, float]] = {}

    def add(self, event: Event) -> bool:
        """Count an event; False when it is not this search's, teaches nothing, or names no object."""
        if event.action not in ACTIONS or not self._attribution.in_window(self.impression, event):
            return False
        grade = grade_of(event, self._weights)
        position = position_of(self.impression, event)
        if position is not None:
            at = position - 1
            self._best[at], self._worst[at] = max(self._best[at], grade), min(self._worst[at], grade)
            self._touched[at] = True
        elif event.object_id is not None and event.claimant is None:
            best, worst = self._outside.get(event.object_id, (0.0, 0.0))
            self._outside[event.object_id] = (max(best, grade), min(worst, grade))
        return position is not None or (event.object_id is not None and event.claimant is None)

    @property
    def grades(self) -> Scores:
        """Grades of the logged head, float32 (n,), in [0, 1], aligned with ``impression.ordinals``."""
        return np.clip(self._best + self._worst, 0.0, 1.0).astype(np.float32)

    @property
    def touched(self) -> NDArray[np.bool_]:
        """Which hits of the head got any teaching action, (n,): a graded 0 there was earned, not missed."""
        return self._touched.copy()

    @property
    def outside(self) -> Mapping[str, float]:
        """Grades of entities that the head does not hold, e.g. another edition of a folded duplicate."""
        return {name: min(1.0, max(0.0, best + worst)) for name, (best, worst) in self._outside.items()}

    @property
    def reward(self) -> float:
        """The search's reward in [0, 1]: the best grade that anything on it earned."""
        inside = np.clip(self._best + self._worst, 0.0, 1.0)
        return max(float(inside.max(initial=0.0)), max(self.outside.values(), default=0.0))

    @property
    def succeeded(self) -> bool:
        """Whether something on it was worth at least a click."""
        return self.reward >= self._weights.success


def ranker_grades(grades: Scores) -> NDArray[np.int32]:
    """Grades in [0, 1] as LambdaMART's relevance, int32 (n,): 0 nothing, 1 under 0.5 (a click), 2 under 0.9, else 3."""
    return np.where(grades <= 0.0, 0, 1 + np.digitize(grades, _RANKER_BOUNDS)).astype(np.int32)


class Budget(NamedTuple):
    """What an actor has left, and when that was so; its owner keeps it beside the state that it protects."""

    tokens: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateGuard:
    """At most ``burst`` events at once and ``per_minute`` in the long run count fully, the rest not at all.

    A token bucket (Turner 1986). It holds no state: the same log gives the same weights, also after a restart.
    Over t minutes an actor's weight is at most ``burst + per_minute * t``.
    """

    burst: float = 30.0
    per_minute: float = 20.0

    def spend(self, budget: Budget | None, now: float) -> tuple[float, Budget]:
        """The weight in [0, 1] of one more event at ``now`` (seconds), and the budget left; None is a new actor.

        A clock that runs backwards refills nothing, and nothing twice.
        """
        tokens, time = budget or Budget(self.burst, now)
        refilled = min(self.burst, tokens + max(0.0, now - time) * self.per_minute / 60.0)
        weight = min(1.0, refilled)
        return weight, Budget(refilled - weight, max(now, time))


def actor_of(event: Event) -> str:
    """Whom to count the event on: the user, else the session, client or search; nameless events share one budget."""
    named = (("user", event.user_id), ("session", event.session_id), ("client", event.client_id))
    for kind, name in (*named, ("query", event.query_id)):
        if name is not None:
            return f"{kind}:{name}"
    return "anonymous"
