"""Facet counts: by hand, over candidates and over masks."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.facets import MOST, FacetCount, facet_counts
from bandstand.catalog.store import CatalogStore
from bandstand.errors import BadInput
from bandstand.types import Attribute, Entity, Filters


def entity(number, kind="track", year=None, *genres):
    attributes = tuple(Attribute("genre", genre, 0.5) for genre in genres)
    return Entity(id=str(number), kind=kind, title=f"n{number}", released=year, attributes=attributes)


ENTITIES = (
    entity(0, "track", "1999", "rock", "pop"),
    entity(1, "track", "1999-05", "rock"),
    entity(2, "album", None, "pop"),
    entity(3, "artist", "2001-01-01", "jazz"),
    entity(4, "track", "2001", "jazz"),
)


@pytest.fixture
def columns(tmp_path):
    store = CatalogStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(ENTITIES)
    store.delete(["4"])
    yield Catalog(store).columns
    store.close()


def test_counts_over_candidates(columns):
    found = facet_counts(columns, np.array([0, 1, 2, 4], np.int32), ("genre", "year", "kind"))
    assert found == {
        "genre": (FacetCount("pop", 2), FacetCount("rock", 2)),
        "year": (FacetCount("1999", 2),),
        "kind": (FacetCount("track", 2), FacetCount("album", 1)),
    }


def test_counts_over_a_filters_mask_are_exact(columns):
    mask = columns.mask((), Filters(values=(("genre", ("rock",)),)))
    assert facet_counts(columns, mask, ("genre",)) == {"genre": (FacetCount("rock", 2), FacetCount("pop", 1))}


def test_nothing_chosen_has_no_counts(columns):
    assert facet_counts(columns, np.empty(0, np.int32), ("genre", "year")) == {"genre": (), "year": ()}


def test_an_unknown_facet_is_refused(columns):
    with pytest.raises(BadInput, match="kind, year or one of genre"):
        facet_counts(columns, np.empty(0, np.int32), ("colour",))


def test_only_the_most_frequent_values_are_returned(tmp_path):
    store = CatalogStore(tmp_path / "many.sqlite", clock=lambda: 0.0)
    store.upsert([entity(number, "track", None, f"g{number}") for number in range(MOST + 5)])
    columns = Catalog(store).columns
    assert len(facet_counts(columns, columns.live, ("genre",))["genre"]) == MOST
    store.close()
