"""Which expensive retriever was useful: pages with and without it, labels made of them, the gate's training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bandstand.bandit.context import P_USEFUL
from bandstand.bandit.gate import FEWEST
from bandstand.bandit.gate_training import TrainedGate, UsefulLabel, train_gate
from bandstand.catalog.columns import Columns
from bandstand.catalog.conditions import allowed
from bandstand.engine.ablation import ablated, sampled, seen_before, subset_pages
from bandstand.errors import BadInput
from bandstand.feedback.ablation import ABLATION, Ablation, Played, Verdict, ablation_event, ablation_of, ladder
from bandstand.feedback.codec import decode_event, encode_event
from bandstand.feedback.joined import Joined, joined
from bandstand.feedback.labelled import labelled
from bandstand.feedback.log import Log
from bandstand.learner.open_searches import KeyValue, OpenSearches
from bandstand.learner.selfplay import SyntheticExample
from bandstand.models.registry import ModelCard, ModelRegistry, publish_next
from bandstand.ranker.scorers import Scorer
from bandstand.types import Event, FeatureRows, Impression, Query, Roster

_PREFIX = b"ablation/"


class Recorded:
    """The records of searches that have not finalized; one that comes later teaches the bandit nothing more."""

    def __init__(self, state: KeyValue, searches: OpenSearches) -> None:
        self._state = state
        self._open = searches

    def keep(self, event: Event) -> bool:
        """Whether an event is a record; it is kept if its search is open."""
        if event.action != ABLATION or event.query_id is None:
            return False
        search = self._open.get(event.query_id)
        if search is not None and not search.finalized:
            # Who searched is not kept: freed pages of the state may hold what was deleted.
            nobodys = replace(event, user_id=None, session_id=None, client_id=None)
            self._state.put(_key(event.query_id), encode_event(nobodys))
        return True

    def take(self, query_id: str) -> Ablation | None:
        """The record of a search that is finalized, or is forgotten: it is not kept any longer."""
        raw = self._state.get(_key(query_id))
        if raw is None:
            return None
        self._state.delete(_key(query_id))
        return ablation_of(decode_event(raw))


def _key(query_id: str) -> bytes:
    return _PREFIX + query_id.encode()


SYNTHETIC_WEIGHT = 0.5
"""What a synthetic example's label counts beside 1 for one of a real search, once there are enough of these."""


def log_labels(searches: Iterable[Joined], roster: Roster) -> Iterator[UsefulLabel]:
    """`labelled` searches as training labels, of the retrievers that were and are expensive."""
    for search in labelled(searches):
        record = search.ablation
        verdicts = search.verdicts(tuple(name for name in record.retrievers if name in roster.expensive))
        yield _label(record.context, record.hit_rates, verdicts, search.query.normalized, search.weight)


def synthetic_labels(
    examples: Iterable[SyntheticExample], columns: Columns, scorer: Scorer, roster: Roster
) -> list[UsefulLabel]:
    """Labels before any traffic: posed queries whose right answer is known, one for each synthetic example.

    The logged head stands for the whole ranking: what would have moved up from below it is not seen.
    """
    found, retrievers = [], ablated(roster)
    for example in examples:
        impression = example.impression
        rows = FeatureRows(scorer.layout, impression.rows.aligned(scorer.layout))
        pages = subset_pages(rows, retrievers, impression.ordinals, columns, scorer)
        wanted = set(impression.ordinals[example.grades == example.grades.max()].tolist())

        def rank(played: Played, pages: Mapping[Played, object] = pages, wanted: set[int] = wanted) -> int:
            hits = np.asarray(pages[played]).tolist()
            return next((place for place, hit in enumerate(hits, start=1) if hit in wanted), 0)

        context, hit_rates = seen_before(impression.decision, retrievers)
        verdicts = ladder(retrievers, rank)
        found.append(_label(context, hit_rates, verdicts, impression.query.normalized, SYNTHETIC_WEIGHT))
    return found


def with_estimates(examples: Sequence[SyntheticExample], trained: TrainedGate) -> Iterator[SyntheticExample]:
    """The examples as the bandit would have met them with estimates: of models that did not see that example.

    ``trained`` must have been trained on the synthetic examples' labels first, in their order.
    """
    for example, estimates in zip(examples, trained.held_out.tolist(), strict=False):
        p_useful = dict(zip(trained.arms, estimates, strict=True))
        decision = example.impression.decision
        arms = tuple(
            replace(
                arm,
                context=tuple(
                    (name, p_useful.get(arm.arm, 0.0) if name == P_USEFUL else value) for name, value in arm.context
                ),
            )
            for arm in decision.arms
        )
        yield replace(example, impression=replace(example.impression, decision=replace(decision, arms=arms)))


def gate_from_log(
    models: ModelRegistry,
    sampled: Sequence[UsefulLabel],
    logged: Sequence[UsefulLabel],
    roster: Roster,
    *,
    seed: int,
    keep: int,
) -> TrainedGate | None:
    """Train on synthetic examples and the log's labels, publish, promote unless pinned; None: there is too little."""
    if len(logged) < FEWEST:
        sampled = [replace(label, weight=1.0) for label in sampled]
    try:
        trained = train_gate([*sampled, *logged], roster, seed=seed)
    except BadInput:
        return None
    card = ModelCard(metrics={**trained.metrics, "logged": float(len(logged))})
    publish_next(models, "abstention", trained.files(), card, keep=keep)
    return trained


def _label(
    context: tuple[tuple[str, float], ...],
    hit_rates: Mapping[str, float],
    verdicts: Mapping[str, Verdict],
    group: str,
    weight: float,
) -> UsefulLabel:
    return UsefulLabel(
        context=context,
        hit_rates=dict(hit_rates),
        useful={retriever: verdict.useful for retriever, verdict in verdicts.items()},
        gains={retriever: verdict.gain for retriever, verdict in verdicts.items()},
        group=group,
        weight=weight,
    )


_AT_ONCE = 50


def ablate_log(
    log: Log,
    columns: Columns,
    record: Callable[[Query, Impression], Ablation],
    *,
    window: float,
    share: float,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Record a ``share`` of the logged searches that have no record yet; returns how many were recorded.

    The records bear their searches' times. The pages are those of today's memory, catalogue and models, which have
    learned from these very searches since: so the free ones look better, and the others less needed, than they were.
    Cut off, the same call goes on with what is left. ``record`` makes the pages of one search, see
    `bandstand.engine.ablation.ablate`; ``columns`` are of the catalogue that it searches.
    """
    made, batch = 0, list[Event]()
    for impression in _unrecorded(log, window):
        query = _searchable(impression.query, columns)
        if sampled(query.id, share=share, seed=seed):
            batch.append(ablation_event(record(query, impression), query, now=query.time))
            made += 1
            progress(made)
        if len(batch) >= _AT_ONCE:
            log.append_events(batch)
            batch = []
    if batch:
        log.append_events(batch)
    return made


def _unrecorded(log: Log, window: float) -> Iterator[Impression]:
    for search in joined(log, window):
        if all(event.action != ABLATION for event in search.events):
            yield search.impression


def _searchable(query: Query, columns: Columns) -> Query:
    """The query with its mask over the catalogue, which the log leaves out."""
    return replace(query, allowed=allowed(columns, query.kinds, query.filters, query.conditions))
