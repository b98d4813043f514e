import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.columns import Catalog
from bandstand.catalog.slots import Vocabulary, find_slots
from bandstand.catalog.text import normalize
from bandstand.types import Attribute, Entity, Slot


@pytest.fixture
def catalog(store):
    def track(i: int, *attributes: Attribute) -> Entity:
        return Entity(id=str(i), kind="track", title="t", attributes=attributes)

    store.upsert(
        [
            track(0, Attribute("genre", "Pop"), Attribute("mood", "happy")),
            track(1, Attribute("genre", "dance pop"), Attribute("tag", "rock")),
            track(2, Attribute("genre", "rock")),
            track(3, Attribute("genre", "rock")),
            track(4, Attribute("genre", "rock"), Attribute("language", "Русский"), Attribute("era", "1980s")),
            track(5, Attribute("tag", "a b c"), Attribute("tag", "songs i like in summer")),
        ]
    )
    return Catalog(store)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("let it be", []),
        ("happy pop songs", [("mood", "happy", 1.0), ("genre", "pop", 1.0), ("kind", "track", 0.9)]),
        ("dance pop", [("genre", "dance pop", 1.0)]),
        ("rock", [("genre", "rock", 0.75), ("tag", "rock", 0.25)]),
        ("русский рок", [("language", "русский", 1.0)]),
        ("x a b c y", [("tag", "a b c", 1.0)]),
        ("bands", [("kind", "artist", 0.9)]),
        ("radio station", [("kind", "station", 0.9)]),
        ("podcasts playlists albums", [("kind", "podcast", 0.9), ("kind", "playlist", 0.9), ("kind", "album", 0.9)]),
        ("80's", [("year", "1980-1989", 0.9)]),
        ("1980s", [("year", "1980-1989", 0.9), ("era", "1980s", 1.0)]),
        ("00s", [("year", "2000-2009", 0.9)]),
        ("nineties", [("year", "1990-1999", 0.9)]),
        ("1999", [("year", "1999", 0.5)]),
        ("2030 2031 1899 99", [("year", "2030", 0.5)]),
    ],
)
def test_what_a_query_says(catalog, query, expected):
    vocabulary = Vocabulary().updated(catalog.columns)
    assert find_slots(normalize(query), vocabulary) == tuple(Slot(*slot) for slot in expected)


def test_kinds_are_known_before_there_is_a_catalogue():
    assert find_slots("pop songs", Vocabulary()) == (Slot("kind", "track", 0.9),)


def test_the_vocabulary_follows_the_catalogue(store, catalog):
    first = Vocabulary().updated(catalog.columns)
    assert first.updated(catalog.columns) is first
    store.upsert([Entity(id="new", kind="track", title="t", attributes=(Attribute("genre", "zydeco"),))])
    store.delete(["0"])
    catalog.refresh()
    second = first.updated(catalog.columns)
    assert find_slots("happy zydeco", second) == (Slot("genre", "zydeco"),)
    assert find_slots("happy zydeco", first) == (Slot("mood", "happy"),)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text):
    for slot in find_slots(normalize(text), Vocabulary()):
        assert 0 < slot.confidence <= 1
