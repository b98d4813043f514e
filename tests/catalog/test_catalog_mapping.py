"""Entities from tables of any form: mapped fields, other columns, every way to write a value, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from datetime import UTC, date, datetime
from math import log1p
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from bandstand.catalog.readers import cells
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.entity_map import TableReader, entity_map
from bandstand.catalog.readers.mapping import expression_of, pairs_of
from bandstand.catalog.readers.registry import reader_for
from bandstand.catalog.readers.sql import sql_table
from bandstand.errors import BadInput, MissingDependency
from bandstand.types import Attribute, Entity, Field

RECORDS = (
    {"track_id": 1, "track_name": "Halo", "by": "Beyoncé", "with": "", "plays": 999, "out": "2008-11-14", "bpm": 80},
    {"track_id": 2, "track_name": "Crazy", "by": "Beyoncé", "with": "Jay-Z", "plays": 0, "out": "", "bpm": 99.5},
)  # fmt: skip
MAP = entity_map(
    pairs_of(["id=track_id", "title=track_name", "artists=by+with", "popularity=plays:log", "released=out"]),
    kind="track",
)
EXPECTED = [
    Entity(id="1", kind="track", title="Halo", artists=("Beyoncé",), popularity=1.0, released="2008-11-14",
           fields=(Field("bpm", 80),)),
    Entity(id="2", kind="track", title="Crazy", artists=("Beyoncé", "Jay-Z"), fields=(Field("bpm", 99.5),)),
]  # fmt: skip


def delimited(delimiter):
    lines = [RECORDS[0].keys(), *(map(str, record.values()) for record in RECORDS)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


FORMS = {
    "csv": delimited(","),
    "semicolons": delimited(";"),
    "tsv": delimited("\t"),
    "packed": gzip.compress(delimited(","), mtime=0),
    "ndjson": "".join(json.dumps(record) + "\n" for record in RECORDS).encode(),
    "json": json.dumps(RECORDS, indent=1).encode(),
    "packed json": gzip.compress(json.dumps(RECORDS).encode(), mtime=0),
}


def read(path, mapping):
    rows = list(TableReader("csv", mapping).read(path))
    rejected = {row.line: row.reason for row in rows if isinstance(row, Rejected)}
    return [row.entity for row in rows if isinstance(row, Row)], rejected


def one(tmp_path, record, *mapped, **asked):
    """The entity of one record of JSON, or why there is none."""
    (tmp_path / "one.json").write_text(json.dumps([{"id": "a", "title": "A", **record}]))
    entities, rejected = read(tmp_path / "one.json", entity_map(pairs_of(mapped), kind="track", **asked))
    return entities[0] if entities else next(iter(rejected.values()))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_entities(tmp_path, form):
    (tmp_path / "songs").write_bytes(FORMS[form])
    assert read(tmp_path / "songs", MAP) == (EXPECTED, {})
    assert list(reader_for(tmp_path / "songs", None, MAP).read(tmp_path / "songs"))


def test_parquet(tmp_path):
    pq.write_table(pa.Table.from_pylist(list(RECORDS)), tmp_path / "songs.parquet", row_group_size=1)
    assert read(tmp_path / "songs.parquet", MAP) == (EXPECTED, {})


def test_parquet_with_nothing_in_cells_lists_and_times(tmp_path):
    columns = {
        "id": ["a", "b"], "title": ["A", "B"], "artists": [["X", "Y"], None], "popularity": [float("nan"), 0.5],
        "released": [datetime(2020, 3, 1, 12, tzinfo=UTC), None], "genre": [["jazz"], []],
        "day": [date(2024, 1, 2), None],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "songs.parquet")
    entities, rejected = read(tmp_path / "songs.parquet", entity_map(kind="album"))
    assert rejected == {}
    assert entities == [
        Entity(id="a", kind="album", title="A", artists=("X", "Y"), attributes=(Attribute("genre", "jazz"),),
               released="2020-03-01", fields=(Field("day", "2024-01-02"),)),
        Entity(id="b", kind="album", title="B", popularity=0.5),
    ]  # fmt: skip


def sql_rows(url, query):
    return [row.entity for row in MAP.rows(sql_table(url, query))]


def test_a_query_of_sqlite(tmp_path):
    with sqlite3.connect(tmp_path / "music.db") as database:
        database.execute('CREATE TABLE songs (track_id, track_name, "by", "with", plays, out, bpm)')
        database.executemany("INSERT INTO songs VALUES (?, ?, ?, ?, ?, ?, ?)", [tuple(r.values()) for r in RECORDS])
    database.close()
    url = f"sqlite:///{tmp_path / 'music.db'}"
    assert sql_rows(url, "SELECT * FROM songs WHERE out != '12:30' ORDER BY 1") == EXPECTED
    assert sql_rows(url, "SELECT * FROM songs WHERE plays < 0") == []
    for query, says in (("SELECT * FROM songz", "no such table"), ("DELETE FROM songs", "SELECT")):
        with pytest.raises(BadInput, match=says):
            sql_table(url, query)
    with pytest.raises(BadInput, match="there is no file"):
        sql_table(f"sqlite:///{tmp_path / 'missing.db'}", "SELECT 1")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(MissingDependency, match="driver"):
        sql_table("nosuchdatabase://x/y", "SELECT 1")
    with pytest.raises(BadInput, match="no address"):
        sql_table("://", "SELECT 1")


@pytest.fixture(scope="module")
def postgres():
    """The address of a PostgreSQL of its own, where one is installed; nothing that must run needs it."""
    initdb = shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql, and its programs on the PATH)")
    nobody = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}  # it refuses to run for root

    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **nobody)

    with tempfile.TemporaryDirectory() as folder:
        if nobody:
            shutil.chown(folder, "nobody")
        control = [str(Path(initdb).with_name("pg_ctl")), "-D", f"{folder}/data", "-w"]
        run(initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "ana", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(*control, "-o", options, "-l", f"{folder}/log", "start")
        yield f"postgresql://ana:secret@/postgres?host={folder}"
        run(*control, "-m", "immediate", "stop")


def test_a_query_of_postgres(postgres):
    query = """SELECT * FROM (VALUES (1, 'Halo', 'Beyoncé', '', 999::numeric, '2008-11-14'::date, 80),
        (2, 'Crazy', 'Beyoncé', 'Jay-Z', 0, NULL, 99.5::real))
        AS songs (track_id, track_name, "by", "with", plays, out, bpm)
        WHERE track_name LIKE '%a%'"""
    first, second = sql_rows(postgres, query)
    assert first == EXPECTED[0]
    assert second == EXPECTED[1]
    with pytest.raises(BadInput, match="nothing") as refused:
        sql_table(postgres, "SELECT * FROM nothing")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("mapped", "record", "field", "expected"),
    [
        ("title=name", {"name": "Halo"}, "title", "Halo"),
        ("title=song.name", {"song": {"name": "Halo"}}, "title", "Halo"),
        ("title=first+last", {"first": "Miles", "last": "Davis"}, "title", "Miles Davis"),
        ("title='Untitled'", {}, "title", "Untitled"),
        ("artists=by", {"by": "X|Y"}, "artists", ("X", "Y")),
        ("artists=by", {"by": '["X|Y", "[Z"]'}, "artists", ("X|Y", "[Z")),
        ("artists=by", {"by": "[untitled]|Y"}, "artists", ("[untitled]", "Y")),
        ("artists=by:split:;", {"by": "X; Y ;"}, "artists", ("X", "Y")),
        ("artists=by:split:, ", {"by": "X, Y"}, "artists", ("X", "Y")),
        ("artists=one+other", {"one": ["X", "Y"], "other": "Z"}, "artists", ("X", "Y", "Z")),
        ("duration=length", {"length": "3:45"}, "duration", 225.0),
        ("duration=length", {"length": "1:02:03.5"}, "duration", 3723.5),
        ("duration=length:ms", {"length": 225_000}, "duration", 225.0),
        ("genre=style", {"style": "jazz|bop"}, "attributes", (Attribute("genre", "jazz"), Attribute("genre", "bop"))),
        ("attributes.colour=c", {"c": {"blue": 0.5}}, "attributes", (Attribute("colour", "blue", 0.5),)),
        ("attributes=a", {"a": "genre=jazz:0.9|mood=calm"}, "attributes",
         (Attribute("genre", "jazz", 0.9), Attribute("mood", "calm"))),
        ("fields.label=l", {"l": "4AD"}, "fields", (Field("label", "4AD"),)),
        ("url=where", {"where": "https://example.org/a"}, "url", "https://example.org/a"),
        ("popularity=plays", {"plays": 0.25}, "popularity", 0.25),
        ("popularity=plays", {"plays": 80}, "popularity", 1.0),
        ("released=year", {"year": 1959}, "released", "1959"),
    ],
)  # fmt: skip
def test_expressions(tmp_path, mapped, record, field, expected):
    assert getattr(one(tmp_path, record, mapped), field) == expected


def test_columns_are_known_by_their_names_and_others_kept_or_not(tmp_path):
    record = {"Album": "X", "year": 1999, "mood": "calm", "Label": "4AD", "tags": ["a"], "none": None, "live": False}
    kept = one(tmp_path, record)
    assert (kept.album, kept.released, kept.attributes) == ("X", "1999", (Attribute("mood", "calm"),))
    assert kept.fields == (Field("Label", "4AD"), Field("tags", ("a",)), Field("live", False))
    assert one(tmp_path, record, unknown="ignore").fields == ()
    with pytest.raises(BadInput, match="unknown column 'Label'"):
        one(tmp_path, record, unknown="refuse")
    assert "fields.song" in one(tmp_path, {"song": {"name": "x"}})


def test_texts_of_tables_without_types_become_what_they_are(tmp_path):
    (tmp_path / "x.csv").write_text("id,title,bpm,live,isrc,key,rate\n7,A,120,TRUE,0012,,-1.5\n")
    entities, _ = read(tmp_path / "x.csv", entity_map(kind="track"))
    assert entities[0].id == "7"
    assert entities[0].fields == (Field("bpm", 120), Field("live", True), Field("isrc", "0012"), Field("rate", -1.5))


def test_popularity_of_any_scale_is_divided_by_the_greatest(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,title,popularity\na,A,50\nb,B,200\nc,C,\nd,D,-3\ne,E,lots\n")
    entities, rejected = read(path, entity_map(kind="track"))
    assert [entity.popularity for entity in entities] == [0.25, 1.0, 0.0]
    assert rejected == {5: "popularity must not be negative, but is '-3'", 6: "popularity must be a number, not 'lots'"}
    entities, _ = read(path, entity_map([("popularity", "popularity:log")], kind="track"))
    assert entities[0].popularity == pytest.approx(log1p(50) / log1p(200))
    path.write_text("id,title,popularity\na,A,0.5\nb,B,0.9\n")
    assert [entity.popularity for entity in read(path, entity_map(kind="track"))[0]] == [0.5, 0.9]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1959", "1959"), (1959, "1959"), (1959.0, "1959"), ("1959-08", "1959-08"), ("1959-8-7", "1959-08-07"),
        ("1959-08-17", "1959-08-17"), ("1959-08-17T12:30:00Z", "1959-08-17"), ("1959-08-17 00:00:00", "1959-08-17"),
        ("1959/08/17", "1959-08-17"), ("1959-00-00", "1959"), ("1959-08-00", "1959-08"), ("0000-00-00", None),
        ("17.8.1959", "1959-08-17"), ("17/8/1959", "1959-08-17"), ("8/17/1959", "1959-08-17"), (19590817, "1959-08-17"),
        ("19590817", "1959-08-17"), (1_226_620_800, "2008-11-14"), (1_226_620_800_000, "2008-11-14"),
        ("1226620800", "2008-11-14"), (-327_628_800, "1959-08-15"), (date(1959, 8, 17), "1959-08-17"), (0, None),
    ],
)  # fmt: skip
def test_dates_in_common_forms(value, expected):
    assert cells.released(value) == expected


@pytest.mark.parametrize(
    "value", ["soon", "7/8/1959", "32.1.1959", "1959-13", "1959-02-30", 12345, "19591317", "1.2.59"]
)
def test_what_is_no_date_or_may_be_two_is_refused(value):
    with pytest.raises(BadInput):
        cells.released(value)


def test_the_order_of_day_and_month_can_be_said(tmp_path):
    assert one(tmp_path, {"out": "7/8/1959"}, "released=out:dmy").released == "1959-08-07"
    assert one(tmp_path, {"out": "7/8/1959"}, "released=out:mdy").released == "1959-07-08"
    assert "released=COLUMN:dmy" in one(tmp_path, {"out": "7/8/1959"}, "released=out")


def test_what_says_nothing_is_no_number_whatever_reads_it():
    assert expression_of("plays:log", cells.FUNCTIONS).read({"plays": float("nan")}, cells.FUNCTIONS) is None


@pytest.mark.parametrize(
    ("mapped", "says"),
    [
        ("titel=name", "did you mean title"),
        ("gnre=name", "did you mean genre"),
        ("colour=name", "your own: fields.colour"),
        ("attributes.=name", "no field"),
        ("title=nmae", "did you mean name"),
        ("title=first+name", "'first', which is no column"),
    ],
)
def test_what_there_is_not_is_refused_with_the_nearest(tmp_path, mapped, says):
    with pytest.raises(BadInput, match=says):
        one(tmp_path, {"name": "x"}, mapped)


def test_what_is_asked_twice_or_wrongly_is_refused(tmp_path):
    with pytest.raises(BadInput, match="mapped twice"):
        entity_map([("genre", "a"), ("attributes.genre", "b")])
    with pytest.raises(BadInput, match="keep, refuse, ignore"):
        entity_map(unknown="drop")
    (tmp_path / "lists").mkdir()
    with pytest.raises(BadInput, match="--map, --kind and --unknown are for tables"):
        reader_for(tmp_path / "lists", "library", entity_map(kind="track"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b'[{"id": 1}, ', "JSON array"), (b'[{"id": "\xff"}]', "JSON array")],
)
def test_a_damaged_array_is_refused(tmp_path, content, says):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        read(tmp_path / "x.json", MAP)


def test_what_is_no_object_costs_only_its_row(tmp_path):
    (tmp_path / "x.json").write_bytes(b'[1, {"id": "a", "title": "A"}, [2]]')
    entities, rejected = read(tmp_path / "x.json", entity_map(kind="track"))
    assert [entity.id for entity in entities] == ["a"]
    assert rejected == dict.fromkeys((1, 3), "a row must be a JSON object")
    (tmp_path / "x.json").write_bytes(b"[]")
    assert read(tmp_path / "x.json", MAP) == ([], {})
