"""Tables of every form give the same records, and a mapping says where each field stands."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.mapping import check_columns, parse_mapping
from bandstand.catalog.readers.tables import columns_of, read_table
from bandstand.errors import BadInput

ROWS = [{"ts": "2024-05-01", "q": "halo, live", "uid": "ana"}, {"ts": "2024-05-02", "q": "hurt", "uid": ""}]


def delimited(delimiter, rows=ROWS):
    def cell(text):
        return f'"{text}"' if delimiter in text else text

    lines = [rows[0].keys(), *(row.values() for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines).encode()


def ndjson(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FORMS = {
    "comma": delimited(","),
    "semicolon": delimited(";"),
    "tab": delimited("\t"),
    "ndjson": ndjson(),
    "packed": gzip.compress(delimited(",")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(tmp_path, form):
    path = tmp_path / "log"
    path.write_bytes(FORMS[form])
    assert [record for _, record in read_table(path)] == ROWS
    assert columns_of(path) == ("ts", "q", "uid")


def test_parquet_keeps_types_and_counts_rows(tmp_path):
    rows = [{"ts": number, "object": {"id": f"e{number}"}} for number in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet", row_group_size=2)
    assert list(read_table(tmp_path / "log.parquet")) == list(enumerate(rows, start=1))
    (tmp_path / "half.parquet").write_bytes((tmp_path / "log.parquet").read_bytes()[:40])
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        list(read_table(tmp_path / "half.parquet"))


def test_a_row_that_cannot_be_read_costs_only_itself(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,2\n1\n3,4\n")
    found = list(read_table(path))
    assert [line for line, _ in found] == [2, 3, 4]
    assert isinstance(found[1][1], Rejected)
    path.write_text('{"a": 1}\nnonsense\n[1]\n')
    assert [isinstance(record, Rejected) for _, record in read_table(path)] == [False, True, True]


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_file_without_a_header_is_refused(tmp_path, content):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(BadInput, match="names the columns"):
        read_table(tmp_path / "log.csv")


def test_a_mapping_reads_columns_nested_values_and_functions():
    mapping = parse_mapping(["time=ts:ms", "clicked=object.id", "query=q:raw"], ("time", "clicked", "query"), {"ms"})
    record = {"ts": 5, "object": {"id": "halo"}, "q:raw": " "}
    functions = {"ms": lambda value: value / 1000}
    assert {field: each.read(record, functions) for field, each in mapping.items()} == {
        "time": 0.005, "clicked": "halo", "query": None,
    }  # fmt: skip
    assert mapping["clicked"].read({"object": None}, {}) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["when=ts"], "there is no field 'when'"),
        (["tme=ts"], "did you mean time"),
        (["time"], "write FIELD=COLUMN"),
        (["time="], "write FIELD=COLUMN"),
        (["time=a", "time=b"], "mapped twice"),
    ],
)
def test_a_mapping_that_says_nothing_is_refused(given, reason):
    with pytest.raises(BadInput, match=reason):
        parse_mapping(given, ("time", "query"))


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    mapping = parse_mapping({"time": "tss"}, ("time",))
    with pytest.raises(BadInput, match="did you mean ts"):
        check_columns(mapping, ("ts", "q"))
    check_columns(parse_mapping({"time": "event.ts"}, ("time",)), ("event",))
