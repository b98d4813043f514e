"""What is acknowledged comes into the cluster's log once: when lines are cut, machines die, or two deliver the same."""

import threading
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand.errors import NotFound, StorageError, Unavailable
from bandstand.feedback.log import Control
from bandstand.opensearch.log import OpenSearchLog
from tests.support.kill_points import kill_after, killed_in_a_fork
from tests.support.log_entries import NOW, Line, click, documents, followed, machine, names, search


@pytest.fixture
def log(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as opened:
        yield opened


@pytest.fixture
def line(cluster):
    opened = Line(cluster.settings)
    yield opened
    opened.close()


def test_nothing_was_logged_yet(log):
    assert (log.deliver(), log.head(), log.count(), log.read(0, 10), log.waiting()) == (0, 0, 0, [], 0)
    with pytest.raises(NotFound, match="'q1'"):
        log.impression("q1")


def test_entries_come_in_the_order_of_the_spool_and_whole(log):
    log.append_impression(search("q1"))
    appended = log.append_events([click("e1"), click("e2", extra={"deep": [1, {"er": None}]}), click("e1")])
    assert (appended.accepted, appended.duplicates) == (2, 1)
    log.append_control("forget_user", {"user_id": "u9"})
    assert (log.waiting(), log.read(0, 10)) == (4, [])
    assert log.deliver() == 4
    entries = followed(log)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert names(entries)[:3] == [("impression", "q1"), ("event", "e1"), ("event", "e2")]
    assert entries[2].record == click("e2", extra={"deep": [1, {"er": None}]})
    assert entries[3].record == Control(kind="forget_user", payload={"user_id": "u9"})
    assert (entries[0].record.features == search("q1").features).all()
    assert [entry.seq for entry in log.read(0, 10, kind="event")] == [2, 3]
    assert (log.head(), log.waiting()) == (4, 0)


def test_documents_carry_the_names_of_ubi(log, cluster):
    log.append_impression(search("q1"))
    log.append_events([click("e1", message="hm", application="app")])
    log.deliver()
    query, event = documents(cluster, "ubi_queries")["q1"], documents(cluster, "ubi_events")["e1"]
    assert (query["user_query"], query["query_response_hit_ids"]) == ("sigur ros", ["a", "b", "c"])
    assert query["query_attributes"]["bandstand"]["arms"][0]["propensity"] == 0.7
    assert (event["action_name"], event["timestamp"]) == ("click", "2025-06-15T15:06:45.000000Z")
    assert event["event_attributes"]["object"]["object_id"] == "b"
    clicks = {
        "query": {"term": {"event_attributes.position.ordinal": 2}},
        "aggs": {"by": {"terms": {"field": "query_id"}}},
    }
    found = cluster.search(cluster.index("ubi_events"), clicks)
    assert found["aggregations"]["by"]["buckets"] == [{"key": "q1", "doc_count": 1}]
    bandit = {"query": {"term": {"query_attributes.bandstand.policy": "bandit"}}}
    assert cluster.search(cluster.index("ubi_queries"), bandit)["hits"]["total"]["value"] == 1


def test_each_month_has_an_index_of_its_own(log, cluster):
    log.append_events([click("may", time=NOW - 86_400 * 30), click("june"), click("long ago", time=5.0)])
    log.deliver()
    held = cluster.request("GET", f"/_alias/{cluster.index('ubi_events')}")
    assert sorted(name.rpartition("-")[2] for name in held) == ["2025.05", "2025.06", "older"]
    assert {entry.record.id for entry in followed(log)} == {"may", "june", "long ago"}


def test_what_a_client_adds_is_never_refused_by_the_mapping(log):
    odd = [
        click(
            "e1",
            event_attributes={"position": {"ordinal": 1, "x": {"y": 1}}, "object": {"object_id": "b", "name": [{}]}},
        ),
        click("e2", event_attributes={"position": {"ordinal": 1, "x": "left"}, "n" * 300: "v" * 40_000}),
        click("e3", message="m" * 1000, message_type=7, event_attributes={"a.b": 1, "a": {"b": "x"}, "": 3}),
        click("e4", bandstand={"spool": "mine"}, query="x"),
    ]
    log.append_events(odd)
    assert log.deliver() == 4
    assert [entry.record for entry in followed(log)] == odd


def test_an_id_that_two_machines_accepted_counts_once(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as one, machine(tmp_path / "b", cluster) as other:
        one.append_events([click("e1"), click("e2")])
        other.append_events([click("e2"), click("e3"), click("e1")])
        other.append_impression(search("q1"))
        assert (one.deliver(), other.deliver()) == (2, 4)
        expected = [("event", "e1"), ("event", "e2"), ("event", "e3"), ("impression", "q1")]
        assert names(followed(one)) == names(followed(other)) == expected
        assert one.impression("q1").query.text == "sigur ros"
        assert set(documents(cluster, "ubi_events")) == {"e1", "e2", "e3"}


def test_machines_that_deliver_in_turns_share_one_order_without_gaps(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as one, machine(tmp_path / "b", cluster) as other:
        for number in range(6):
            log = (one, other)[number % 2]
            log.append_events([click(f"e{number}")])
            log.deliver()
        entries = followed(one, page=4)
        assert [(entry.seq, entry.record.id) for entry in entries] == [(n + 1, f"e{n}") for n in range(6)]
        assert names(followed(other)) == names(entries)


def test_reached_translates_between_the_spool_and_the_order(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as one, machine(tmp_path / "b", cluster) as other:
        one.append_events([click(f"e{n}") for n in range(5)])
        one.deliver()
        seq = other.append_events([click("mine")]).last_seq
        assert seq == 1
        assert not other.reached(5, seq)
        other.deliver()
        assert not other.reached(5, seq)
        assert other.reached(6, seq)


@pytest.mark.parametrize("step", ["_bulk", "-log/_doc", "-log/_mget"])
@pytest.mark.parametrize("what", ["lose_request", "lose_answer"])
def test_a_cut_at_any_step_loses_and_doubles_nothing(tmp_path, line, step, what):
    with machine(tmp_path / "a", line) as log:
        log.append_events([click("e0")])
        log.deliver()
        log.append_impression(search("q1"))
        log.append_events([click("e1"), click("e2")])
        setattr(line, what, step)
        with pytest.raises(Unavailable):
            log.deliver()
        assert log.append_events([click("e3")]).accepted == 1
        setattr(line, what, None)
        log.deliver()
        assert names(followed(log)) == [("event", "e0"), ("impression", "q1"), *(("event", f"e{n}") for n in (1, 2, 3))]
        assert set(documents(line, "ubi_events")) == {"e0", "e1", "e2", "e3"}


DURABLE = ("opensearch/relay.py", "opensearch/outbox.py", "opensearch/log_order.py", "opensearch/ubi_indices.py")


def killed_delivering(folder, settings_, steps):
    """Deliver in a process of its own, which may send itself SIGKILL at a step of it; whether it did."""

    def deliver():
        log = machine(folder, Line(settings_))
        kill_after(steps, DURABLE)
        log.deliver()

    return killed_in_a_fork(deliver)


def test_killed_at_any_moment_every_entry_comes_once(tmp_path, cluster):
    expected, kills = set(), 0
    for steps in range(3, 120, 9):
        with machine(tmp_path / "a", cluster) as log:
            log.append_events([click(f"e{steps}-{n}") for n in range(3)])
            log.append_impression(search(f"q{steps}"))
        expected |= {("event", f"e{steps}-{n}") for n in range(3)} | {("impression", f"q{steps}")}
        kills += killed_delivering(tmp_path / "a", cluster.settings, steps)
    with machine(tmp_path / "a", cluster) as log:
        log.deliver()
        found = names(followed(log))
    assert kills >= 5
    assert len(found) == len(set(found))
    assert set(found) == expected


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["append", "ship", "cut", "reopen"])), max_size=14))
def test_any_history_of_two_machines_delivers_each_id_once(tmp_path_factory, new_cluster, steps):
    cluster, folder = new_cluster(), tmp_path_factory.mktemp("history")
    lines = [Line(cluster.settings) for _ in range(2)]
    logs = [machine(folder / str(n), line) for n, line in enumerate(lines)]
    accepted = set()
    for number, (at, what) in enumerate(steps):
        if what == "append":
            ids = {f"e{number}", f"e{number - 1}"}  # some ids reach both machines
            logs[at].append_events([click(name) for name in sorted(ids)])
            accepted |= ids
        elif what == "reopen":
            logs[at].close()
            logs[at] = machine(folder / str(at), lines[at])
        else:
            lines[at].lose_answer = "-log/_doc" if what == "cut" else None
            with suppress(Unavailable):
                logs[at].deliver()
            lines[at].lose_answer = None
    for log in logs:
        log.deliver()
    found = [entry.record.id for entry in followed(logs[0])]
    assert sorted(found) == sorted(accepted)
    assert [entry.record.id for entry in followed(logs[1], page=3)] == found
    for part in (*logs, *lines):
        part.close()


