"""What every log promises, on one machine and on a cluster; delivery, which only a cluster has, happens in between."""

import pytest

from bandstand.errors import NotFound
from bandstand.feedback.joined import joined
from bandstand.feedback.log import Control, Log, Spared
from bandstand.opensearch.log import ClusterLog
from tests.support.log_entries import NOW, click, documents, followed, machine, names, search


@pytest.fixture(params=["embedded", "opensearch"])
def log(request, tmp_path):
    if request.param == "embedded":
        opened = Log(tmp_path / "log.sqlite", clock=lambda: NOW)
    else:
        opened = machine(tmp_path, request.getfixturevalue("cluster"))
    with opened:
        yield opened


def finalize(log):
    """Let everything that was appended be readable."""
    log.flush()
    if isinstance(log, ClusterLog):
        log.deliver()
        for part in ("ubi_events", "ubi_queries"):
            log.count()
            documents(log._order._cluster, part)


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


def test_one_order_and_every_id_once(log):
    log.append_impression(search("q1"))
    log.append_impression(search("q1", text="another"))
    assert log.append_events([click("e1"), click("e1"), click("e2")])[:2] == (2, 1)
    finalize(log)
    assert log.append_events([click("e2", object_id="c"), click("q1")])[:2] == (1, 1)
    finalize(log)
    entries = followed(log, page=2)
    assert names(entries) == [("impression", "q1"), ("event", "e1"), ("event", "e2"), ("event", "q1")]
    assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
    assert entries[-1].seq == log.head()
    assert entries[0].record.query.text == log.impression("q1").query.text == "sigur ros"
    assert entries[2].record == click("e2")
    assert {entry.time for entry in entries} == {NOW}
    assert (log.count(), log.count("impression"), log.count("event")) == (4, 1, 3)


def test_reading_by_position_limit_and_kind(log):
    for number in range(12):
        log.append_events([click(f"e{number}")])
        log.append_impression(search(f"q{number}"))
    finalize(log)
    whole = followed(log)
    for place in (0, 5, 23):
        assert names(log.read(whole[place].seq, 4)) == names(whole[place + 1 : place + 5])
    events = log.read(whole[3].seq, 5, kind="event")
    assert names(events) == [("event", f"e{number}") for number in range(2, 7)]


def test_events_of_a_search_in_their_order(log):
    log.append_events([click(f"e{number}", query_id=f"q{number % 2}") for number in range(6)])
    finalize(log)
    assert [event.id for event in log.events_of("q1", limit=2)] == ["e1", "e3"]
    each = log.events_of_each(["q1", "none", "q0"], limit=9)
    assert [[event.id for event in events] for events in each] == [["e1", "e3", "e5"], [], ["e0", "e2", "e4"]]


def test_what_was_appended_is_reached_by_who_has_read_it(log):
    first = log.append_events([click("e1")]).last_seq
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


def test_a_user_goes_with_unnamed_events_on_own_searches(log):
    log.append_impression(search("mine", user="u1"))
    log.append_impression(search("theirs", user="u2"))
    log.append_events([click("a", query_id="mine", user=None), click("b", query_id="theirs", user="u1")])
    log.append_events([click("c", query_id="theirs", user=None), click("d", query_id="mine", user="u2")])
    finalize(log)
    assert log.delete_user("u1") == {"impressions": 1, "events": 2}
    assert log.delete_user("u1") == {"impressions": 0, "events": 0}
    assert names(followed(log)) == [("impression", "theirs"), ("event", "c"), ("event", "d")]


def test_old_entries_go(log):
    log.append_events([click("e1")])
    finalize(log)
    assert log.prune(NOW - 1) == 0
    assert log.prune(NOW + 1) == 1
    assert followed(log) == []


def test_what_is_spared_stays(log):
    for name in ("parked", "old"):
        log.append_impression(search(name, user="u1"))
    log.append_events([click("a", query_id="parked", user="u1"), click("b", query_id="old", user="u1")])
    log.append_events([click("c"), click("d")])
    finalize(log)
    alone = next(entry.seq for entry in followed(log) if entry.kind == "event" and entry.record.id == "c")
    spared = Spared(seqs={alone}, searches={"parked"})
    assert log.prune(NOW + 1, spared=spared) == 3
    assert names(followed(log)) == [("impression", "parked"), ("event", "a"), ("event", "c")]
    assert log.prune(NOW + 1, spared=spared) == 0
