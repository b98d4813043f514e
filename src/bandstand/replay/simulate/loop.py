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
from bandstand.replay.recorder import row_of
from bandstand.replay.replayer import compared
from bandstand.replay.rows import Extra, Row
from bandstand.replay.simulate.costs import audited, exploring_ms, played, price, with_modelled_times
from bandstand.replay.simulate.experiments import Drift, SimulateSettings
from bandstand.replay.simulate.listener import RETRY_AFTER_S, Script, pick, visit
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

    def break_down(self, retriever: str) -> None:
        """From now on a retriever answers with nonsense."""
        self._faulty[retriever].broken = True


SearchesProgress = Callable[[int], None]
"""Progress: how many searches were made."""


class Loop:
    """One policy in one world. `play` it once, from the first search to the last."""

    def __init__(
        self,
        environment: ReplayEnvironment,
        world: World,
        contestant: Contestant,
        settings: SimulateSettings,
        *,
        look: Callable[[ReplayEnvironment, Answer, Judge], Extra] = lambda *_: {},
        faults: Faults | None = None,
    ) -> None:
        self._environment, self._world, self._contestant, self._settings = environment, world, contestant, settings
        self._look, self._faults = look, faults
        self._searches: list[Impression] = []
        self._events: list[Event] = []
        self._known: dict[str, int] = {}
        self._length = settings.searches_of(world.experiment)
        self._relabels = np.zeros(self._length)
        environment.learning_side.learner.tell_relabelled(self._relabelled)

    def play(self, progress: SearchesProgress) -> list[Row]:
        """Make every search of the world, or as many as the settings allow; the rows of the first of each session."""
        experiment, settings = self._world.experiment, self._settings
        rows = []
        for number in range(self._length):
            self._environment.clock.move_to(settings.start + number * experiment.gap_s)
            if experiment.drift is not None and number == experiment.changes_at:
                self._learn()
                self._change(experiment.drift)
            if number and number % settings.retrain_every == 0:
                self._learn()
                self._environment.train(at_most=settings.train_searches, judged_deep=False)
            rows.append(self._session(number))
            if (number + 1) % settings.learn_every == 0:
                self._learn()
                progress(number + 1)
        self._learn()
        return [
            replace(row, extra={**row.extra, "relabelled": weight})
            for row, weight in zip(rows, self._relabels.tolist(), strict=True)
        ]

    def _relabelled(self, found: Relabelled) -> None:
        """A search that failed was credited with an entity: its weight, below 0 where nobody wanted that."""
        number = int(found.query_id.rstrip("b"))
        if found.query_id.endswith("b"):  # a second try has no line of its own
            return
        wanted = self._ordinals(self._world.need(number).wanted)
        keys = self._environment.home.catalog.columns.dedupe_key
        right = keys[found.ordinal] in keys[wanted[wanted >= 0]]
        self._relabels[number] = found.weight if right else -found.weight

    def _session(self, number: int) -> Row:
        """One listener's wish: a search, what is done with it, and perhaps a second try."""
        script = Script.of(self._world, number, seed=self._settings.seed)
        need, listeners, baits = script.need, self._world.experiment.listeners, self._world.baits
        answer = self._search(f"{number}", need.text, session=f"s{number}", user=script.user)
        ask, judge = self._judged(answer, need)
        looked = self._look(self._environment, answer, judge)
        self._events.extend(compared(self._environment, self._contestant, answer))
        done = visit(listeners, answer.impression, judge.right(answer.impression.ordinals), baits, script.draws)
        self._log(answer.impression, done.events)
        cost = sum(price(played(answer.impression)).values())
        row = row_of(ask, answer, judge, self._labels(number, need), cost_ms=cost, extra=looked)
        audit = audited(self._environment, answer, row, judge) if number % self._settings.audit_every == 0 else {}
        retried = script.again is not None and not done.satisfied
        if script.again is not None and retried:
            self._try_again(number, script.again, after=answer, user=script.user)
        own: Extra = {
            "key": need.key,
            "search_ms": answer.impression.took_ms,
            "exploring_ms": exploring_ms(answer.impression.decision),
            "retried": float(retried),
            "satisfied": float(done.satisfied),
        }
        return replace(row, extra={**row.extra, **own, **audit})

    def _try_again(self, number: int, need: Need, *, after: Answer, user: str | None) -> None:
        """The second search of a session, by who knows what the wish is called."""
        self._environment.clock.move_to(after.query.time + RETRY_AFTER_S)
        again = self._search(f"{number}b", need.text, session=f"s{number}", user=user)
        _, judge = self._judged(again, need)
        self._log(again.impression, pick(again.impression, judge.right(again.impression.ordinals)).events)

    def _search(self, query_id: str, text: str, *, session: str, user: str | None) -> Answer:
        request = SearchRequest(query=text, k=self._settings.page, user_id=user, session_id=session)
        return self._environment.answer(self._contestant, request, query_id=query_id)

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

    def _judged(self, answer: Answer, need: Need) -> tuple[Ask, Judge]:
        """The search with what would do: any release of a wanted recording."""
        query = answer.query
        ask = Ask(
            id=query.id,
            time=query.time,
            text=query.text,
            user=query.user_id,
            session=query.session_id,
            answers=tuple(Wanted(track, 1, query.time) for track in need.wanted),
        )
        return ask, Judge(ask, answer.columns, self._ordinals)

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
