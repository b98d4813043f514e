"""What goes with an entity, from everything that is known of it: clicks first, and content where there are none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bandstand.catalog.bounds import check_inside, narrowed
from bandstand.catalog.columns import Catalog, Columns, attribute_key
from bandstand.catalog.conditions import EVERYTHING, Scope
from bandstand.catalog.memberships import Memberships
from bandstand.engine.runner import RetrieverCalls
from bandstand.errors import BadInput, NotFound
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.relations import Scored, nothing
from bandstand.ranker.page import dedupe
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.sentence import entity_sentence
from bandstand.types import KINDS, Clock, Entity, Mask, Matrix, Ordinals, Query

_ARTIST = KINDS.index("artist")


def by_artist(columns: Columns, ordinal: int) -> Scored:
    """The artist whose an entity is, surely, and what else is theirs, by popularity: x = 1, or (1 + popularity) / 4."""
    key = columns.artist_key[ordinal]
    if not key:
        return nothing()
    same = np.flatnonzero((columns.artist_key == key) & columns.live)
    scores = np.where(columns.kind[same] == _ARTIST, 1.0, (1 + columns.popularity[same]) / 4)
    return same.astype(np.int32), scores.astype(np.float32)


def by_lists(memberships: Memberships, columns: Columns, ordinal: int) -> Scored:
    """What stands in the same lists; the lists themselves, and for a list what it holds: x = (1 + popularity) / 2."""
    beside, scores = memberships.beside(ordinal)
    direct = np.union1d(memberships.held_by(ordinal), memberships.holders_of(ordinal)).astype(np.int32)
    beside, scores = beside[other := ~np.isin(beside, direct)], scores[other]
    return np.concatenate([beside, direct]), np.concatenate([scores, (1 + columns.popularity[direct]) / 2])


def by_attributes(columns: Columns, entity: Entity) -> Scored:
    """What has the same attributes, rare ones first.

    x(f) = Σ_a conf_e(a) · conf_f(a) · idf(a) / Σ_a conf_e(a) · idf(a), idf(a) = ln(entities / those that have a).
    """
    shared, most = np.zeros(columns.n, np.float32), 0.0
    for attribute in entity.attributes:
        ordinals, confidences = columns.having(*attribute_key(attribute.name, attribute.value))
        if len(ordinals):
            weight = attribute.confidence * float(np.log(columns.n / len(ordinals)))
            shared[ordinals] += weight * confidences
            most += weight
    found = np.flatnonzero(shared)
    return found.astype(np.int32), shared[found] / np.float32(max(most, 1e-9))


MOST = 100
"""How many related entities can be asked for."""

WEIGHTS: Mapping[str, float] = {
    "together": 0.9,
    "asked": 0.8,
    "artist": 0.8,
    "lists": 0.6,
    "attributes": 0.3,
    "dense": 0.5,
}
"""How far each source is believed, as a probability, when it is as sure as it can be. What people did may outweigh all
that the catalogue says; set by hand."""

_NEIGHBOURS = 100
_POOL = 200
"""Of how many best of a source the rest is not looked at."""

_UNLIKE = 0.5
"""The cosine at which two sentences say nothing of each other: all are about music."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedEntity:
    """An entity that goes with another: ``score`` in [0, 1], and what each source says, in (0, 1]."""

    entity: Entity
    score: float
    sources: Mapping[str, float]


