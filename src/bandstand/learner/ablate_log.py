"""Pages with and without each expensive retriever, made afterwards for the searches of a whole log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bandstand.catalog.columns import Columns
from bandstand.engine.sampling import sampled
from bandstand.feedback.ablation import ABLATION, Ablation, ablation_event
from bandstand.feedback.joined import joined
from bandstand.feedback.log import Log
from bandstand.types import Event, Impression, Query

_AT_ONCE = 50


def ablate_log(
    log: Log,
    columns: Columns,
    record: Callable[[Query, Impression], Ablation],
    *,
    window: float,
    share: float,
    seed: int,
    told: Callable[[int], None] = lambda _: None,
) -> int:
    """Record a ``share`` of the logged searches that have no record yet; returns how many were recorded.

    The records bear their searches' times. The pages are those of today's memory, catalogue and models, which have
    learned from these very searches since: so the free arms look better, and the others less needed, than they were.
    Cut off, the same call goes on with what is left. ``record`` makes the pages of one search, see
    `bandstand.engine.ablation.ablate`; ``columns`` are of the catalogue that it searches.
    """
    made, batch = 0, list[Event]()
    for impression in _unrecorded(log, window):
        query = _searchable(impression.query, columns)
        if sampled(query.id, share=share, seed=seed):
            batch.append(ablation_event(record(query, impression), query, now=query.time))
            made += 1
            told(made)
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
    restricted = bool(query.kinds) or bool(query.filters)
    return replace(query, allowed=columns.mask(query.kinds, query.filters)) if restricted else query
