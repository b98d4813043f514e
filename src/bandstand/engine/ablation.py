"""After the answer: pages with and without each expensive retriever, of a sampled share of searches, into the log."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.policy import Teacher
from bandstand.catalog.columns import Columns
from bandstand.engine.runner import Load
from bandstand.engine.sampling import sampled
from bandstand.engine.search import Answer, Engine
from bandstand.errors import BandstandError, NotFound
from bandstand.feedback.ablation import SHOWN, Ablation, Played, ablation_event, choices
from bandstand.ranker.features import limit_arm
from bandstand.ranker.page import dedupe
from bandstand.ranker.scorers import Scorer
from bandstand.types import ArmDecision, Clock, Decision, Event, Impression, Mask, Matrix, Ordinals, Query

_SUFFIX = "/ablation"


def ablate(engine: Engine, query: Query, shown: Impression | None = None) -> Ablation:
    """Ask every arm, and rank what each choice of expensive arms would have brought.

    Exact up to the retrievers' own state: no feature depends on which other arms played, and all candidates are ranked
    again, not only the logged ones. Some 30 ms: not for the time in which somebody waits.

    Args:
        engine: Answers with all arms; nothing is logged.
        query: What was asked.
        shown: The page that the person saw: its recordings keep the ids that they have there, since two releases of
            one recording are one hit, and either may stand for it.
    """
    answer = engine.answer(replace(query, id=query.id + _SUFFIX), Teacher())
    columns, whole = answer.columns, answer.head.whole
    ranked = subset_pages(whole.features, answer.impression.feature_names, whole.ordinals, columns, answer.scorer)
    named = _named(answer, columns, shown)
    pages = {played: tuple(named(int(ordinal)) for ordinal in ordinals.tolist()) for played, ordinals in ranked.items()}
    context, hit_rates = seen_before(answer.impression.decision)
    return Ablation(
        query_id=query.id,
        arms=EXPENSIVE,
        pages=pages,
        context=context,
        hit_rates=hit_rates,
        ranker=answer.scorer.version,
    )


def subset_pages(
    features: Matrix, names: tuple[str, ...], ordinals: Ordinals, columns: Columns, scorer: Scorer
) -> dict[Played, Ordinals]:
    """The first `SHOWN` ordinals, duplicates folded, of every choice of expensive arms; one call of the ranker.

    Args:
        features: float32 (m, f) of candidates that every arm was asked for.
        names: Of the f features.
        ordinals: int32 (m,).
        columns: Knows which ordinals are the same recording.
        scorer: The ranker.
    """
    able = frozenset(arm for arm in EXPENSIVE if (features[:, names.index(f"{arm}.rr")] > 0).any())
    cut = {played: _without(features, names, played) for played in choices(able)}
    rows = {played: np.flatnonzero(kept) for played, (_, kept) in cut.items()}
    scores = scorer.score(np.concatenate([limited[rows[played]] for played, (limited, _) in cut.items()]))
    found: dict[Played, Ordinals] = {}
    start = 0  # an arm that found nothing changes no page, so that only the others' choices are ranked
    for played, at in rows.items():
        own, mine = ordinals[at], scores[start : start + len(at)]
        start += len(at)
        found[played] = own[dedupe(own, mine, columns.dedupe_key[own])[:SHOWN]]
    return {played: found[played & able] for played in choices(EXPENSIVE)}


def seen_before(decision: Decision) -> tuple[tuple[tuple[str, float], ...], Mapping[str, float]]:
    """What the first expensive arm's decision saw, and each expensive arm's past yield."""
    arms: Mapping[str, ArmDecision] = {arm.arm: arm for arm in decision.arms if arm.arm in EXPENSIVE}
    hit_rates = {name: dict(arm.context).get("arm_yield", 0.5) for name, arm in arms.items()}
    return (arms[EXPENSIVE[0]].context if EXPENSIVE[0] in arms else ()), hit_rates


def _without(features: Matrix, names: tuple[str, ...], played: Played) -> tuple[Matrix, Mask]:
    kept: NDArray[np.bool_] = np.ones(len(features), np.bool_)
    for arm in EXPENSIVE:
        if arm not in played:
            features, kept = limit_arm(features, names, arm)
    return features, kept


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
                structlog.get_logger("ablator").error("not_recorded", reason=str(error), exc_info=unforeseen)
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
