import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import NotFound
from bandstand.types import KINDS, Attribute, Entity, Filters
from tests.support.effort import effort

ARRAYS = ("live", "kind", "popularity", "year", "added", "dedupe_key", "artist_key", "ids", "titles", "names")
JAZZ = Attribute("genre", "Jazz", 0.75)


def _same(left, right):
    """Compare what a search can see: every array, where the row is live, and every posting."""
    assert left.n == right.n
    live = right.live
    assert left.live.tolist() == live.tolist()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(left, name)[live], getattr(right, name)[live], err_msg=name)
    assert left.postings.keys() == right.postings.keys()
    for key, posting in right.postings.items():
        np.testing.assert_array_equal(left.postings[key].ordinals, posting.ordinals)
        np.testing.assert_array_equal(left.postings[key].confidences, posting.confidences)


def test_an_empty_catalog(store):
    catalog = Catalog(store)
    columns = catalog.columns
    assert (columns.n, catalog.seq, catalog.refresh()) == (0, 0, [])
    assert columns.mask(("track",), Filters(values=(("genre", ("jazz",)),))).shape == (0,)
    assert [len(array) for array in columns.having("genre", "jazz")] == [0, 0]
    assert catalog.entities(np.empty(0, np.int32)) == []


def test_columns_say_what_the_entity_says(store):
    store.upsert(
        [
            Entity(
                id="a",
                kind="track",
                title="Así Fue (feat. X)",
                artists=("Beyoncé", "Kino"),
                attributes=(JAZZ, Attribute("GENRE", "jazz", 0.5)),
                popularity=0.25,
                released="1959-08-17",
            ),
            Entity(id="b", kind="station", title="!!!"),
        ]
    )
    columns = Catalog(store).columns
    assert columns.ids.tolist() == ["a", "b"]
    assert columns.titles.tolist() == ["asi fue x", "!!!"]
    assert columns.names.tolist() == ["beyonce kino asi fue x", "!!!"]
    assert [KINDS[kind] for kind in columns.kind] == ["track", "station"]
    assert columns.popularity.tolist() == [0.25, 0.0]
    assert columns.year[0] == 1959
    assert np.isnan(columns.year[1])
    assert columns.artist_key[1] == 0
    assert columns.added.tolist() == [1_700_000_000.0] * 2
    ordinals, confidences = columns.having("Genre", "JAZZ")
    assert (ordinals.tolist(), confidences.tolist()) == ([0], [0.75])
    assert {name: getattr(columns, name).dtype.name for name in ARRAYS} == {
        "live": "bool",
        "kind": "int8",
        "popularity": "float32",
        "year": "float32",
        "added": "float64",
        "dedupe_key": "int64",
        "artist_key": "int64",
        "ids": "object",
        "titles": "object",
        "names": "object",
    }


def test_fold_and_artist_keys(store):
    def track(id_, title, artist="Bowie", kind="track"):
        return Entity(id=id_, kind=kind, title=title, artists=(artist,))

    store.upsert(
        [
            track("0", "Heroes"),
            track("1", "Heroes - 2017 Remaster", "BOWIE"),
            track("2", "Heroes - Live"),
            track("3", "Heroes", "Motörhead"),
            track("4", "Heroes", kind="album"),
            Entity(id="5", kind="artist", title="Bowie"),
        ]
    )
    columns = Catalog(store).columns
    assert columns.dedupe_key[0] == columns.dedupe_key[1]
    assert len(set(columns.dedupe_key.tolist())) == 5
    assert [key == columns.artist_key[5] for key in columns.artist_key] == [True, True, True, False, True, True]


def test_one_artist_however_written_and_nobodys_entities_are_no_doubles(store):
    store.upsert(
        [
            Entity(id="0", kind="track", title="Living on It", artists=("Guns N' Roses",)),
            Entity(id="1", kind="track", title="Livin' on It", artists=("Guns & Roses",)),
            Entity(id="2", kind="station", title="Best FM"),
            Entity(id="3", kind="station", title="Best FM"),
        ]
    )
    columns = Catalog(store).columns
    assert columns.artist_key[0] == columns.artist_key[1]
    assert columns.dedupe_key[0] == columns.dedupe_key[1]
    assert len(set(columns.dedupe_key.tolist())) == 3


def test_columns_hold_names_as_they_are_spoken(store):
    store.upsert(
        [
            Entity(
                id="0",
                kind="track",
                title="Extraction V: Sentry (Live)",
                artists=("10", "000 Maniacs"),
                album="Part II",
                aliases=("Кино",),
            )
        ]
    )
    columns = Catalog(store).columns
    assert columns.said_titles[0] == "extraction 5 sentry live"
    assert columns.said_names[0] == "10000 maniacs extraction 5 sentry live"
    assert columns.other_names[0] == "part 2 кино"
    assert columns.versions[0] == {"live"}


