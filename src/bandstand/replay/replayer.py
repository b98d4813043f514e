"""Plays a stream in an environment: every search is answered before anything that came after it is learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import gmtime
from zlib import crc32

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.engine.ablation import ablate, sampled
from bandstand.engine.request import SearchRequest
from bandstand.engine.search import Answer
from bandstand.errors import RetrievalError
from bandstand.feedback.ablation import ablation_event
from bandstand.ranker.page import Rows, dedupe
from bandstand.replay.contestants import Contestant
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stream import Ask, Behaviour, Moment, Release
from bandstand.types import LOGGED_DEPTH, Event, Impression, Ordinals, Roster


@dataclass(frozen=True, slots=True)
class Depth:
    """How many hits of the head, and how many of the rest, a judged search is learned from."""

    head: int = 60
    sampled: int = 100


def whole_ranking(answer: Answer, columns: Columns) -> Rows:
    """Rows of ``answer.head.whole``, best first, duplicates folded: the ranking that the logged head is the top of."""
    whole = answer.head.whole
    return dedupe(whole.ordinals, whole.scores, columns.dedupe_key[whole.ordinals])


def ranking_to(answer: Answer, columns: Columns, depth: int) -> Ordinals:
    """The ranking down to ``depth``, which may be deeper than what is logged."""
    if depth <= LOGGED_DEPTH:
        return answer.impression.ordinals[:depth]
    return answer.head.whole.ordinals[whole_ranking(answer, columns)[:depth]]


def judged(answer: Answer, columns: Columns, right: Ordinals, depth: Depth = Depth()) -> Impression:
    """The impression with other rows: the head, all that is ``right`` (ordinals) wherever it stands, and some others.

    Where people chose from the world and not from a page, every candidate is judged. A ranker that only saw the head
    would not know why the rest is not there (Yilmaz & Robertson 2009: what is sampled deep makes the better training
    set). The sample depends on the search alone. Nobody has seen any of it: the page begins below.
    """
    whole, rows = answer.head.whole, whole_ranking(answer, columns)
    kept = np.zeros(len(rows), np.bool_)
    kept[: depth.head] = True
    kept |= np.isin(columns.dedupe_key[whole.ordinals[rows]], columns.dedupe_key[right])
    rest = np.flatnonzero(~kept)
    rng = np.random.default_rng(crc32(answer.query.id.encode("utf-8", "replace")))
    kept[rng.permutation(rest)[: depth.sampled]] = True
    rows = rows[kept]
    ordinals = whole.ordinals[rows]
    return replace(
        answer.impression,
        query=replace(answer.query, offset=len(rows)),
        entity_ids=tuple(columns.ids[ordinals].tolist()),
        ordinals=ordinals,
        scores=whole.scores[rows],
        features=whole.features[rows],
        shown=0,
    )


def compared(environment: ReplayEnvironment, contestant: Contestant, answer: Answer) -> tuple[Event, ...]:
    """The record of a search, as of its own time; none where it is not sampled, or where no policy learns from it."""
    platform, home, query = environment.settings, environment.home, answer.query
    if contestant.retrievers is not None or not sampled(query.id, share=platform.ablation_share, seed=platform.seed):
        return ()
    record = ablate(home.engine, query, shown=answer.impression)
    return (ablation_event(record, query, now=query.time),)


_MUCH_MORE = 3.0


@dataclass(frozen=True, slots=True)
class Played:
    """A search that was answered, and what was known of its query and its user when it came."""

    ask: Ask
    answer: Answer
    seen_query: bool
    seen_user: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a replay has come: ``moments`` of the stream taken, ``events`` logged, the clock, the last month met.

    ``trained_on`` is how many searches the ranker was last trained on.
    """

    moments: int = 0
    events: int = 0
    clock: float = 0.0
    trained: str = ""
    trained_on: int = 0


