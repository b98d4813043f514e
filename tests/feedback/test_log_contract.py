"""What every log promises, in a file and on a cluster; delivery, which only a cluster needs, happens in between."""

import pytest

from bandstand.errors import NotFound
from bandstand.feedback.joined import joined
from bandstand.feedback.log import Control, Spared
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.opensearch.log import OpenSearchLog
from bandstand.types import Impression
from tests.support.log_entries import followed, names


@pytest.fixture(params=["embedded", "opensearch"])
def log(request, tmp_path, make):
    if request.param == "embedded":
        opened = SqliteLog(tmp_path / "log.sqlite", clock=lambda: make.now)
    else:
        opened = OpenSearchLog(
            tmp_path / "log.sqlite", request.getfixturevalue("cluster"), clock=lambda: make.now, deliver=False
        )
    with opened:
        yield opened


def finalize(log):
    """Let everything that was appended be readable, and be found by those who search for it."""
    log.deliver()
    if isinstance(log, OpenSearchLog):
        log.count()
        for part in ("ubi_events", "ubi_queries"):
            log._order._cluster.refresh(log._order._cluster.index(part))


def test_an_empty_log(log):
    finalize(log)
    assert (log.head(), log.count(), log.read(0, 10), log.events_of("q1", limit=3), list(joined(log))) == (
        0,
        0,
        [],
        [],
        [],
    )
    with pytest.raises(NotFound, match="q1"):
        log.impression("q1")


def test_where_the_newest_searches_begin(log, make):
    for number in range(4):
        log.append_impression(make.impression(f"q{number}"))
        log.append_events([make.event(f"e{number}")])
    finalize(log)
    newest = [search.impression.query.id for search in joined(log, after=log.before_newest(2))]
    assert newest == ["q2", "q3"]
    assert log.before_newest(4) == log.before_newest(100) == 0


def test_one_order_and_every_id_once(log, make):
    log.append_impression(make.impression("q1"))
    log.append_impression(make.impression("q1", text="another"))
    assert log.append_events([make.event("e1"), make.event("e1"), make.event("e2")])[:2] == (2, 1)
    finalize(log)
    assert log.append_events([make.event("e2", object_id="c"), make.event("q1")])[:2] == (1, 1)
    finalize(log)
    entries = followed(log, page=2)
    assert names(entries) == [("impression", "q1"), ("event", "e1"), ("event", "e2"), ("event", "q1")]
    assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
    assert entries[-1].seq == log.head()
    assert entries[0].record.query.text == log.impression("q1").query.text == "sigur ros"
    assert entries[2].record == make.event("e2")
    assert {entry.time for entry in entries} == {make.now}
    assert (log.count(), log.count("impression"), log.count("event")) == (4, 1, 3)


def test_reading_by_position_limit_and_kind(log, make):
    for number in range(12):
        log.append_events([make.event(f"e{number}")])
        log.append_impression(make.impression(f"q{number}"))
    finalize(log)
    whole = followed(log)
    for place in (0, 5, 23):
        assert names(log.read(whole[place].seq, 4)) == names(whole[place + 1 : place + 5])
    events = log.read(whole[3].seq, 5, kind="event")
    assert names(events) == [("event", f"e{number}") for number in range(2, 7)]


def test_events_of_a_search_in_their_order(log, make):
    log.append_events([make.event(f"e{number}", query_id=f"q{number % 2}") for number in range(6)])
    finalize(log)
    assert [event.id for event in log.events_of("q1", limit=2)] == ["e1", "e3"]
    each = log.events_of_each(["q1", "none", "q0"], limit=9)
    assert [[event.id for event in events] for events in each] == [["e1", "e3", "e5"], [], ["e0", "e2", "e4"]]


def test_what_was_appended_is_reached_by_who_has_read_it(log, make):
    first = log.append_events([make.event("e1")]).last_seq
    order = log.append_control("forget_user", {"user_id": "u7"})
    finalize(log)
    other = log.read(0, 2)[1]
    assert log.reached(other.seq, order)
    assert log.reached(other.seq, first)
    assert not log.reached(0, order)
    assert other.record == Control(kind="forget_user", payload={"user_id": "u7"})
    log.drop_control(other.seq)
    assert names(followed(log)) == [("event", "e1")]
    assert log.waiting() == 0


