"""What is exported is ingested as the same entities, in every form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand.catalog.export import export
from bandstand.catalog.readers.base import Row
from bandstand.catalog.readers.registry import reader_for
from bandstand.errors import BadInput, StorageError
from bandstand.types import Attribute, Entity, Field

FORMS = ("x.ndjson", "x.jsonl.gz", "x.csv", "x.csv.gz", "x.parquet")
AWKWARD = Entity(
    id='a,"b"', kind="playlist", title="[A]|B", artists=("[x", "y|z"), album='"', aliases=("a\r\nb\rc", "=1+1"),
    attributes=(Attribute("genre", "drum: and=bass", 0.1), Attribute("genre", "a|b"), Attribute("mood", "{sad}", 1e-6)),
    popularity=0.1, released="1984-07", members=tuple(f"member {number}" for number in range(20_000)),
    url="https://example.org/?a=1,2", image="/i.png", duration=0.0,
    fields=(Field("Bpm", 1.0), Field("n", 7), Field("s", "7"), Field("no", False), Field("l", ("a", "b|c")),
            Field("e", ())),
)  # fmt: skip


def again(path, entities):
    assert export(iter(entities), path) == len(entities)
    rows = list(reader_for(path).read(path))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.entity for row in rows]


@pytest.mark.parametrize("name", FORMS)
def test_awkward_entities_come_back_as_they_were(tmp_path, name):
    entities = [
        replace(AWKWARD, id="a,b"),
        Entity(id="007", kind="track", title="1984"),
        replace(AWKWARD, id="x", fields=()),
    ]
    assert again(tmp_path / name, entities) == entities
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x.ndjson", "x.csv", "x.parquet"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_goes_out_comes_in(tmp_path_factory, any_entity, name, data):
    entities = data.draw(st.lists(any_entity, min_size=1, max_size=3))
    assert again(tmp_path_factory.mktemp("out") / name, entities) == entities


def test_an_empty_catalogue_is_an_empty_file(tmp_path):
    for name in FORMS:
        assert export(iter(()), tmp_path / name) == 0


@pytest.mark.parametrize("name", ["x", "x.txt", "x.gz", "x.parquet.gz", "csv"])
def test_a_name_that_says_no_format_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match=r"\.ndjson, \.csv .*\.parquet"):
        export(iter(()), tmp_path / name)


def test_what_fails_leaves_what_was_there(tmp_path):
    def failing():
        yield Entity(id="a", kind="track", title="A")
        raise KeyError("gone")

    (tmp_path / "x.csv").write_text("before")
    with pytest.raises(KeyError):
        export(failing(), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "before"
    with pytest.raises(StorageError, match="cannot write"):
        export(iter(()), tmp_path / "missing" / "x.csv")