def test_masks(store):
    store.upsert(
        [
            Entity(id="0", kind="track", title="t", attributes=(JAZZ,), released="1959"),
            Entity(id="1", kind="track", title="t", attributes=(Attribute("genre", "rock"),), released="1969"),
            Entity(id="2", kind="album", title="t", attributes=(JAZZ, Attribute("mood", "calm"))),
            Entity(id="3", kind="track", title="t", attributes=(JAZZ,), released="1959"),
        ]
    )
    store.delete(["3"])
    columns = Catalog(store).columns

    def mask(kinds=(), **filters):
        return np.flatnonzero(columns.mask(kinds, Filters(**filters))).tolist()

    assert mask() == [0, 1, 2]
    assert mask(("album", "artist")) == [2]
    assert mask(values=(("genre", ("JAZZ",)),)) == [0, 2]
    assert mask(values=(("genre", ("jazz", "rock")),)) == [0, 1, 2]
    assert mask(values=(("genre", ("jazz",)), ("mood", ("calm",)))) == [2]
    assert mask(("track",), values=(("genre", ("jazz",)),)) == [0]
    assert mask(year_gte=1959, year_lte=1959) == [0]
    assert mask(year_gte=1960) == [1]
    assert mask(values=(("genre", ()),)) == []
    assert mask(values=(("nothing", ("x",)),)) == []


def test_a_snapshot_never_changes(store, make_track):
    store.upsert([make_track("a", attributes=(JAZZ,)), make_track("b", attributes=(JAZZ,))])
    catalog = Catalog(store)
    old = catalog.columns
    before = {name: getattr(old, name).tolist() for name in ARRAYS if name != "year"}
    store.upsert([make_track("a", "changed"), make_track("c", attributes=(JAZZ,))])
    store.delete(["b"])
    assert [change.ordinal for change in catalog.refresh()] == [0, 2, 1]
    assert {name: getattr(old, name).tolist() for name in ARRAYS if name != "year"} == before
    assert old.having("genre", "jazz")[0].tolist() == [0, 1]
    assert catalog.columns.having("genre", "jazz")[0].tolist() == [2]
    assert (catalog.columns.live.tolist(), catalog.seq) == ([True, False, True], store.head())
    with pytest.raises(ValueError, match="read-only"):
        catalog.columns.live[0] = False


def test_entities_are_aligned_and_current(store, make_track):
    store.upsert([make_track("a"), make_track("b")])
    catalog = Catalog(store, cached=1)
    wanted = np.array([1, 0, 1], np.int32)
    assert [entity.id for entity in catalog.entities(wanted)] == ["b", "a", "b"]
    store.upsert([make_track("b", "new")])
    catalog.refresh()
    assert [entity.title for entity in catalog.entities(wanted)] == ["new", "title a", "new"]
    store.delete(["a"])
    catalog.refresh()
    assert [entity.title for entity in catalog.entities(wanted)] == ["new", "title a", "new"]
    with pytest.raises(NotFound, match="ordinal 7"):
        catalog.entities(np.array([7], np.int32))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_following_the_feed_is_the_same_as_starting_anew(tmp_path_factory, any_entity, data):
    store = SqliteStore(tmp_path_factory.mktemp("columns") / "c.sqlite", clock=lambda: 5.0)
    catalog = Catalog(store)
    for _ in range(data.draw(st.integers(1, 5))):
        batch = data.draw(st.lists(any_entity, max_size=6))
        store.upsert(replace(entity, id=data.draw(st.sampled_from("abcdefgh"))) for entity in batch)
        store.delete(data.draw(st.sets(st.sampled_from("abcdefgh"), max_size=3)))
        while catalog.refresh(data.draw(st.integers(1, 4))):
            pass
    _same(catalog.columns, Catalog(store).columns)
    store.close()


def test_one_change_among_many_is_cheap(store, make_track):
    many = 30_000 if isinstance(store, SqliteStore) else 10_000  # which a cluster is filled with in six seconds
    store.upsert(make_track(str(i), attributes=(JAZZ,)) for i in range(many))
    catalog = Catalog(store)
    numbers = itertools.count()

    def change():
        number = next(numbers)
        store.upsert([make_track(str(number), "changed"), make_track(f"new {number}")])
        assert len(catalog.refresh()) == 2

    assert effort(change) < 3
    assert catalog.columns.n == many + next(numbers)