def test_a_user_goes_with_unnamed_events_on_own_searches(log, make):
    log.append_impression(make.impression("mine", user="u1"))
    log.append_impression(make.impression("theirs", user="u2"))
    log.append_events([make.event("a", query_id="mine", user=None), make.event("b", query_id="theirs", user="u1")])
    log.append_events([make.event("c", query_id="theirs", user=None), make.event("d", query_id="mine", user="u2")])
    finalize(log)
    assert log.delete_user("u1") == {"impressions": 1, "events": 2}
    assert log.delete_user("u1") == {"impressions": 0, "events": 0}
    assert names(followed(log)) == [("impression", "theirs"), ("event", "c"), ("event", "d")]


def test_with_a_user_goes_what_names_nobody_in_their_sessions(log, make):
    log.append_impression(make.impression("named", user="u1", session="s1"))
    log.append_impression(make.impression("before", user=None, session="s1"))
    log.append_impression(make.impression("neighbour", user="u2", session="s1"))
    log.append_impression(make.impression("elsewhere", user=None, session="s2"))
    log.append_events(
        [
            make.event("a", query_id="before", user=None),
            make.event("b", query_id="elsewhere", user="u1", session_id="s3"),
            make.event("c", query_id="elsewhere", user=None, session_id="s3"),
            make.event("d", query_id="neighbour", user=None),
        ]
    )
    finalize(log)
    assert log.sessions_of("u1") == ["s1", "s3"]
    assert log.sessions_of("u9") == []
    theirs = log.records_of("u1", ["s1", "s3"])
    assert sorted(one.query.id if isinstance(one, Impression) else one.id for one in theirs) == [
        "a", "b", "before", "c", "named"
    ]  # fmt: skip
    assert log.delete_user("u1", ["s1", "s3"]) == {"impressions": 2, "events": 3}
    assert list(log.records_of("u1", ["s1", "s3"])) == []
    assert names(followed(log)) == [("impression", "neighbour"), ("impression", "elsewhere"), ("event", "d")]


def test_old_entries_go(log, make):
    log.append_events([make.event("e1")])
    finalize(log)
    assert log.prune(make.now - 1) == 0
    assert log.prune(make.now + 1) == 1
    assert followed(log) == []


def test_a_search_that_was_read_is_not_found_once_its_user_is_deleted(log, make):
    log.append_impression(make.impression("q1", user="u1"))
    log.append_impression(make.impression("q2", user="u2"))
    finalize(log)
    assert names(followed(log)) == [("impression", "q1"), ("impression", "q2")]
    log.delete_user("u1")
    with pytest.raises(NotFound, match="q1"):
        log.impression("q1")
    assert log.impression("q2").query.user_id == "u2"


def test_what_is_appended_is_acknowledged_before_it_is_delivered(log, make):
    assert log.append_events([make.event("e1"), make.event("e2")]).accepted == 2
    log.append_impression(make.impression("q1"))
    assert log.impression("q1").query.id == "q1"
    log.deliver()
    assert (log.waiting(), log.deliver(), log.head()) == (0, 0, 3)


def test_what_is_spared_stays(log, make):
    for name in ("parked", "old"):
        log.append_impression(make.impression(name))
    log.append_events([make.event("a", query_id="parked"), make.event("b", query_id="old")])
    log.append_events([make.event("c"), make.event("d")])
    finalize(log)
    alone = next(entry.seq for entry in followed(log) if entry.kind == "event" and entry.record.id == "c")
    spared = Spared(seqs={alone}, searches={"parked"})
    assert log.prune(make.now + 1, spared=spared) == 3
    assert names(followed(log)) == [("impression", "parked"), ("event", "a"), ("event", "c")]
    assert log.prune(make.now + 1, spared=spared) == 0


def test_entries_are_deleted_one_by_one(log, make):
    for name in ("q1", "q2"):
        log.append_impression(make.impression(name))
    log.append_events([make.event("e1"), make.event("e2")])
    log.append_control("kept", {})
    finalize(log)
    gone = [entry for entry in log.read(0, 10) if names([entry])[0][1] in {"q1", "e2"}]
    assert log.delete(gone) == 2
    assert log.delete([]) == 0
    finalize(log)
    assert names(entry for entry in followed(log) if entry.kind != "control") == [("impression", "q2"), ("event", "e1")]
    with pytest.raises(NotFound, match="q1"):
        log.impression("q1")
