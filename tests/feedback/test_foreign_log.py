"""Logs of other systems become searches and what was done on them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.mapping import parse_mapping
from bandstand.errors import BadInput
from bandstand.feedback.foreign_log import FIELDS, FUNCTIONS, LogRow, Searched, SortedRows, moments, read_log
from bandstand.types import Event

MAP = ["time=ts", "query=q", "user=uid", "clicked=track", "position=rank:from0", "dwell=played:ms"]


def read(path, *given):
    return list(read_log(path, parse_mapping(given, FIELDS, FUNCTIONS)))


def table(tmp_path, *lines):
    path = tmp_path / "log.csv"
    path.write_text("ts,q,uid,track,rank,played\n" + "".join(f"{line}\n" for line in lines))
    return path


def row(time, query="halo", **fields):
    return LogRow(id=str(fields.pop("id", time)), time=float(time), query=query, **{"user": "ana", **fields})


def test_a_row_is_read_by_its_mapping(tmp_path):
    found, bare = read(table(tmp_path, "2024-05-01 10:00:00 UTC,halo,ana,e1,0,1500", "1714557600,,,e2,,"), *MAP)
    assert (found.time, found.query, found.user, found.clicked) == (1714557600.0, "halo", "ana", "e1")
    assert (found.position, found.dwell) == (1, 1.5)
    assert (bare.time, bare.query, bare.user, bare.position, bare.dwell) == (1714557600.0, "", None, None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",halo,ana,e1,,", "time is empty"),
        ("soon,halo,ana,e1,,", "ISO 8601"),
        ("1714557600,,ana,,,", "neither a query nor"),
        ("1714557600,halo,ana,e1,-5,", "position must be"),
        ("1714557600,halo,ana,e1,,-1", "dwell must not"),
        ("1714557600,halo,ana,e1,,x", "must be a number"),
    ],
)
def test_a_row_that_says_too_little_is_rejected_with_its_line(tmp_path, line, reason):
    good, bad = read(table(tmp_path, "1714557600,halo,ana,e1,,", line), *MAP)
    assert isinstance(good, LogRow)
    assert isinstance(bad, Rejected)
    assert bad.line == 3
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("mapped", "reason"),
    [
        ([], "--map time=ts"),
        (["query=q"], "map time"),
        (["time=ts"], "map time"),
        (["time=tz", "query=q"], "no column"),
    ],
)
def test_a_mapping_that_says_too_little_is_refused(tmp_path, mapped, reason):
    with pytest.raises(BadInput, match=reason):
        read(table(tmp_path, "1,halo,ana,e1,,"), *mapped)


def test_ubi_needs_no_mapping_and_an_action_follows_its_search_also_by_a_slow_clock(tmp_path):
    query = {"query_id": "q1", "user_query": "halo", "client_id": "c1", "timestamp": "2024-05-01T10:00:00.500Z"}
    event = {
        "action_name": "Play", "query_id": "q1", "client_id": "c1", "timestamp": "2024-05-01T10:00:00Z",
        "event_attributes": {"object": {"object_id": "e1"}, "position": {"ordinal": 2}, "play_seconds": 40},
    }  # fmt: skip
    path = tmp_path / "ubi.ndjson"
    path.write_text(f"{json.dumps(event)}\n{json.dumps(query)}\n" + '{"timestamp": 1}\n')
    found = read(path)
    assert isinstance(found[2], Rejected)
    rows = SortedRows()
    assert all(rows.add(each) for each in found[:2])
    assert not rows.add(found[0])
    searched, acted = moments(iter(rows))
    rows.close()
    assert (searched.id, searched.text, searched.session) == ("q1", "halo", "c1")
    assert (acted.action, acted.query_id, acted.user_query, acted.object_id) == ("play", "q1", "halo", "e1")
    assert (acted.position, acted.play_seconds) == (2, 40)


def test_rows_of_one_person_and_query_within_half_an_hour_are_one_search():
    rows = [
        row(0),
        row(10, clicked="e1"),
        row(20, query="Halo!", clicked="e2", dwell=31.0),
        row(30, user="bo", clicked="e1"),
        row(1900, clicked="e3"),
        row(1910, query="", clicked="e4", action="Save"),
    ]
    found = list(moments(iter(rows)))
    searches = [each for each in found if isinstance(each, Searched)]
    events = [each for each in found if isinstance(each, Event)]
    assert [(each.time, each.user) for each in searches] == [(0, "ana"), (30, "bo"), (1900, "ana")]
    ids = [each.id for each in searches]
    assert [each.query_id for each in events] == [ids[0], ids[0], ids[1], ids[2], None]
    assert [each.action for each in events] == ["click", "play", "click", "click", "save"]
    assert list(moments(iter(rows))) == found  # ids depend on nothing but the log


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=40))
def test_rows_come_by_time_and_each_id_once(pairs):
    rows = SortedRows()
    for number, (time, name) in enumerate(pairs):
        first = name not in [other for _, other in pairs[:number]]
        assert rows.add(row(time, id=name)) is first
    firsts = {name: (time, number) for number, (time, name) in reversed(list(enumerate(pairs)))}
    expected = sorted((time, number, str(name)) for name, (time, number) in firsts.items())
    assert [each.id for each in rows] == [name for *_, name in expected]
    assert len(rows) == len(firsts)
    rows.close()
