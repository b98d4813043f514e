"""The table of queries: what was asked how often, how it went, and what the memory makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import normalize
from bandstand.learner.query_stats import QueryStats, read_one_query, read_query_stats
from bandstand.memory_index.curation import Edit, EditAction, edits_of
from bandstand.memory_index.memory import Memory
from bandstand.types.answers import Answer
from bandstand.types.times import DAY_S

_ORDERS: dict[str, Callable[[QueryStats], tuple[float, ...]]] = {
    "searches": lambda one: (-one.searches, -one.last),
    "success": lambda one: (-one.satisfied / one.searches, -one.searches),
    "failure": lambda one: (one.satisfied - one.searches, -one.last),
    "latest": lambda one: (-one.last,),
}
ORDERS = tuple(_ORDERS)


class BeliefAnswer(Answer):
    """What the memory holds of an entity (artists and title) under a query; counts are decayed to now.

    `score` is the posterior mean; `predicted` the score before any click, null where none was predicted; `shared` says
    whether enough users agreed.
    """

    entity_id: str
    title: str
    score: float
    impressions: float
    clicks: float
    plays: float
    predicted: float | None
    shared: bool


class DayAnswer(Answer):
    """One day (UTC) of a query."""

    day: str
    searches: int
    clicked: int
    satisfied: int


class EditAnswer(Answer):
    """One change of the memory by an operator; `undone` is when it was undone, null while it holds."""

    id: str
    time: float
    action: EditAction
    query: str
    entity_id: str
    score: float | None
    by: str
    note: str
    undone: float | None

    @classmethod
    def of(cls, edit: Edit) -> EditAnswer:
        """Of a recorded change."""
        return msgspec.convert(edit, cls, from_attributes=True)


class QueryStatsAnswer(Answer):
    """A query that several users asked: how often, how it went, when last (seconds since 1970), best answers."""

    text: str
    searches: int
    clicked: int
    satisfied: int
    last: float
    top: list[BeliefAnswer]


class QueryTableAnswer(Answer):
    """A page of the queries, and how many there are."""

    total: int
    queries: list[QueryStatsAnswer]


class QueryPageAnswer(Answer):
    """One query: counts (zeros and no days where fewer users asked than must agree), beliefs, changes, last days."""

    text: str
    searches: int
    clicked: int
    satisfied: int
    days: list[DayAnswer]
    beliefs: list[BeliefAnswer]
    edits: list[EditAnswer]


_TOP = 3
"""Beliefs that are shown of each query of the table."""


def query_table(
    memory: Memory, catalog: Catalog, *, words: str, order: str, offset: int, k: int, now: float
) -> QueryTableAnswer:
    """The queries that hold all the ``words``: ``k`` of them in an order (one of `ORDERS`) from ``offset`` on."""
    wanted = normalize(words).split()
    found = [one for one in read_query_stats(memory.scan) if all(word in one.text for word in wanted)]
    found.sort(key=_ORDERS[order])
    page = [
        QueryStatsAnswer(
            text=one.text,
            searches=one.searches,
            clicked=one.clicked,
            satisfied=one.satisfied,
            last=one.last,
            top=_beliefs(memory, catalog, one.text, now=now, k=_TOP),
        )
        for one in found[offset : offset + k]
    ]
    return QueryTableAnswer(total=len(found), queries=page)


def query_page(memory: Memory, catalog: Catalog, text: str, *, now: float, k: int = 20) -> QueryPageAnswer:
    """Everything about one query, the ``k`` strongest beliefs first."""
    normalized = normalize(text)
    asked = read_one_query(memory.state, normalized) or QueryStats()
    return QueryPageAnswer(
        text=normalized,
        searches=asked.searches,
        clicked=asked.clicked,
        satisfied=asked.satisfied,
        days=[
            DayAnswer(day=_iso(day), searches=searches, clicked=clicked, satisfied=satisfied)
            for day, searches, clicked, satisfied in asked.days
        ],
        beliefs=_beliefs(memory, catalog, normalized, now=now, k=k),
        edits=[EditAnswer.of(edit) for edit in reversed(edits_of(memory.state, normalized))],
    )


def _beliefs(memory: Memory, catalog: Catalog, normalized: str, *, now: float, k: int) -> list[BeliefAnswer]:
    """What everybody's record of a query holds, best first; entities that are gone are left out."""
    columns = catalog.columns
    rows = (row for row in memory.query_rows(normalized, now=now) if row.ordinal < columns.n)
    live = [row for row in rows if columns.live[row.ordinal]][:k]
    entities = catalog.entities(np.array([row.ordinal for row in live], np.int32))
    return [
        BeliefAnswer(
            entity_id=entity.id,
            title=" – ".join((*entity.artists, entity.title)),
            score=row.score,
            impressions=row.impressions,
            clicks=row.clicks,
            plays=row.plays,
            predicted=row.predicted,
            shared=row.shared,
        )
        for row, entity in zip(live, entities, strict=True)
    ]


def _iso(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()
