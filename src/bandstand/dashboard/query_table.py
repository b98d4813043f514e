"""The table of queries: what was asked how often, how it went, and what the memory makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import normalize
from bandstand.learner.query_stats import QueryStats, read_one_query, read_query_stats
from bandstand.memory_index.curation import Edit, edits_of
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.rows import QueryRow

_ORDERS: dict[str, Callable[[QueryStats], tuple[float, ...]]] = {
    "searches": lambda one: (-one.searches, -one.last),
    "success": lambda one: (-one.satisfied / one.searches, -one.searches),
    "failure": lambda one: (one.satisfied - one.searches, -one.last),
    "latest": lambda one: (-one.last,),
}
ORDERS = tuple(_ORDERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What the memory holds of one entity under a query, its id, and its artists and title."""

    entity_id: str
    title: str
    row: QueryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPage:
    """One query: what was asked, what is believed, what an operator changed. ``asked`` None: by too few to be named."""

    text: str
    asked: QueryStats | None
    beliefs: Sequence[Belief]
    edits: Sequence[Edit]


def find_queries(memory: Memory, *, words: str, order: str, offset: int, k: int) -> tuple[int, list[QueryStats]]:
    """How many queries hold all the ``words``, and ``k`` of them in an order (one of `ORDERS`) from ``offset`` on."""
    wanted = normalize(words).split()
    found = [one for one in read_query_stats(memory.scan) if all(word in one.text for word in wanted)]
    found.sort(key=_ORDERS[order])
    return len(found), found[offset : offset + k]


def query_page(memory: Memory, catalog: Catalog, text: str, *, now: float, k: int = 20) -> QueryPage:
    """Everything about one query, the ``k`` strongest beliefs first."""
    normalized = normalize(text)
    return QueryPage(
        text=normalized,
        asked=read_one_query(memory.state, normalized),
        beliefs=top_beliefs(memory, catalog, normalized, now=now, k=k),
        edits=edits_of(memory.state, normalized),
    )


def top_beliefs(memory: Memory, catalog: Catalog, normalized: str, *, now: float, k: int) -> list[Belief]:
    """What everybody's record of a query holds, best first; entities that are gone are left out."""
    columns = catalog.columns
    rows = (row for row in memory.query_rows(normalized, now=now) if row.ordinal < columns.n)
    live = [row for row in rows if columns.live[row.ordinal]][:k]
    entities = catalog.entities(np.array([row.ordinal for row in live], np.int32))
    return [
        Belief(entity_id=entity.id, title=" – ".join((*entity.artists, entity.title)), row=row)
        for row, entity in zip(live, entities, strict=True)
    ]
