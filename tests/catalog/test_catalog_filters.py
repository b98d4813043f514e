"""Which entities filters let pass: by hand on a small catalogue, and against each entity by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand.catalog.columns import Catalog
from bandstand.catalog.conditions import Scope, check_filters
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.engine.filters import filters_of
from bandstand.errors import BadInput
from bandstand.types import Attribute, Clause, Entity, Field, Filters


def track(id_, **fields):
    free = tuple(Field(name, value) for name, value in fields.pop("fields", {}).items())
    return Entity(id=id_, kind="track", title=id_, fields=free, **fields)


ENTITIES = (
    track("slow", released="1984-05-06", duration=300.0, popularity=0.9, fields={"bpm": 70, "Label": "Blue Note"},
          attributes=(Attribute("Genre", "Hip Hop", 0.4), Attribute("mood", "sad"))),
    track("fast", released="1999", fields={"bpm": 180.5, "label": "4AD", "explicit": True, "tags": ("Live", "B-side")},
          url="https://example.org/fast"),
    track("mixed", released="2008-11", popularity=0.5, fields={"bpm": "fast", "label": "blue note", "explicit": False}),
    Entity(id="bare", kind="artist", title="bare"),
)  # fmt: skip


@pytest.fixture
def catalog(tmp_path):
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(ENTITIES)
    yield Catalog(store)
    store.close()


def passed(catalog, raw):
    return set(catalog.columns.ids[catalog.columns.mask((), filters_of(raw))])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"bpm": {"gte": 70, "lt": 180.5}}, {"slow"}),
        ({"bpm": {"gt": 70}}, {"fast", "mixed"}),  # "fast" comes after "70"
        ({"bpm": {"lte": 180.5}}, {"slow", "fast"}),
        ({"bpm": [70, "fast"]}, {"slow", "mixed"}),
        ({"bpm": 70.0}, {"slow"}),
        ({"label": "BLUE-NOTE"}, {"slow", "mixed"}),
        ({"LABEL": "4ad"}, {"fast"}),
        ({"label": {"exists": True}}, {"slow", "fast", "mixed"}),
        ({"label": {"exists": False}}, {"bare"}),
        ({"explicit": True}, {"fast"}),
        ({"explicit": {"exists": True}, "not": {"explicit": True}}, {"mixed"}),
        ({"tags": "b side"}, {"fast"}),
        ({"tags": ["b side", "nothing"], "not": {"tags": "live"}}, set()),
        ({"released": {"gte": "1999"}}, {"fast", "mixed"}),
        ({"released": {"gt": "1984-05"}}, {"fast", "mixed"}),
        ({"released": {"lte": "1984-05"}}, {"slow"}),
        ({"released": {"gte": "1984-05-07", "lt": "2008"}}, {"fast"}),
        ({"released": {"gte": 1999, "lte": 1999}}, {"fast"}),
        ({"year": {"gte": 1985}}, {"fast", "mixed"}),
        ({"year": {"gt": 1984, "lt": 2008}}, {"fast"}),
        ({"not": {"year": 1984}}, {"fast", "mixed", "bare"}),
        ({"year": {"exists": False}}, {"bare"}),
        ({"duration": {"gte": 200}}, {"slow"}),
        ({"popularity": {"gte": 0.9}}, {"slow"}),
        ({"popularity": {"lt": 0.5}}, {"fast", "bare"}),
        ({"kind": "artist"}, {"bare"}),
        ({"not": {"kind": ["artist"]}}, {"slow", "fast", "mixed"}),
        ({"url": {"exists": True}}, {"fast"}),
        ({"genre": ["jazz", "hip-hop"]}, {"slow"}),
        ({"genre": {"exists": True}}, {"slow"}),
        ({"not": {"genre": "hip hop", "tags": "live"}}, {"mixed", "bare"}),
        ({"genre": []}, set()),
        ({"not": {"genre": []}}, {"slow", "fast", "mixed", "bare"}),
        ({}, {"slow", "fast", "mixed", "bare"}),
    ],
)
def test_filters_let_pass(catalog, raw, expected):
    assert passed(catalog, raw) == expected


def test_what_changes_is_filtered_by_what_it_is_now(catalog):
    before = catalog.columns
    catalog.store.upsert([replace(ENTITIES[0], fields=(Field("label", "Verve"),)), replace(ENTITIES[3], duration=9.0)])
    catalog.store.delete(["fast"])
    catalog.refresh()
    assert passed(catalog, {"label": "blue note"}) == {"mixed"}
    assert passed(catalog, {"label": "verve"}) == {"slow"}
    assert passed(catalog, {"duration": {"lt": 10}}) == {"bare"}
    assert passed(catalog, {"url": {"exists": True}}) == passed(catalog, {"bpm": {"gte": 70, "lt": 181}}) == set()
    assert set(before.ids[before.mask((), filters_of({"label": "blue note"}))]) == {"slow", "mixed"}


NAMES = ("bpm", "label", "genre", "released", "year", "popularity")
WORDS = st.sampled_from(["70", "blue note", "4ad", "1984", "1999-02", "sad", ""])
NUMBERS = st.sampled_from([-3.5, 0.0, 0.5, 70.0, 1984.0])
VALUES = st.one_of(WORDS.filter(bool), NUMBERS, st.booleans(), st.lists(WORDS.filter(bool), max_size=2).map(tuple))
CLAUSES = st.builds(
    Clause,
    field=st.sampled_from(NAMES),
    values=st.none() | st.lists(WORDS, max_size=2).map(tuple),
    gte=st.none() | NUMBERS | WORDS,
    lt=st.none() | NUMBERS | WORDS,
    exists=st.none() | st.booleans(),
    negated=st.booleans(),
)
RANDOM = st.builds(
    track,
    st.just("x"),
    released=st.none() | st.sampled_from(["1984", "1999-02", "1999-02-03"]),
    popularity=st.sampled_from([0.0, 0.5, 1.0]),
    attributes=st.sampled_from([(), (Attribute("genre", "Sad"),), (Attribute("label", "4AD"),)]),
    fields=st.dictionaries(st.sampled_from(["bpm", "label"]), VALUES, max_size=2),
)


def one_by_one(clause: Clause, entity: Entity) -> bool:
    """Whether an entity meets a clause, by its own values."""
    held = [each.value for each in entity.fields if each.name == clause.field]
    flat = [value for each in held for value in (each if isinstance(each, tuple) else (each,))]
    flat += [value for value in (getattr(entity, clause.field, None),) if value is not None]
    named = [each.value for each in entity.attributes if each.name == clause.field]
    checks = []
    if clause.values is not None:
        checks.append(any(equal(value, wanted) for value in [*flat, *named] for wanted in clause.values))
    if clause.bounds:
        checks.append(any(within(value, clause.bounds) for value in flat))
    if clause.exists is not None:
        checks.append(bool(held or flat or named) == clause.exists)
    return all(checks) != clause.negated


def number(value):
    try:
        return float(value)
    except ValueError:
        return None


def words(value):
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    return text.lower().replace("-", " ").strip()


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(value, wanted):
    return number(wanted) == value if is_number(value) else words(value) == words(wanted)


def within(value, bounds):
    if is_number(value):
        limits = {name: number(bound) for name, bound in bounds.items()}
        return None not in limits.values() and limits.get("gte", value) <= value and not value >= limits.get("lt", 1e99)
    text, limits = words(value), {name: words(bound) for name, bound in bounds.items()}
    return text >= limits.get("gte", "") and text < limits.get("lt", "\U0010ffff")


@given(st.lists(RANDOM, min_size=1, max_size=4), st.lists(CLAUSES, min_size=1, max_size=2))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mask_is_what_each_entity_meets(tmp_path_factory, entities, clauses):
    named = [replace(entity, id=str(at)) for at, entity in enumerate(entities)]
    store = SqliteStore(tmp_path_factory.mktemp("random") / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(named)
    mask = Catalog(store).columns.mask((), Filters(clauses=tuple(clauses)))
    store.close()
    expected = [all(one_by_one(clause, entity) for clause in clauses) for entity in named]
    np.testing.assert_array_equal(mask, expected)


def test_two_filters_hold_together(catalog):
    one, other = filters_of({"year": {"gte": 1990}, "label": ["4ad", "verve"]}), filters_of({"year": {"lte": 2000}})
    assert set(catalog.columns.ids[catalog.columns.mask((), one & other)]) == {"fast"}
    assert set(catalog.columns.ids[catalog.columns.mask((), one & filters_of({"label": "verve"}))]) == set()
    assert Filters() & one == one == one & Filters()


@pytest.mark.parametrize(
    ("name", "meant"), [("gnre", "genre"), ("lable", "label"), ("popularty", "popularity"), ("yaer", "year")]
)
def test_an_unknown_field_is_refused_with_the_nearest(catalog, name, meant):
    for raw in ({name: ["x"]}, {"not": {name: ["x"]}}, {name: {"exists": True}}):
        with pytest.raises(BadInput, match=f"{name}.*{meant}") as refused:
            check_filters(catalog.columns, filters_of(raw))
        assert refused.value.field == "filters"


def test_a_scope_of_everything_asks_nothing(catalog):
    assert Scope().allowed(catalog.columns) is None
    with pytest.raises(BadInput, match=r"known are.*label"):
        Scope(filters=filters_of({"zzz": "x"})).allowed(catalog.columns)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"genre": None}, "filters.genre"),
        ({"genre": [["jazz"]]}, "filters.genre.0"),
        ({"genre": ["x"] * 1001}, "filters.genre"),
        ({"genre": ["x" * 2001]}, "filters.genre.0"),
        ({"bpm": {}}, "filters.bpm"),
        ({"bpm": {"from": 3}}, "filters.bpm.from"),
        ({"bpm": {"gte": None}}, "filters.bpm.gte"),
        ({"bpm": {"gte": True}}, "filters.bpm.gte"),
        ({"bpm": {"exists": "yes"}}, "filters.bpm.exists"),
        ({"year": "1984"}, "filters.year"),
        ({"year": {"gte": 12_000}}, "filters.year.gte"),
        ({"not": {"year": {"lt": "soon"}}}, "filters.not.year.lt"),
        ({"not": ["jazz"]}, "filters.not"),
        ({str(number): ["x"] for number in range(101)}, "filters"),
    ],
)
def test_what_is_no_filter_is_named(raw, field):
    with pytest.raises(BadInput) as refused:
        filters_of(raw)
    assert refused.value.field == field