class Replayer:
    """One policy on one stage. Give it the moments of a stream in order with `take`, then `finish`.

    What is answered and done is held back until it is learned, all at once: ``checkpoint`` is called with the position
    when it is in the log and nothing of it has been learned yet. A run that is cut off anywhere goes on from its last
    checkpoint as if nothing had happened: `recall` the moments before it, then `resume`.
    """

    def __init__(
        self,
        environment: ReplayEnvironment,
        contestant: Contestant,
        settings: ReplaySettings,
        *,
        start: Position = Position(),
        checkpoint: Callable[[Position], None] = lambda _: None,
    ) -> None:
        self._environment, self._contestant, self._settings = environment, contestant, settings
        self._checkpoint, self._moments, self._month = checkpoint, start.moments, start.trained
        self._trained_on = start.trained_on
        self._behaviour = Behaviour()
        self._searches: list[Impression] = []
        self._events: list[Event] = []
        self._start = start

    def recall(self, moment: Moment) -> None:
        """A moment that was taken before the checkpoint: only what it still leads to is taken up."""
        self._behaviour.skip(self._start.events, until=moment.time)
        self._behaviour.expect(moment)

    def resume(self) -> None:
        """Learn what was logged before the checkpoint."""
        self._behaviour.skip(self._start.events)
        self._environment.clock.move_to(self._start.clock)
        self._environment.learn()

    def take(self, moment: Moment, watch: Callable[[Played], None]) -> None:
        """The next moment; ``watch`` sees what a search was answered, before anything is learned from it.

        Raises:
            RetrievalError: a retriever failed.
        """
        self._let_pass(moment.time)
        if isinstance(moment, Release):
            self.catch_up()
            self._environment.release(moment.entities)
        elif isinstance(moment, Ask):
            self._prepare(moment)
            watch(self._answer(moment))
        self._behaviour.expect(moment)
        self._moments += 1

    def catch_up(self) -> None:
        """Log what was held back, and learn it."""
        self._environment.log(self._searches, self._events)
        self._searches, self._events = [], []
        position = Position(
            moments=self._moments,
            events=self._behaviour.come,
            clock=self._environment.clock(),
            trained=self._month,
            trained_on=self._trained_on,
        )
        self._checkpoint(position)
        self._environment.learn()

    def finish(self) -> None:
        """Learn from what comes after the last moment."""
        self._let_pass(float("inf"))
        self.catch_up()

    def _let_pass(self, time: float) -> None:
        """What was done until now, in order."""
        for event in self._behaviour.until(time):
            self._environment.clock.move_to(event.time)
            self._events.append(event)
            if self._held >= self._settings.learn_every:
                self.catch_up()
        if time < float("inf"):
            self._environment.clock.move_to(time)

    @property
    def _held(self) -> int:
        return len(self._searches) + len(self._events)

    def _prepare(self, ask: Ask) -> None:
        settings = self._settings
        held = [search.query.time for search in self._searches[:1]] + [event.time for event in self._events[:1]]
        if self._held >= settings.learn_every or (held and min(held) < ask.time - settings.learn_after):
            self.catch_up()
        year, number = gmtime(ask.time)[:2]
        month = f"{year}-{number:02}"
        if settings.retrain and self._month and month != self._month:
            self.catch_up()
            self._train(counted=ask.counted)
        self._month = month

    def _train(self, *, counted: bool) -> None:
        """A new ranker; before anything is counted, only where there is much more to learn from than last time."""
        searches = self._environment.storage.log.count("impression")
        if counted or searches >= _MUCH_MORE * self._trained_on:
            self._trained_on = searches
            self._environment.train(at_most=self._settings.train_searches, judged_deep=self._settings.judged_deep)

    def _answer(self, ask: Ask) -> Played:
        request = SearchRequest(query=ask.text, k=self._settings.page, user_id=ask.user, session_id=ask.session)
        answer = self._environment.answer(self._contestant, request, query_id=ask.id)
        _check_arms(ask, answer)
        impression = self._judged(ask, answer) if self._settings.judged_deep else answer.impression
        self._searches.append(with_modelled_cost(impression, self._environment.home.features.roster))
        self._events.extend(compared(self._environment, self._contestant, answer))
        return Played(ask, answer, *self._behaviour.knows(ask))

    def _judged(self, ask: Ask, answer: Answer) -> Impression:
        columns = self._environment.home.catalog.columns
        places = self._environment.storage.store.ordinals([each.entity_id for each in ask.answers])
        return judged(answer, columns, places[(places >= 0) & (places < columns.n)])


def _check_arms(ask: Ask, answer: Answer) -> None:
    """A page that lacks a retriever is fit to serve, but its figures would be those of another policy."""
    failed = [outcome.retriever for outcome in answer.impression.outcomes if outcome.status == "failed"]
    if failed:
        raise RetrievalError(
            f"{', '.join(failed)} failed in search {ask.id!r}, and figures without would be of another policy: see the "
            "log for the reason, mend it, and run the same command again to go on from here"
        )


def with_modelled_cost(impression: Impression, roster: Roster) -> Impression:
    """The impression with modelled times for measured ones: what is learned must not depend on the machine's mood."""
    depths = {decision.arm: decision.depth for decision in impression.decision.arms}
    outcomes = tuple(
        replace(
            outcome,
            took_ms=0.0
            if outcome.status == "skipped"
            else roster.modelled_cost(outcome.retriever, depths[outcome.retriever] or 1),
        )
        for outcome in impression.outcomes
    )
    return replace(impression, outcomes=outcomes)
