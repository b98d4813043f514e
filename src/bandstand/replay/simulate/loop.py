"""The loop: one policy serves, listeners do what they do, retrievers may break, and the platform learns from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np

from bandstand.engine.request import SearchRequest
from bandstand.engine.search import Answer
from bandstand.learner.relabelling import Relabelled
from bandstand.replay.contestants import Contestant
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.replayer import compared
from bandstand.replay.rows import Row, RowFile
from bandstand.replay.simulate.costs import with_modelled_times
from bandstand.replay.simulate.experiments import Drift, SimulateSettings
from bandstand.replay.simulate.listener import RETRY_AFTER_S, Script, pick, visit
from bandstand.replay.simulate.tally import Line, audited, line_of, row_of
from bandstand.replay.simulate.world import Need, World
from bandstand.replay.stream import Answer as Wanted
from bandstand.replay.stream import Ask, Judge
from bandstand.retrievers.base import Retriever
from bandstand.types import Candidates, Event, Impression, Ordinals, Query


class FaultyRetriever(Retriever):
    """Another retriever, until it is ``broken``: from then on the right number of the wrong entities."""

    def __init__(self, inner: Retriever) -> None:
        self._inner = inner
        self.spec = inner.spec
        self.broken = False

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; every ordinal is moved on by a number that the query gives."""
        found = self._inner.retrieve(query, depth)
        if not self.broken or not len(found):
            return found
        largest = int(found.ordinals.max()) + 1
        moved = (found.ordinals + crc32(query.normalized.encode("utf-8", "replace")) % largest) % largest
        return Candidates(retriever=self.name, ordinals=moved.astype(np.int32), scores=found.scores)


class Faults:
    """Retrievers that can be broken one by one: what a `ReplayEnvironment` is to ``wrap`` its own with."""

    def __init__(self) -> None:
        self._faulty: dict[str, FaultyRetriever] = {}

    def __call__(self, retrievers: Mapping[str, Retriever]) -> Mapping[str, Retriever]:
        """The same retrievers, each of which may break."""
        self._faulty = {name: FaultyRetriever(each) for name, each in retrievers.items()}
        return dict(self._faulty)

    def break_down(self, arm: str) -> None:
        """From now on a retriever answers with nonsense."""
        self._faulty[arm].broken = True


SearchesProgress = Callable[[int], None]
"""Progress: how many searches were made."""

Watch = Callable[[int, Answer, Judge, Need], None]
"""Sees every first search of a session, before anything is learned from it: number, answer, what is right, the wish."""


