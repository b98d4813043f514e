"""The home that a replay searches: the platform's own, by the stream's clock, independent of the machine."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from bandstand.app.encoders import prepare_encoder
from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.app.training import TrainingPlan, new_models, self_play
from bandstand.bandit.policy import Policy
from bandstand.catalog.readers.base import Rejected
from bandstand.engine.request import SearchRequest
from bandstand.engine.runner import InlineRunner
from bandstand.engine.search import Answer
from bandstand.errors import BadInput, NotFound
from bandstand.feedback.reduced import reduced
from bandstand.feedback.rewards import RateGuard, actor_of
from bandstand.learner.selfplay import Curriculum
from bandstand.learner.train_ranker import TrainingReport
from bandstand.ranker.train import TrainSettings
from bandstand.replay.contestants import Contestant
from bandstand.replay.query_vectors import PreparedEncoder, QueryVectors
from bandstand.replay.stream import Ask, Judge
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder_registry import NO_COPY, link_encoders
from bandstand.settings import Settings
from bandstand.types import Entity, Event, Impression


class VirtualClock:
    """Seconds since 1970 of the stream that is played."""

    def __init__(self, start: float) -> None:
        self._now = start

    def __call__(self) -> float:
        """The moment that it is."""
        return self._now

    def move_to(self, now: float) -> None:
        """Let time pass until ``now``; a moment that has passed already changes nothing."""
        self._now = max(self._now, now)

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """For a block, the time of ``moment``: what happened then is written down later."""
        now, self._now = self._now, moment
        try:
            yield
        finally:
            self._now = now


_AT_ONCE = int(RateGuard().burst) // 2

UNBIASED = TrainSettings(
    trees=160,
    learning_rate=0.07,
    min_rows_a_leaf=200,
    l2=5.0,
    held_out=0.0,
    masked=0.0,
    position_bias_regularization=1e6,
)
"""For answers that were not chosen from a page: where a hit stood says nothing about why it was chosen. They are rare
among what is judged, so that a tree must not trust a few rows; and of which retrievers did not play the log is full."""


class ReplayEnvironment(AbstractContextManager["ReplayEnvironment"]):
    """One home folder, searched and taught by the clock of a stream, with one encoder for both sides.

    ``vectors`` are of queries that will be asked; ``wrap`` puts something of a test's own around the retrievers. For
    ``durable`` see `Options`.

    Raises:
        Conflict: somebody else writes to the home.
        StorageError, ModelError: a part cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        clock: VirtualClock,
        *,
        vectors: QueryVectors | None = None,
        wrap: Callable[[Mapping[str, Retriever]], Mapping[str, Retriever]] = dict,
        durable: bool = False,
    ) -> None:
        self.settings, self.clock = settings, clock
        self._next_id = ""
        self._asked: dict[str, float] = {}
        self._examples: tuple[int, Curriculum] | None = None
        options = Options(
            clock=clock,
            new_id=lambda: self._next_id,
            durable=durable,
            encoder=PreparedEncoder(prepare_encoder(settings), vectors),
            # One after another in the caller's thread: no deadline can make an answer another one.
            runner=lambda retrievers, _: InlineRunner(wrap(retrievers)),
        )
        self._platform = Platform(settings, options)
        self._platform.learning.prepare()
        self.storage, self.learning_side = self._platform.storage, self._platform.learning
        self.home = self._platform.searching

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close everything."""
        self._platform.close()

    def answer(self, contestant: Contestant, request: SearchRequest, *, query_id: str) -> Answer:
        """Answer a search under a policy; decisions depend on its id, so that a replay decides alike every time.

        Every candidate is ranked: figures look deeper than pages, and candidates are ranked again as others would.
        """
        return self.answer_by(contestant.policy(self.home.engine.policy), request, query_id=query_id)

    def answer_by(self, policy: Policy, request: SearchRequest, *, query_id: str) -> Answer:
        """The same under a policy at hand."""
        self._next_id = query_id
        engine = self.home.engine
        return engine.answer(engine.query(request), policy, whole=True)

    def judge(self, ask: Ask) -> Judge:
        """The judgements of a search, by what is in the catalogue now."""
        return Judge(ask, self.home.catalog.columns, self.storage.store.ordinals)

    def release(self, entities: Iterable[Entity]) -> int:
        """Let entities into the catalogue and make them searchable; returns how many changed."""
        changed = self.storage.store.upsert(entities)
        if changed:
            self.learning_side.index()
            self.home.refresh()
        return changed

    def log(self, searches: Sequence[Impression], events: Sequence[Event]) -> int:
        """Log searches and what was done, both in time order, each as of its own time; on disk on return.

        Returns how many events were not in the log before.
        """
        accepted = 0
        log, window = self.storage.log, self.settings.join_minutes * 60
        self._asked |= {search.query.id: search.query.time for search in searches}
        closes = {event.query_id: self._asked_at(event.query_id) + window for event in events if event.query_id}
        for some, done in _blocks(searches, events, closes, window=window):
            for search in some:
                with self.clock.at(search.query.time):
                    log.append_impression(reduced(search))
            for batch in _batches(done):
                with self.clock.at(batch[-1].time):
                    accepted += log.append_events(batch).accepted
        log.flush()
        self._asked = {query: asked for query, asked in self._asked.items() if asked + window > self.clock()}
        return accepted

    def _asked_at(self, query_id: str) -> float:
        """When a search was asked; those of an earlier run are in the log."""
        if query_id not in self._asked:
            try:
                self._asked[query_id] = self.storage.log.impression(query_id).query.time
            except NotFound:
                self._asked[query_id] = float("-inf")
        return self._asked[query_id]

    def learn(self) -> int:
        """Learn all that the log holds, let what is due be finalized, and search with it from now on."""
        self.storage.log.deliver()
        learned = self.learning_side.learner.catch_up()
        self.home.refresh()
        return learned

    def play_examples(self) -> None:
        """Train ranker and bandit on self-play, as `bandstand index` does before any click."""
        if self.settings.selfplay_queries:
            self.learning_side.train(self.home)
            self.home.refresh()

    def train(self, *, at_most: int, judged_deep: bool) -> TrainingReport | None:
        """Train the ranker on the latest searches of the log; None where none of them satisfied anybody."""
        plan = TrainingPlan(
            newest=at_most,
            judged=judged_deep,
            settings=UNBIASED if judged_deep else TrainSettings(),
            curriculum=self._curriculum,
        )
        try:
            return new_models(self.storage, self.home, plan)[0]
        except BadInput:
            return None

    def _curriculum(self) -> Curriculum:
        """Self-play's examples, made once for each state of the catalogue: they are what is right without any click."""
        if not self.settings.selfplay_queries:
            return Curriculum()
        seq = self.home.catalog.seq
        if self._examples is None or self._examples[0] != seq:
            self._examples = seq, self_play(self.storage, self.home)
        return self._examples[1]