def test_a_cluster_that_forgot_part_of_the_log_is_not_written_to(log, cluster):
    log.append_events([click("e1")])
    log.deliver()
    cluster.bulk(cluster.index("log"), [({"delete": {"_id": "1"}}, None)])
    log.append_events([click("e2")])
    with pytest.raises(StorageError, match="holds less of the log than before"):
        log.deliver()
    assert log.waiting() == 1


@pytest.mark.parametrize("block", ["index.blocks.read_only_allow_delete", "index.blocks.write"])
def test_an_index_that_cannot_be_written_is_named_and_what_waits_comes_later_once(log, cluster, block):
    log.append_events([click("e1")])
    log.deliver()
    alias = cluster.index("ubi_events")
    cluster.request("PUT", f"/{alias}/_settings", {block: True})
    log.append_impression(search("q1"))  # goes into another index, which can be written
    assert log.append_events([click("e2")]).accepted == 1
    with pytest.raises(StorageError, match=r"read-only|blocked"):
        log.deliver()
    assert log.waiting() == 2
    cluster.request("PUT", f"/{alias}/_settings", {block: None})
    log.deliver()
    assert names(followed(log)) == [("event", "e1"), ("impression", "q1"), ("event", "e2")]


def test_what_waited_is_delivered_by_itself_when_the_line_is_back(tmp_path, line):
    line.lose_request = ""
    delivered = threading.Event()
    with OpenSearchLog(tmp_path / "log.sqlite", line, clock=lambda: NOW) as log:
        log.append_events([click(f"e{n}") for n in range(3)])
        step = log._relay.step

        def watched():
            count = step()
            if count:
                delivered.set()
            return count

        log._relay.step = watched
        assert not delivered.is_set()
        line.lose_request = None
        assert delivered.wait(20)
        assert [entry.record.id for entry in followed(log)] == ["e0", "e1", "e2"]


def test_closing_delivers_what_it_can_and_keeps_the_rest(tmp_path, line):
    with OpenSearchLog(tmp_path / "log.sqlite", line, clock=lambda: NOW) as log:
        log.append_events([click("e1")])
    line.lose_request = ""
    with OpenSearchLog(tmp_path / "log.sqlite", line, clock=lambda: NOW) as log:
        log.append_events([click("e2")])
    line.lose_request = None
    with machine(tmp_path, line) as log:
        assert log.waiting() == 1
        log.deliver()
        assert [entry.record.id for entry in followed(log)] == ["e1", "e2"]


def test_of_a_machines_processes_one_delivers(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as one, machine(tmp_path / "a", cluster) as other:
        one.append_events([click("e1")])
        assert one.deliver() == 1
        seq = other.append_events([click("e2")]).last_seq
        assert other.deliver() == 0
        assert one.deliver() == 1
        assert other.reached(other.head(), seq)
