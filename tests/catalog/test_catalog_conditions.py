"""What typed conditions allow, by the names and facts of a small catalogue."""

from __future__ import annotations

import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.conditions import allowed, filtered, years_of
from bandstand.types import EXACT, Attribute, Condition, Entity, Filters


def track(id_, title, *artists, year=None, album=None, **more):
    return Entity(id=id_, kind="track", title=title, artists=artists, album=album, released=year, **more)


ENTITIES = (
    track("pressure", "Under Pressure", "Queen", "David Bowie", year="1981", album="Hot Space"),
    track("heroes", '"Heroes"', "David Bowie", year="1977", album="Heroes"),
    track("unity", "U.N.I.T.Y.", "Queen Latifah", year="1993", attributes=(Attribute("genre", "Hip Hop"),)),
    track("part", "Another Brick in the Wall, Part II", "Pink Floyd", year="1979", album="The Wall"),
    track("live", "Alive (Live)", "Pearl Jam", year="1992"),
    track("alive", "Alive", "Pearl Jam", year="1991", attributes=(Attribute("mood", "live"),)),
    track("yesterday", "Yesterday", "The Beatles"),
    track("first", "最初の恋", "宇多田ヒカル"),
    Entity(id="wall", kind="album", title="The Wall", artists=("Pink Floyd",), released="1979"),
    Entity(id="queen", kind="artist", title="Queen", aliases=("Hot Space Band",)),
)


@pytest.fixture
def columns(store):
    store.upsert(ENTITIES)
    return Catalog(store).columns


def found(columns, *conditions, kinds=(), filters=Filters()):
    mask = allowed(columns, kinds, filters, conditions)
    return set(columns.ids[mask])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (EXACT, "in the wall", {"part"}),
        (EXACT, "the WALL", {"part", "wall"}),
        (EXACT, "wall part two", {"part"}),
        (EXACT, "bowie under", {"pressure"}),
        (EXACT, "hip-hop", {"unity"}),
        (EXACT, "live", {"live", "alive"}),
        (EXACT, "liv", set()),
        (EXACT, "初の", {"first"}),
        ("title", "heroes", {"heroes"}),
        ("title", "alive", {"live", "alive"}),
        ("title", "bowie", set()),
        ("artist", "queen", {"pressure", "queen"}),
        ("artist", "David Bowie", {"pressure", "heroes"}),
        ("artist", "bowie", {"pressure"}),
        ("artist", "beatles", {"yesterday"}),
        ("artist", "the queen", {"pressure", "queen"}),
        ("artist", "nobody", set()),
        ("album", "wall", {"part", "wall"}),
        ("album", "hot space", {"pressure"}),
        ("kind", "artist", {"queen"}),
        ("year", "1991..1992", {"live", "alive"}),
        ("year", "..1979", {"heroes", "part", "wall"}),
        ("year", "1989..1980", set()),
        ("genre", "hip hop", {"unity"}),
        ("genre", "polka", set()),
    ],
)
def test_a_condition_and_its_opposite(columns, field, value, expected):
    assert found(columns, Condition(field, value)) == expected
    assert found(columns, Condition(field, value, negated=True)) == {entity.id for entity in ENTITIES} - expected


def test_all_have_to_hold_beside_kinds_and_filters(columns):
    bowie, early = Condition("artist", "david bowie"), Condition("year", "1977")
    assert found(columns, bowie, early) == {"heroes"}
    assert found(columns, bowie, filters=Filters(year_gte=1980)) == {"pressure"}
    assert found(columns, bowie, kinds=("album",)) == set()
    assert allowed(columns, (), Filters()) is None


def test_what_is_deleted_is_never_allowed(store):
    store.upsert(ENTITIES)
    store.delete(["heroes"])
    columns = Catalog(store).columns
    assert found(columns, Condition("artist", "david bowie")) == {"pressure"}
    assert "heroes" not in found(columns, Condition(EXACT, "live", negated=True))


def test_an_empty_catalogue_allows_nothing(store):
    columns = Catalog(store).columns
    for field in (EXACT, "title", "artist", "album", "genre"):
        assert allowed(columns, (), Filters(), (Condition(field, "halo"),)).shape == (0,)


@pytest.mark.parametrize(
    ("text", "years"),
    [("1984", (1984, 1984)), ("1980..1989", (1980, 1989)), ("1980-1989", (1980, 1989)), ("1980..", (1980, None)),
     ("..1989", (None, 1989)), ("", None), ("..", None), ("80", None), ("19801989", None), ("nineteen", None)],
)  # fmt: skip
def test_years(text, years):
    assert years_of(text) == years


def test_filters_are_narrowed_by_what_is_typed_and_never_widened():
    given = Filters(values=(("genre", ("pop", "soul")),), year_gte=1985)
    typed = (Condition("year", "1980..1989"), Condition("genre", "pop"), Condition("artist", "u2"),
             Condition("mood", "sad", negated=True))  # fmt: skip
    narrowed = Filters(values=(("genre", ("pop", "soul")), ("genre", ("pop",))), year_gte=1985, year_lte=1989)
    assert filtered(given, typed) == narrowed
    assert filtered(given, ()) == given
