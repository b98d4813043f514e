import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.catalog import prefix as module
from bandstand.catalog.columns import Catalog
from bandstand.catalog.prefix import PrefixIndex
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.types import Entity


def _track(id_, title, *artists, popularity=0.0):
    return Entity(id=id_, kind="track", title=title, artists=artists, popularity=popularity)


@pytest.fixture
def catalog(store):
    store.upsert(
        [
            _track("0", "Halo", "Beyoncé", popularity=0.9),
            _track("1", "Hallelujah", "Leonard Cohen", popularity=0.5),
            _track("2", "Hallelujah", "Jeff Buckley", popularity=0.8),
            _track("3", "Группа крови", "Кино", popularity=0.4),
            _track("4", "Crazy in Love", "Beyoncé", "JAY-Z", popularity=0.7),
            Entity(id="5", kind="artist", title="Beyoncé", popularity=0.95),
        ]
    )
    return Catalog(store)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", []),
        ("  ", []),
        ("zzz", []),
        ("ha", [(0, "Halo"), (2, "Hallelujah")]),
        ("HALLE", [(2, "Hallelujah")]),
        ("beyonce h", [(0, "Beyoncé Halo")]),
        ("leon", [(1, "Leonard Cohen"), (1, "Leonard Cohen Hallelujah")]),
        ("kin", [(3, "Кино"), (3, "Кино Группа крови")]),
        ("ки", [(3, "Кино"), (3, "Кино Группа крови")]),
        ("gru", [(3, "Группа крови")]),
        ("beyonce j", [(4, "Beyoncé, JAY-Z"), (4, "Beyoncé, JAY-Z Crazy in Love")]),
    ],
)
def test_completions(catalog, typed, expected):
    assert PrefixIndex(catalog).complete(typed, 10) == expected


def test_an_artist_stands_for_itself_and_comes_once(catalog):
    assert PrefixIndex(catalog).complete("bey", 3) == [
        (5, "Beyoncé"),
        (0, "Beyoncé Halo"),
        (4, "Beyoncé, JAY-Z"),
    ]
    assert PrefixIndex(catalog).complete("bey", 0) == []


def test_an_empty_catalogue_completes_nothing(store):
    assert PrefixIndex(Catalog(store)).complete("a", 5) == []


@pytest.mark.parametrize("rebuild_after", [0, 1_000])
def test_the_index_follows_the_catalogue(catalog, store, monkeypatch, rebuild_after):
    monkeypatch.setattr(module, "_REBUILD_LEAST", rebuild_after)
    index = PrefixIndex(catalog)
    index.refresh()
    store.upsert([_track("new", "Hallow", popularity=1.0), _track("1", "Suzanne", "Leonard Cohen", popularity=0.5)])
    store.delete(["0"])
    catalog.refresh()
    assert index.complete("hal", 5) == [(6, "Hallow"), (2, "Hallelujah")]
    assert index.complete("leonard cohen ", 5) == [(1, "Leonard Cohen"), (1, "Leonard Cohen Suzanne")]
    store.upsert([_track("0", "Halo", "Beyoncé", popularity=0.1)])
    catalog.refresh()
    assert index.complete("hal", 5) == [(6, "Hallow"), (2, "Hallelujah"), (0, "Halo")]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_following_is_the_same_as_building_anew(tmp_path_factory, data):
    store = SqliteStore(tmp_path_factory.mktemp("prefix") / "c.sqlite", clock=lambda: 0.0)
    catalog = Catalog(store)
    index = PrefixIndex(catalog)
    words = st.text("ab ", min_size=1, max_size=5).filter(str.strip)
    for _ in range(3):
        ids = data.draw(st.lists(st.sampled_from("123456"), max_size=4, unique=True))
        store.upsert(_track(i, data.draw(words), popularity=data.draw(st.sampled_from([0.1, 0.5]))) for i in ids)
        store.delete(data.draw(st.sets(st.sampled_from("123456"), max_size=2)))
        catalog.refresh()
        index.refresh()
    for typed in ("a", "b", "ab", "a a"):
        assert index.complete(typed, 10) == PrefixIndex(catalog).complete(typed, 10)
    store.close()
