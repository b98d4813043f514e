"""Facet counts: by hand, over candidates and over masks."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.facets import MOST, FacetCount, check_facets, facet_counts
from bandstand.catalog.sqlite_store import SqliteStore
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
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(ENTITIES)
    store.delete(["4"])
    yield Catalog(store).columns
    store.close()


def test_counts_over_candidates(columns):
    found = facet_counts(columns, np.array([0, 2, 4], np.int32), ("genre", "year", "kind"))
    assert found == {
        "genre": (FacetCount("pop", 2, 2), FacetCount("rock", 1, 2)),
        "year": (FacetCount("1999", 1, 2),),
        "kind": (FacetCount("album", 1, 1), FacetCount("track", 1, 2)),
    }


def test_totals_under_a_filter_are_exact(columns):
    mask = columns.mask((), Filters(values=(("genre", ("rock",)),)))
    found = facet_counts(columns, np.array([0], np.int32), ("genre",), allowed=mask)
    assert found == {"genre": (FacetCount("pop", 1, 1), FacetCount("rock", 1, 2))}


def test_nothing_found_has_no_counts(columns):
    assert facet_counts(columns, np.empty(0, np.int32), ("genre", "year")) == {"genre": (), "year": ()}


def test_what_is_newer_than_the_snapshot_is_passed_over(columns):
    assert facet_counts(columns, np.array([columns.n + 3], np.int32), ("kind",)) == {"kind": ()}


def test_an_unknown_facet_is_refused(columns):
    check_facets(columns, ("kind", "year", "genre"))
    with pytest.raises(BadInput, match="duration, genre, kind, released, year"):
        check_facets(columns, ("genre", "colour"))


def test_only_the_most_frequent_values_are_returned(tmp_path):
    store = SqliteStore(tmp_path / "many.sqlite", clock=lambda: 0.0)
    store.upsert([entity(number, "track", None, f"g{number}") for number in range(MOST + 5)])
    columns = Catalog(store).columns
    assert len(facet_counts(columns, np.arange(MOST + 5, dtype=np.int32), ("genre",))["genre"]) == MOST
    store.close()
