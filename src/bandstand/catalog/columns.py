"""The catalogue in memory: immutable numpy columns over ordinals, kept up to date from the store's change feed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.base import Store
from bandstand.catalog.builder import NOTHING, AttributeKey, Builder, Posting, attribute_key
from bandstand.catalog.store import Change
from bandstand.errors import NotFound
from bandstand.types import KINDS, Entity, Filters, Kind, Mask, Ordinals, Scores

_PAGE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """One state of the catalogue, every array of shape (n,) over ordinals 0..n-1 and read-only.

    ``kind`` indexes `KINDS`; ``year`` is NaN where unknown; ``added`` is seconds since 1970. ``fold_key`` is equal
    for releases of one recording (kind, folded title, first artist); ``artist_key`` is equal for an artist and what
    is theirs, 0 where there is none. ``members`` are the ids that a playlist or an album holds, None for the rest.
    ``titles`` and ``names`` ("artist artist title") are normalised. Rows that are
    not ``live`` keep what was last known, or blanks.
    """

    n: int
    live: Mask
    kind: NDArray[np.int8]
    popularity: Scores
    year: Scores
    added: NDArray[np.float64]
    fold_key: NDArray[np.int64]
    artist_key: NDArray[np.int64]
    ids: NDArray[np.object_]
    titles: NDArray[np.object_]
    names: NDArray[np.object_]
    members: NDArray[np.object_]
    postings: Mapping[AttributeKey, Posting]

    def having(self, name: str, value: str) -> tuple[Ordinals, Scores]:
        """Return the live entities with an attribute value: ordinals int32 (m,) ascending, confidences float32 (m,)."""
        return self.postings.get(attribute_key(name, value), NOTHING)

    def mask(self, kinds: Sequence[Kind] = (), filters: Filters = Filters()) -> Mask:
        """Return which ordinals are live, of one of the kinds (any when empty) and pass every filter, bool (n,)."""
        allowed = self.live.copy()
        if kinds:
            allowed &= np.isin(np.arange(len(KINDS)), [KINDS.index(kind) for kind in kinds])[self.kind]
        for name, values in filters.values:
            having = np.zeros(self.n, np.bool_)
            for value in values:
                having[self.having(name, value)[0]] = True
            allowed &= having
        if filters.year_gte is not None:
            allowed &= self.year >= filters.year_gte
        if filters.year_lte is not None:
            allowed &= self.year <= filters.year_lte
        return allowed


def _snapshot(builder: Builder) -> Columns:
    views: dict[str, NDArray[Any]] = {}
    for name, array in builder.arrays.items():
        views[name] = array[: builder.n]
        views[name].flags.writeable = False
    del views["described"]
    return Columns(n=builder.n, postings=builder.postings, **views)


class Catalog:
    """The store's newest state for searching. `refresh` follows the change feed; readers never wait for it."""

    def __init__(self, store: Store, *, cached: int = 50_000, warm: bool = False) -> None:
        """Load everything.

        ``cached`` is how many decoded entities are held at most; ``warm`` holds those that changes bring at once, where
        reading one later would be a round trip.
        """
        self._warm = warm
        self._store = store
        self._builder = Builder()
        self._refreshing = threading.Lock()
        self._cache = _EntityCache(cached)
        self._state: tuple[int, Columns] = (0, _snapshot(self._builder))
        while self.refresh(_PAGE):
            pass

    @property
    def store(self) -> Store:
        """Where the entities live."""
        return self._store

    @property
    def columns(self) -> Columns:
        """The current snapshot; keep it for the length of one search."""
        return self._state[1]

    @property
    def seq(self) -> int:
        """The sequence number of the newest change that `columns` holds."""
        return self._state[0]

    def refresh(self, limit: int = 100_000) -> list[Change]:
        """Take in and return at most ``limit`` changes; nothing left when fewer came."""
        with self._refreshing:
            changes = self._store.changes(self.seq, limit)
            if changes:
                self._builder.apply(changes)
                self._state = (changes[-1].seq, _snapshot(self._builder))
                self._cache.forget([change.ordinal for change in changes])
                if self._warm:
                    self._keep(changes)
            return changes

    def _keep(self, changes: Sequence[Change]) -> None:
        _, generation = self._cache.get(())
        self._cache.put({change.ordinal: change.entity for change in changes if change.entity is not None}, generation)

    def entities(self, ordinals: Ordinals) -> list[Entity]:
        """Return entities, aligned; one deleted meanwhile as it last was, so that a search under way can end.

        Raises:
            NotFound: the store never gave one of the ordinals.
        """
        wanted = np.asarray(ordinals).tolist()
        found, generation = self._cache.get(wanted)
        missing = [ordinal for ordinal in wanted if ordinal not in found]
        if missing:
            read = dict(zip(missing, self._store.recall(np.asarray(missing, np.int32)), strict=True))
            if unknown := [ordinal for ordinal, entity in read.items() if entity is None]:
                raise NotFound(f"there is no entity with ordinal {unknown[0]}")
            fresh = {ordinal: entity for ordinal, entity in read.items() if entity is not None}
            self._cache.put(fresh, generation)
            found |= fresh
        return [found[ordinal] for ordinal in wanted]


class _EntityCache:
    """Least recently used entities by ordinal; a result read before a change is not kept after it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entities: OrderedDict[int, Entity] = OrderedDict()
        self._generation = 0
        self._lock = threading.Lock()

    def get(self, ordinals: Sequence[int]) -> tuple[dict[int, Entity], int]:
        with self._lock:
            found = {ordinal: self._entities[ordinal] for ordinal in ordinals if ordinal in self._entities}
            for ordinal in found:
                self._entities.move_to_end(ordinal)
            return found, self._generation

    def put(self, entities: Mapping[int, Entity], generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._entities.update(entities)
            while len(self._entities) > self._size:
                self._entities.popitem(last=False)

    def forget(self, ordinals: Sequence[int]) -> None:
        with self._lock:
            self._generation += 1
            for ordinal in ordinals:
                self._entities.pop(ordinal, None)
