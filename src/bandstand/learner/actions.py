"""What one action changes: memory, history and trends at once, its search's grades, and the failed searches before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bandstand.catalog.text import beginning, normalize
from bandstand.feedback.attribution import related_to
from bandstand.feedback.behaviour import interaction_of
from bandstand.feedback.rewards import actor_of, ends_well, grade_of
from bandstand.learner.apply_settings import ApplySettings, Sources
from bandstand.learner.claims import network_of
from bandstand.learner.open_searches import OpenSearch
from bandstand.learner.relabelling import BELIEVED, Relabelling, Success, hashed
from bandstand.learner.state import LearnerState
from bandstand.memory_index.evidence import Claim
from bandstand.memory_index.memory import MemoryBatch
from bandstand.types import Event, Impression, Query
from bandstand.types.actions import ACTIONS
from bandstand.understanding.credit import credited
from bandstand.understanding.syntax import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How much one action counts.

    ``grade`` is what the constants say that it is worth, from ``skip`` to 1, and ``click`` what they say of a click;
    ``budget`` in [0, 1] is what the actor's rate budget left of it; ``goal`` in [0, 1] is P(goal), 1 without a reward
    model; ``share`` in [0, 1] is what others hear of it, see `Shares`. They are multiplied here and nowhere else.
    """

    grade: float
    click: float
    budget: float
    goal: float = 1.0
    share: float = 1.0

    @property
    def outcome(self) -> float:
        """The grade that it adds to its search, whose reward model comes later."""
        return self.grade * self.budget * self.share

    @property
    def belief(self) -> float:
        """In [0, 1]: how far it counts as one action that was meant."""
        return self.budget * self.goal

    @property
    def clicks(self) -> float:
        """How many clicks it is worth."""
        return self.belief * self.grade / self.click

    @property
    def told(self) -> float:
        """How many clicks others hear of."""
        return self.clicks * self.share

    @property
    def one_click(self) -> float:
        """As a click, of which it is one at most."""
        return min(self.clicks, self.belief)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An action that teaches: on which entity, within which search (None: none that it belongs to), and by whom."""

    event: Event
    ordinal: int
    strength: Strength
    impression: Impression | None

    @property
    def actor(self) -> str | None:
        """The user that the event names, else who made the search, else the visitor that the event names.

        One person's clicks with and without a user's name would else look like two people who agree.
        """
        if self.event.user_id or self.impression is None:
            return self.event.actor
        return self.impression.query.actor or self.event.actor

    @property
    def network(self) -> str | None:
        """The network that speaks where nobody vouches for who acts, see `network_of`."""
        return network_of(self.event, self.impression)

    @property
    def claim(self) -> Claim | None:
        """What others hear of it; None where it is vouched for, and all of it counts."""
        return None if self.event.claimant is None else Claim(self.network, self.strength.share)

    @property
    def query(self) -> str:
        """The normalised query that it answers: its search's, else the one that the event names; "" for none.

        What was offered as related to an entity was not asked for. Which attributes there were to be fields of a query
        is known of searches alone.
        """
        if related_to(self.event):
            return ""
        if self.impression:
            return self.impression.query.normalized
        return beginning(normalize(parse(beginning(self.event.user_query or ""), lambda _: False).words))


class Actions:
    """Applies events to one batch, in the order of the log."""

    def __init__(
        self,
        batch: MemoryBatch,
        state: LearnerState,
        sources: Sources,
        settings: ApplySettings,
        impression: Callable[[str | None], Impression | None],
    ) -> None:
        self._batch, self._state, self._sources, self._settings = batch, state, sources, settings
        self._rewards, self._impression = sources.rewards, impression
        self._relabelling = Relabelling(
            state.sessions,
            state.labels,
            state.open,
            rewards=sources.rewards,
            weights=settings.weights,
            impression=impression,
        )

    def apply(self, event: Event, now: float) -> None:
        """One event of the log."""
        ordinal = self._ordinal_of(event.object_id) if event.action in ACTIONS else None
        if ordinal is None:  # an action that teaches nothing, or an entity that is unknown or deleted
            return
        impression = self._impression(event.query_id)
        if impression is not None and not self._settings.attribution.follows(impression, event):
            impression = None
        if event.claimant is not None and not _borne_out(event, impression, ordinal):
            return
        if related_to(event) is not None:
            impression = None
        choice = self._weighed(event, ordinal, impression, now)
        if impression is not None:
            choice = replace(choice, strength=replace(choice.strength, goal=self._grade(choice, impression, now)))
        if choice.strength.clicks > 0:
            # A client's clock may run ahead, which would let everything remembered fade at once.
            self._teach(replace(choice, event=replace(event, time=min(event.time, now))))

    def _weighed(self, event: Event, ordinal: int, impression: Impression | None, now: float) -> Choice:
        """An action as a choice, by what its actor's budget and the share of its voice leave of it."""
        weights, budget = self._settings.weights, self._state.budgets.weight(hashed(_spender(event, impression)), now)
        strength = Strength(grade=grade_of(event, weights), click=weights.click, budget=budget)
        choice = Choice(event=event, ordinal=ordinal, strength=strength, impression=impression)
        voice = choice.network or choice.actor
        if event.claimant is None or voice is None:
            return choice
        share = self._state.shares.of(voice, f"query {choice.query}", f"entity {event.object_id}", now=now)
        return replace(choice, strength=replace(strength, share=share))

    def _grade(self, choice: Choice, impression: Impression, now: float) -> float:
        """Count an action for the logged hit of its search, also of one whose own entry is yet to come; its P(goal).

        Once the search has finalized, its grades stay as they are.
        """
        interaction = (
            interaction_of(impression, choice.event, choice.strength.budget) if choice.strength.budget else None
        )
        if interaction is None:
            return 1.0
        query, state = impression.query, self._state
        search = state.open.get(query.id)
        if search is None and now <= query.time + self._settings.attribution.window:
            search = opened(query, now, self._settings)
        if search is None:
            return self._rewards.trust(impression, interaction, (interaction,))
        search = search.acted(interaction)
        if not search.finalized and choice.strength.grade:
            search = search.graded(choice.ordinal, choice.strength.outcome, due=now + self._settings.finalize_seconds)
        state.open.put(search)
        return self._rewards.trust(impression, interaction, search.interactions)

    def _teach(self, choice: Choice) -> None:
        """Memory, history and trends learn at once; an event that names no search may still say what was asked."""
        event, ordinal, strength = choice.event, choice.ordinal, choice.strength
        query, actor, now = choice.query, choice.actor, choice.event.time
        if query and ends_well(event.action, event.play_seconds, self._settings.weights):
            self._batch.play(query, ordinal, user=actor, now=now, weight=strength.belief, claim=choice.claim)
        elif query:
            self._batch.click(query, ordinal, user=actor, now=now, weight=strength.one_click, claim=choice.claim)
        if choice.impression is not None and strength.share > 0 and choice.network is None:
            self._relabel(choice, choice.impression)
            self._credit(choice, choice.impression)
        if actor:
            beside = self._ordinal_of(related_to(event))
            self._batch.choose(
                actor,
                ordinal,
                normalized=query or None,
                strength=strength.clicks,
                now=now,
                beside=beside,
                told=strength.share > 0,
            )
        if strength.told > 0:
            self._batch.trend(ordinal, strength.told, now=now)

    def _relabel(self, choice: Choice, impression: Impression) -> None:
        """The failed searches just before a success, for the same thing in other words, led here too."""
        strength, now = choice.strength, choice.event.time
        judged = self._rewards.model is not None
        succeeded = strength.goal >= BELIEVED if judged else strength.grade >= self._settings.weights.success
        if not self._settings.relabel or not succeeded:
            return
        for found in self._relabelling.of(Success(impression, choice.ordinal, strength.goal, strength.budget, now)):
            self._batch.click(found.normalized, found.ordinal, user=found.user, now=now, weight=found.weight)
            if self._sources.relabelled is not None:
                self._sources.relabelled(found)

    def _credit(self, choice: Choice, impression: Impression) -> None:
        """The meanings of the query's words that explain the choice gain weight in later readings."""
        slots = impression.query.slots
        (entity,) = self._sources.entities(np.array([choice.ordinal], np.int32)) if slots else (None,)
        for phrase, shares in credited(slots, entity).items() if entity is not None else ():
            counted = {sense: choice.strength.one_click * share for sense, share in shares.items()}
            self._batch.sense(phrase, counted, user=choice.actor, now=choice.event.time)

    def _ordinal_of(self, entity_id: str | None) -> int | None:
        if entity_id is None:
            return None
        ordinal = int(self._sources.ordinals([entity_id])[0])
        return ordinal if ordinal >= 0 else None


def opened(query: Query, now: float, settings: ApplySettings) -> OpenSearch:
    """A search at the beginning of its window."""
    closes = now + settings.attribution.window
    return OpenSearch(query_id=query.id, who=hashed(query.actor), due=closes, closes=closes)


def _borne_out(event: Event, impression: Impression | None, ordinal: int) -> bool:
    """Whether the log bears out what is claimed: an answer was given to who acts, and it held the entity.

    What was offered beside an entity was on a page that no log holds.
    """
    return impression is not None and (ordinal in impression.ordinals or related_to(event) is not None)


def _spender(event: Event, impression: Impression | None) -> str:
    """Whose budget an event spends: that of who it names, else of who made the search; of a claim, its voice's."""
    if (network := network_of(event, impression)) is not None:
        return network
    if impression is None or event.user_id or event.session_id or event.client_id:
        return actor_of(event)
    return actor_of(replace(event, user_id=impression.query.user_id, session_id=impression.query.session_id))