class Loop:
    """One policy in one world. `play` it once, from the first search to the last."""

    def __init__(
        self,
        environment: ReplayEnvironment,
        world: World,
        contestant: Contestant,
        settings: SimulateSettings,
        *,
        watch: Watch = lambda *_: None,
        faults: Faults | None = None,
    ) -> None:
        self._environment, self._world, self._contestant, self._settings = environment, world, contestant, settings
        self._watch, self._faults = watch, faults
        self._searches: list[Impression] = []
        self._events: list[Event] = []
        self._known: dict[str, int] = {}
        self._length = settings.searches_of(world.experiment)
        self._relabels = np.zeros(self._length)
        environment.learning_side.learner.tell_relabelled(self._relabelled)

    def play(self, rows: RowFile, progress: SearchesProgress) -> list[Line]:
        """Make every search of the world, or as many as the settings allow; what came of each.

        The rows are those that every replay writes.
        """
        experiment, settings = self._world.experiment, self._settings
        lines = []
        for number in range(self._length):
            self._environment.clock.move_to(settings.start + number * experiment.gap_s)
            if experiment.drift is not None and number == experiment.changes_at:
                self._learn()
                self._change(experiment.drift)
            if number and number % settings.retrain_every == 0:
                self._learn()
                self._environment.train(at_most=settings.train_searches, judged_deep=False)
            row, line = self._session(number)
            rows.append(row)
            lines.append(line)
            if (number + 1) % settings.learn_every == 0:
                self._learn()
                progress(number + 1)
        self._learn()
        return [replace(line, relabelled=relabel) for line, relabel in zip(lines, self._relabels.tolist(), strict=True)]

    def _relabelled(self, found: Relabelled) -> None:
        """A search that failed was credited with an entity: its weight, below 0 where nobody wanted that."""
        number = int(found.query_id.rstrip("b"))
        if found.query_id.endswith("b"):  # a second try has no line of its own
            return
        wanted = self._ordinals(self._world.need(number).wanted)
        keys = self._environment.home.catalog.columns.dedupe_key
        right = keys[found.ordinal] in keys[wanted[wanted >= 0]]
        self._relabels[number] = found.weight if right else -found.weight

    def _session(self, number: int) -> tuple[Row, Line]:
        """One listener's wish: a search, what is done with it, and perhaps a second try."""
        script = Script.of(self._world, number, seed=self._settings.seed)
        need, session, listeners = script.need, f"s{number}", self._world.experiment.listeners
        answer = self._search(f"{number}", need.text, session=session, user=script.user)
        judge = self._judge(answer, need)
        right = judge.right(answer.impression.ordinals)
        self._watch(number, answer, judge, need)
        self._events.extend(compared(self._environment, self._contestant, answer))
        done = visit(listeners, answer.impression, right, self._world.baits, script.draws)
        self._log(answer.impression, done.events)
        row = row_of(answer, need, judge, self._labels(number, need))
        audit = audited(self._environment, answer, row, judge) if number % self._settings.audit_every == 0 else None
        retried = script.again is not None and not done.satisfied
        if script.again is not None and retried:
            self._environment.clock.move_to(answer.query.time + RETRY_AFTER_S)
            again = self._search(f"{number}b", script.again.text, session=session, user=script.user)
            wanted = self._judge(again, script.again).right(again.impression.ordinals)
            self._log(again.impression, pick(again.impression, wanted).events)
        line = line_of(answer, need, row, audit=audit, retried=retried)
        return row, replace(line, satisfied=done.satisfied)

    def _search(self, query_id: str, text: str, *, session: str, user: str | None) -> Answer:
        engine = self._environment.home.engine
        self._environment.name_next(query_id)
        request = SearchRequest(query=text, k=self._settings.page, user_id=user, session_id=session)
        return engine.answer(engine.query(request), self._contestant.policy(engine.policy))

    def _log(self, impression: Impression, events: tuple[Event, ...]) -> None:
        self._searches.append(with_modelled_times(impression))
        self._events.extend(events)

    def _learn(self) -> None:
        """Everything that was done so far, visible to the next search."""
        self._environment.log(self._searches, self._events)
        self._searches, self._events = [], []
        self._environment.learn()

    def _change(self, drift: Drift) -> None:
        if drift.releases:
            self._environment.release(self._world.held_back)
        if drift.broken is not None and self._faults is not None:
            self._faults.break_down(drift.broken)

    def _judge(self, answer: Answer, need: Need) -> Judge:
        """What would do: any release of a wanted recording."""
        query = answer.query
        answers = tuple(Wanted(track, 1, query.time) for track in need.wanted)
        ask = Ask(id=query.id, time=query.time, text=query.text, answers=answers)
        return Judge(ask, self._environment.home.catalog.columns, self._ordinals)

    def _ordinals(self, entity_ids: Sequence[str]) -> Ordinals:
        """Ordinals of entity ids, -1 for those that are not released yet; an ordinal is for life."""
        if unknown := [entity_id for entity_id in entity_ids if entity_id not in self._known]:
            found = self._environment.storage.store.ordinals(unknown).tolist()
            self._known |= {entity_id: at for entity_id, at in zip(unknown, found, strict=True) if at >= 0}
        return np.array([self._known.get(entity_id, -1) for entity_id in entity_ids], np.int32)

    def _labels(self, number: int, need: Need) -> dict[str, str]:
        """The segments that a search belongs to."""
        window = self._settings.window
        stretch = "last" if number >= self._length - window else "before"
        return {"class": need.query_class, f"last {window} searches": stretch}