def _blocks(
    searches: Sequence[Impression], events: Sequence[Event], closes: Mapping[str, float], *, window: float
) -> Iterator[tuple[list[Impression], list[Event]]]:
    """Stretches of time, in each the searches before what was done: one commit a stretch instead of one a click.

    None is as long as half the window within which clicks count, or goes on until a search whose clicks it holds
    ``closes`` (by query id): no search falls due before its own clicks are in the log.
    """
    timed: list[tuple[float, Impression | Event]] = [(search.query.time, search) for search in searches]
    timed += [(event.time, event) for event in events]
    some, done, until = list[Impression](), list[Event](), float("-inf")
    for time, record in sorted(timed, key=itemgetter(0)):
        if time >= until:
            if some or done:
                yield some, done
            some, done, until = [], [], time + window / 2
        if isinstance(record, Impression):
            some.append(record)
        else:
            done.append(record)
            close = closes.get(record.query_id or "", until)
            until = min(until, close) if close > time else until
    yield some, done


def _batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Nobody gets more than `_AT_ONCE` events as of one moment: more would look like a bot's to the learner."""
    batch: list[Event] = []
    by_actor = Counter[str]()
    for event in events:
        batch.append(event)
        actor = actor_of(event)
        by_actor[actor] += 1
        if by_actor[actor] >= _AT_ONCE:
            yield batch
            batch, by_actor = [], Counter()
    if batch:
        yield batch


def fill(
    environment: ReplayEnvironment, catalog: Iterable[Entity | Rejected], rejected: Callable[[Rejected], None]
) -> int:
    """Ingest and index a catalogue; returns how many entities there are.

    Raises:
        BadInput: not one row could be used.
    """

    def usable() -> Iterable[Entity]:
        for row in catalog:
            if isinstance(row, Rejected):
                rejected(row)
            else:
                yield row

    environment.release(usable())
    if not (count := environment.storage.store.count()):
        raise BadInput("the data set has no catalogue: not one entity could be read")
    return count


def copy_home(source: Path, target: Path) -> None:
    """A copy that may learn for itself; it shares the encoders."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NO_COPY, "*.lock", "*.mdb-lock", "lock.mdb"))
    link_encoders(source, target)
