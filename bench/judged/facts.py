"""Queries made from a catalogue's facts: artist or genre with a decade, live recordings, language with genre."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.types import Entity
from bench.attributes import NOW, Asked, artist_era, genre_era, language_genre, live, title_genre
from bench.judged.base import JudgedSearch, JudgedSet, right_by_id

_SEED, _EACH = 1, 80

_CLASSES: Sequence[Callable[[Columns, np.random.Generator], Iterator[Asked]]] = (
    artist_era,
    genre_era,
    live,
    lambda columns, _: language_genre(columns),
    title_genre,
)


def facts(entities: Sequence[Entity]) -> JudgedSet:
    """As many queries of each class; what is right, is right by the catalogue's facts alone."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "catalog.sqlite"), clock=lambda: NOW)
        store.upsert(entities)
        columns = Catalog(store).columns
        store.close()
    rng = np.random.default_rng(_SEED)
    asked = (one for made in _CLASSES for one in islice(made(columns, rng), _EACH))
    searches = tuple(
        JudgedSearch(
            query=one.text,
            judge=right_by_id(_recordings(columns, sorted(one.relevant))),
            part=one.group,
            kinds=("track",),
        )
        for one in asked
    )
    return JudgedSet(name="facts", headline="nDCG@10", entities=tuple(entities), searches=searches)


def _recordings(columns: Columns, ordinals: list[int]) -> dict[str, int]:
    """By id, which recording an entity is."""
    return dict(zip(columns.ids[ordinals].tolist(), columns.dedupe_key[ordinals].tolist(), strict=True))
