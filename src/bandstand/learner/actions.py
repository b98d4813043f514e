"""What one action changes: memory, history and trends at once, its search's grades, and the failed searches before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bandstand.catalog.text import normalize
from bandstand.feedback.attribution import related_to
from bandstand.feedback.behaviour import Interaction, interaction_of
from bandstand.feedback.rewards import LEARNED_ACTIONS, actor_of, ends_well, grade_of
from bandstand.learner.apply_settings import ApplySettings, Sources
from bandstand.learner.open_searches import OpenSearch, OpenSearches
from bandstand.learner.relabelling import BELIEVED, Relabelling, Success, hashed
from bandstand.learner.rewards import RateBudgets
from bandstand.memory_index.memory import MemoryBatch
from bandstand.types import Event, Impression, Query
from bandstand.understanding.credit import credited


class _Worth(NamedTuple):
    """An action on an entity: its constant grade, what the actor's budget left of it, and P(goal) where learned."""

    ordinal: int
    grade: float
    weight: float
    trust: float = 1.0


class Actions:
    """Applies events to one batch, in the order of the log."""

    def __init__(
        self,
        batch: MemoryBatch,
        searches: OpenSearches,
        sources: Sources,
        settings: ApplySettings,
        impression: Callable[[str | None], Impression | None],
    ) -> None:
        self._batch, self._open, self._sources, self._settings = batch, searches, sources, settings
        self._rewards, self._impression = sources.rewards, impression
        self._relabelling = Relabelling(batch, searches, sources.rewards, settings.weights, impression)
        self._budgets = RateBudgets(batch, settings.guard)

    def apply(self, event: Event, now: float) -> None:
        """One event of the log."""
        ordinal = self._ordinal_of(event.object_id) if event.action in LEARNED_ACTIONS else None
        if ordinal is None:  # an action that teaches nothing, or an entity that is unknown or deleted
            return
        impression = self._impression(event.query_id)
        if impression is not None and not self._settings.attribution.in_window(impression, event):
            impression = None
        weight = self._budgets.weight(hashed(_spender(event, impression)), now)
        grade = grade_of(event, self._settings.weights)
        interaction = interaction_of(impression, event, weight) if impression is not None and weight else None
        trust = 1.0
        if impression is not None and interaction is not None:
            interactions = self._grade(impression, interaction, _Worth(ordinal, grade, weight), now)
            trust = self._rewards.trust(impression, interaction, interactions)
        if grade * weight * trust > 0:
            # A client's clock may run ahead, which would let everything remembered fade at once.
            worth = _Worth(ordinal, grade, weight, trust)
            self._teach(replace(event, time=min(event.time, now)), worth, impression)

    def _grade(
        self, impression: Impression, interaction: Interaction, worth: _Worth, now: float
    ) -> tuple[Interaction, ...]:
        """Count an action on a logged hit of a search in its window, also of one whose own entry is yet to come.

        Returns all that was done on the search so far. Once it has finalized, grades stay as they are.
        """
        query = impression.query
        search = self._open.get(query.id)
        if search is None and now <= query.time + self._settings.attribution.window:
            search = opened(query, now, self._settings)
        if search is None:
            return (interaction,)
        search = search.acted(interaction)
        if not search.finalized and worth.grade:
            search = search.graded(worth.ordinal, worth.grade * worth.weight, due=now + self._settings.finalize_s)
        self._open.put(search)
        return search.interactions

    def _teach(self, event: Event, worth: _Worth, impression: Impression | None) -> None:
        """Memory, history and trends learn at once; an event that names no search may still say what was asked.

        What was offered as related to an entity was not asked for: it teaches no query, but that the two go together.
        """
        actor, ordinal, offered = _actor(event, impression), worth.ordinal, related_to(event)
        asked = impression.query.normalized if impression is not None else normalize(event.user_query or "")
        asked = "" if offered else asked
        weight = worth.weight * worth.trust
        clicks = weight * worth.grade / self._settings.weights.click  # how many clicks it is worth
        if asked and ends_well(event.action, event.play_seconds, self._settings.weights):
            self._batch.play(asked, ordinal, user=actor, now=event.time, weight=weight)
        elif asked:
            self._batch.click(asked, ordinal, user=actor, now=event.time, weight=min(clicks, weight))
        if impression is not None:
            self._relabel(event, worth, impression)
            self._credit(event, ordinal, impression, min(clicks, weight))
        if actor:
            beside, now = self._ordinal_of(offered), event.time
            self._batch.choose(actor, ordinal, normalized=asked or None, strength=clicks, now=now, beside=beside)
        self._batch.trend(ordinal, clicks, now=event.time)

    def _relabel(self, event: Event, worth: _Worth, impression: Impression) -> None:
        """The failed searches just before a success, for the same thing in other words, led here too."""
        judged = self._rewards.model is not None
        succeeded = worth.trust >= BELIEVED if judged else worth.grade >= self._settings.weights.success
        if not self._settings.relabel or not succeeded:
            return
        success = Success(impression, worth.ordinal, worth.trust, worth.weight, event.time)
        for found in self._relabelling.of(success):
            self._batch.click(found.normalized, found.ordinal, user=found.user, now=event.time, weight=found.weight)
            if self._sources.relabelled is not None:
                self._sources.relabelled(found)

    def _credit(self, event: Event, ordinal: int, impression: Impression, clicks: float) -> None:
        """The meanings of the query's words that explain the choice gain weight in later readings."""
        slots, actor = impression.query.slots, _actor(event, impression)
        (entity,) = self._sources.entities(np.array([ordinal], np.int32)) if slots else (None,)
        for phrase, shares in credited(slots, entity).items() if entity is not None else ():
            counted = {sense: clicks * share for sense, share in shares.items()}
            self._batch.sense(phrase, counted, user=actor, now=event.time)

    def _ordinal_of(self, entity_id: str | None) -> int | None:
        if entity_id is None:
            return None
        ordinal = int(self._sources.ordinals([entity_id])[0])
        return ordinal if ordinal >= 0 else None


def opened(query: Query, now: float, settings: ApplySettings) -> OpenSearch:
    """A search at the beginning of its window."""
    closes = now + settings.attribution.window
    return OpenSearch(query_id=query.id, who=hashed(query.actor), due=closes, closes=closes)


def _actor(event: Event, impression: Impression | None) -> str | None:
    """Who acted: the user that the event names, else who made the search, else the visitor that the event names.

    One person's clicks with and without a user's name would else look like two people who agree.
    """
    if event.user_id or impression is None:
        return event.actor
    return impression.query.actor or event.actor


def _spender(event: Event, impression: Impression | None) -> str:
    """Whose budget an event spends: that of who it names, else of who made the search."""
    if impression is None or event.user_id or event.session_id or event.client_id:
        return actor_of(event)
    return actor_of(replace(event, user_id=impression.query.user_id, session_id=impression.query.session_id))