class Relater:
    """Related entities over a catalogue, a memory and the dense retriever of either backend. Safe for threads.

    score(f) = 1 - Π_s (1 - w_s · x_s(f)) over the sources s: the chance that at least one of them is right, were they
    independent (noisy or; Pearl 1988), w_s of `WEIGHTS`. x_s is what `memory_index.relations`, `related_sources` and,
    for ``dense``, (cosine - 0.5) / 0.5 say. So an entity nobody ever chose is related by content, and each click that
    confirms or adds a pair raises it. Releases of one recording count once, the entity itself not at all.
    """

    def __init__(self, catalog: Catalog, memory: Memory, dense: Retriever, *, clock: Clock) -> None:
        self._catalog = catalog
        self._memory = memory
        self._memberships = Memberships(catalog)
        self._calls = RetrieverCalls({"dense": dense})
        self._clock = clock

    def related(
        self, entity_id: str, k: int = 10, *, within: Scope = EVERYTHING, without: Collection[str] = ()
    ) -> list[RelatedEntity]:
        """At most ``k`` entities ``within`` what may be shown, best first, ties the more popular first.

        ``without`` are ids to leave out. A dense retriever that fails is missed, not waited for.

        Raises:
            BadInput: ``k`` is not from 1 to `MOST`, or a filter asks about a field that nobody has.
            NotFound: there is no such entity (any more).
        """
        if not 1 <= k <= MOST:
            raise BadInput(f"k must be from 1 to {MOST}", field="k")
        check_inside(self._catalog, entity_id, within.bound)
        ordinal, entity = self._entity(entity_id)
        columns = self._catalog.columns
        allowed = within.allowed(columns)
        mask = columns.live.copy() if allowed is None else allowed.copy()
        mask &= columns.dedupe_key != columns.dedupe_key[ordinal]
        excluded = self._catalog.store.ordinals(list(without))
        mask[excluded[(excluded >= 0) & (excluded < columns.n)]] = False
        ordinals, said = _joined(self._sources(ordinal, entity, columns, within, allowed), mask)
        scores = 1 - np.prod(1 - said * np.array(list(WEIGHTS.values()), np.float32), axis=1)
        by_popularity = scores + np.float32(1e-6) * columns.popularity[ordinals]
        rows = dedupe(ordinals, by_popularity, columns.dedupe_key[ordinals])[:k]
        return [
            RelatedEntity(entity=found, score=float(scores[row]), sources=_named(said[row]))
            for row, found in zip(rows.tolist(), self._catalog.entities(ordinals[rows]), strict=True)
        ]

    def follow(self) -> None:
        """Take in what changed in the catalogue, so that no request has to."""
        self._memberships.follow()

    def _entity(self, entity_id: str) -> tuple[int, Entity]:
        entity = self._catalog.store.get(entity_id)
        ordinal = int(self._catalog.store.ordinals([entity_id])[0])
        if not 0 <= ordinal < self._catalog.columns.n:
            raise NotFound(f"{entity_id!r} is new: it can be related to others in a moment")
        return ordinal, entity

    def _sources(
        self, ordinal: int, entity: Entity, columns: Columns, within: Scope, allowed: Mask | None
    ) -> dict[str, Scored]:
        known = self._memory.relations(ordinal, now=self._clock())
        return {
            "together": known.together,
            "asked": known.asked,
            "artist": by_artist(columns, ordinal),
            "lists": by_lists(self._memberships, columns, ordinal),
            "attributes": by_attributes(columns, entity),
            "dense": self._neighbours(entity, within, allowed),
        }

    def _neighbours(self, entity: Entity, within: Scope, allowed: Mask | None) -> Scored:
        """Entities whose sentence means nearly the same; the retriever's own query encoder reads this one's."""
        sentence = entity_sentence(entity)
        kinds, filters = narrowed(within.kinds, within.filters, within.bound)
        query = Query(
            id="",
            text=sentence,
            normalized=sentence,
            kinds=kinds,
            filters=filters,
            conditions=within.conditions,
            allowed=allowed,
        )
        found, _ = self._calls.call("dense", query, _NEIGHBOURS)
        return found.ordinals, np.clip((found.scores - _UNLIKE) / (1 - _UNLIKE), 0, 1)


def _joined(sources: Mapping[str, Scored], mask: Mask) -> tuple[Ordinals, Matrix]:
    """Every entity that some source has among its best, inside the mask, and what each source says of it.

    Returns:
        Ordinals int32 (n,) ascending, and float32 (n, sources) in [0, 1] in the order of `WEIGHTS`.
    """
    inside = {}
    for name, (ordinals, scores) in sources.items():
        kept = (ordinals < len(mask)) & (scores > 0)
        kept[kept] = mask[ordinals[kept]]
        inside[name] = ordinals[kept], scores[kept]
    best = [ordinals[np.argsort(-scores, kind="stable")[:_POOL]] for ordinals, scores in inside.values()]
    every = np.unique(np.concatenate(best)).astype(np.int32)
    said = np.zeros((len(every), len(WEIGHTS)), np.float32)
    for column, name in enumerate(WEIGHTS):
        ordinals, scores = inside[name]
        known = np.isin(ordinals, every)
        said[np.searchsorted(every, ordinals[known]), column] = scores[known]
    return every, said


def _named(said: Matrix) -> dict[str, float]:
    """What the sources say that say anything."""
    return {name: float(value) for name, value in zip(WEIGHTS, said.tolist(), strict=True) if value > 0}
