"""Which failed searches a success answers too, and how far that can be believed.

The goal that was reached labels the attempts (Hindsight Experience Replay, Andrychowicz et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from bandstand.feedback.rewards import RewardWeights
from bandstand.feedback.sessions import follows_quickly, relabel_share
from bandstand.feedback.terminal import RETRIED_S
from bandstand.learner.hunches import Hunch, Hunches, agreed
from bandstand.learner.judge import Judge
from bandstand.learner.open_searches import KeyValue, OpenSearches
from bandstand.learner.sessions import Sessions, hashed
from bandstand.types import Impression, Query

BELIEVED = 0.5
"""Confidence from which a failed search is relabelled at once; below, it waits for a second person who agrees."""


class Success(NamedTuple):
    """An entity that satisfied a search: by ``goal``, P(goal) in (0, 1], and what the actor's budget left of it."""

    impression: Impression
    ordinal: int
    goal: float
    weight: float
    now: float


class Relabelled(NamedTuple):
    """A failed search led to an entity after all. ``query`` has no user where the evidence was somebody else's."""

    query_id: str
    normalized: str
    user: str | None
    ordinal: int
    weight: float


class Relabelling:
    """Reads sessions; keeps hunches. By the documented shares until a model judges what is the same intent."""

    def __init__(
        self,
        state: KeyValue,
        searches: OpenSearches,
        judge: Judge,
        weights: RewardWeights,
        impression: Callable[[str | None], Impression | None],
    ) -> None:
        self._sessions, self._hunches = Sessions(state), Hunches(state)
        self._open, self._judge, self._weights, self._impression = searches, judge, weights, impression

    def of(self, success: Success) -> Iterator[Relabelled]:
        """The failed searches just before a success, newest first; once for each search."""
        later, confidence, learned = success.impression, success.goal, self._judge.model is not None
        for past in self._sessions.satisfied(later.query.session_id, later.query.id):
            earlier = None if past.satisfied else self._impression(past.query_id)
            if earlier is None:
                return
            share = self._share(earlier, later)
            if share is None:
                return
            confidence = confidence * share if learned else share
            if not learned or confidence >= BELIEVED:
                yield _told(earlier.query, success, success.weight * confidence)
            else:
                yield from self._agreed(earlier.query, success)
                return
            later = earlier

    def _share(self, earlier: Impression, later: Impression) -> float | None:
        """P(it failed, and both want the same); None where the chain of attempts ends."""
        model = self._judge.model
        if model is None:
            return relabel_share(earlier.query, later.query, self._weights) or None
        if not follows_quickly(earlier.query, later.query, RETRIED_S):
            return None
        search = self._open.get(earlier.query.id)
        deeds = () if search is None else search.deeds
        failed = 1 - model.satisfied(earlier, deeds) if deeds else 1.0  # who touched nothing and searches on has failed
        same = model.same_intent(earlier, later)
        if same is None:
            same = relabel_share(earlier.query, later.query, self._weights)
        return None if failed < BELIEVED else failed * same

    def _agreed(self, query: Query, success: Success) -> Iterator[Relabelled]:
        """What two people who failed with the same words and ended at the same entity tell together."""
        who = hashed(query.actor)
        hunch = Hunch(who, query.id, success.now, success.weight)
        confidence = success.goal * agreed(self._weights.unlike)
        for each in self._hunches.add(query.normalized, success.ordinal, hunch):
            user = query.actor if each.who == who else None
            weight = each.weight * confidence
            yield Relabelled(each.query_id, query.normalized, user, success.ordinal, weight)


def _told(query: Query, success: Success, weight: float) -> Relabelled:
    return Relabelled(query.id, query.normalized, query.actor, success.ordinal, weight)
