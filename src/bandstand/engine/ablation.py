"""After the answer: pages with and without each expensive retriever, of a sampled share of searches, into the log."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from bandstand.bandit.context import Features
from bandstand.bandit.policy import Teacher
from bandstand.catalog.columns import Columns
from bandstand.engine.runner import Load
from bandstand.engine.search import Answer, Engine
from bandstand.errors import BandstandError, NotFound, loggable
from bandstand.feedback.ablation import SHOWN, Ablation, Played, ablation_event, choices
from bandstand.ranker.page import dedupe
from bandstand.ranker.scorers import Scorer
from bandstand.types import ArmDecision, Clock, Decision, Event, FeatureRows, Impression, Ordinals, Query, Roster
from bandstand.types.hashing import uniform

_SUFFIX = "/ablation"


def sampled(query_id: str, *, share: float, seed: int) -> bool:
    """Whether a search belongs to the ``share`` that is ablated: the same in every process and every replay."""
    return uniform(seed, "ablation", query_id) < share


def ablate(engine: Engine, query: Query, shown: Impression | None = None) -> Ablation:
    """Ask every retriever, and rank what each choice of expensive retrievers would have brought.

    Exact up to the retrievers' own state: no feature depends on which others played, and all candidates are ranked
    again, not only the logged ones. Some 30 ms: not for the time in which somebody waits.

    Args:
        engine: Answers with all retrievers; nothing is logged.
        query: What was asked.
        shown: The page that the person saw: its recordings keep the ids that they have there, since two releases of
            one recording are one hit, and either may stand for it.
    """
    answer, ranked = pages_by_choice(engine, query)
    retrievers = ablated(answer.retrieved.roster)
    named = _named(answer, answer.columns, shown)
    pages = {played: tuple(named(int(ordinal)) for ordinal in ordinals.tolist()) for played, ordinals in ranked.items()}
    context, hit_rates = seen_before(answer.impression.decision, retrievers)
    return Ablation(
        query_id=query.id,
        retrievers=retrievers,
        pages=pages,
        context=context,
        hit_rates=hit_rates,
        ranker=answer.scorer.version,
    )


def pages_by_choice(engine: Engine, query: Query) -> tuple[Answer, dict[Played, Ordinals]]:
    """The answer of all retrievers to a query, and `subset_pages` of those `ablated`; nothing is logged."""
    answer = engine.answer(replace(query, id=query.id + _SUFFIX), Teacher(), whole=True)
    whole = answer.head.whole
    rows = FeatureRows(answer.impression.rows.layout, whole.features)
    retrievers = ablated(answer.retrieved.roster)
    return answer, subset_pages(rows, retrievers, whole.ordinals, answer.columns, answer.scorer)


MOST_ABLATED = 7
"""So many expensive retrievers, the first ones, are looked at: every further one doubles the pages to be ranked."""


def ablated(roster: Roster) -> tuple[str, ...]:
    """The expensive retrievers that pages are made with and without."""
    return roster.expensive[:MOST_ABLATED]


def subset_pages(
    rows: FeatureRows, retrievers: Sequence[str], ordinals: Ordinals, columns: Columns, scorer: Scorer
) -> dict[Played, Ordinals]:
    """The first `SHOWN` ordinals, duplicates folded, of every choice of these retrievers; one call of the ranker.

    Args:
        rows: m candidates that every retriever was asked for, in the layout of the ranker.
        retrievers: The expensive ones.
        ordinals: int32 (m,).
        columns: Knows which ordinals are the same recording.
        scorer: The ranker.
    """
    able = frozenset(retriever for retriever in retrievers if not np.isnan(rows.rank(retriever)).all())
    cut = {played: without(rows, able - played) for played in choices(able)}
    kept = {played: np.flatnonzero(limited.brought()) for played, limited in cut.items()}
    scores = scorer.score(np.concatenate([limited.values[kept[played]] for played, limited in cut.items()]))
    found: dict[Played, Ordinals] = {}
    start = 0  # a retriever that found nothing changes no page, so that only the others' choices are ranked
    for played, at in kept.items():
        own, mine = ordinals[at], scores[start : start + len(at)]
        start += len(at)
        found[played] = own[dedupe(own, mine, columns.dedupe_key[own])[:SHOWN]]
    return {played: found[played & able] for played in choices(retrievers)}


def without(rows: FeatureRows, retrievers: Iterable[str]) -> FeatureRows:
    """The rows as if none of these retrievers had played."""
    for retriever in retrievers:
        rows, _ = rows.without(retriever)
    return rows


def seen_before(decision: Decision, retrievers: Sequence[str]) -> tuple[Features, Mapping[str, float]]:
    """What the first of these retrievers' decision saw, and each one's past yield."""
    decided: Mapping[str, ArmDecision] = {arm.arm: arm for arm in decision.arms if arm.arm in retrievers}
    hit_rates = {name: dict(arm.context).get("arm_yield", 0.5) for name, arm in decided.items()}
    return (decided[retrievers[0]].context if retrievers and retrievers[0] in decided else ()), hit_rates


def _named(answer: Answer, columns: Columns, shown: Impression | None) -> Callable[[int], str]:
    """Entity ids of ordinals; a recording that was shown has the id by which it was."""
    page = answer.impression if shown is None else shown
    ordinals = page.ordinals[page.ordinals < columns.n]
    by_key = dict(zip(columns.dedupe_key[ordinals].tolist(), columns.ids[ordinals].tolist(), strict=True))
    return lambda ordinal: str(by_key.get(int(columns.dedupe_key[ordinal]), columns.ids[ordinal]))


WAITING = 16
"""Sampled searches that may wait; a further one is dropped. The share is a target, the answer to somebody is not."""

PATIENCE_S = 5.0
"""How long one waits for a moment without any search before it is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where records go, and the logged searches that they are of."""

    append: Callable[[Sequence[Event]], object]
    impression: Callable[[str], Impression]


class Ablator:
    """Takes offers from searching threads and works them off in one of its own, while nobody searches.

    ``made`` and ``dropped`` count. Safe for threads; `close` waits for the one in hand and drops the rest.
    """

    def __init__(
        self,
        engine: Engine,
        records: Records,
        *,
        load: Load,
        clock: Clock,
        share: float,
        seed: int,
    ) -> None:
        self._engine, self._records = engine, records
        self._load, self._clock, self._share, self._seed = load, clock, share, seed
        self._waiting: queue.Queue[Impression | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self.made = self.dropped = 0

    def offer(self, impression: Impression) -> None:
        """Take a search that was just answered, if it is sampled and there is room; never waits."""
        if self._closed or not sampled(impression.query.id, share=self._share, seed=self._seed):
            return
        try:
            self._waiting.put_nowait(impression)
        except queue.Full:
            self.dropped += 1
            return
        self._start()

    def wait(self) -> None:
        """Return when everything that was taken is worked off."""
        self._waiting.join()

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._closed = True
        while self._thread is not None and self._thread.is_alive():
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                self._waiting.get_nowait()
                self._waiting.task_done()
            self._thread.join(timeout=0.05)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ablator", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (impression := self._waiting.get()) is not None and not self._closed:
            try:
                self._record(impression)
            except NotFound:
                pass  # deleted meanwhile, with its user: nothing of it may be written again
            except Exception as error:  # noqa: BLE001 - one that ended the thread would cost all later records
                unforeseen = None if isinstance(error, BandstandError) else error
                structlog.get_logger("ablator").error("not_recorded", reason=loggable(error), exc_info=unforeseen)
            finally:
                self._waiting.task_done()

    def _record(self, impression: Impression) -> None:
        if not self._load.until_idle(PATIENCE_S):
            self.dropped += 1
            return
        query = impression.query
        record = ablate(self._engine, query, shown=impression)
        self._records.impression(query.id)
        self._records.append([ablation_event(record, query, now=self._clock())])
        self.made += 1
