"""The durable log: one order, each id once, deletion that leaves no bytes behind."""

import random
import threading
from contextlib import ExitStack

import pytest

from bandstand.errors import BadInput, NotFound
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import Appended, Control
from bandstand.feedback.sqlite_log import SqliteLog
from tests.support.processes import started


def follow(log):
    """Every entry, as a follower reads it."""
    after, found = 0, []
    while page := log.read(after, 7):
        found += page
        after = page[-1].seq
    return found


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def test_a_new_log_is_empty(log):
    assert (log.head(), log.count(), log.read(0, 10)) == (0, 0, [])
    assert log.append_events([]) == Appended(0, 0, 0)
    assert log.events_of("q1", limit=5) == []
    with pytest.raises(NotFound, match="'q1'"):
        log.impression("q1")
    log.flush()


def test_records_come_back_in_the_order_of_writing(log, make):
    log.append_impression(make.impression("q1"))
    log.append_events([make.event("e1"), make.event("e2", action="play")])
    assert log.append_control("forget", {"user_id": "u7"}) == 4
    log.append_impression(make.impression("q2"))
    log.flush()
    entries = follow(log)
    assert [(entry.seq, entry.kind, entry.time) for entry in entries] == [
        (1, "impression", make.now),
        (2, "event", make.now),
        (3, "event", make.now),
        (4, "control", make.now),
        (5, "impression", make.now),
    ]
    assert make.same(entries[0].record, make.impression("q1"))
    assert entries[1].record == make.event("e1")
    assert entries[3].record == Control(kind="forget", payload={"user_id": "u7"})
    assert [entry.seq for entry in log.read(1, 10, kind="impression")] == [5]
    assert (log.head(), log.count(), log.count("event")) == (5, 5, 2)


def test_an_id_counts_once_within_a_batch_across_batches_and_after_reopening(tmp_path, make):
    with SqliteLog(tmp_path / "log", clock=lambda: make.now) as log:
        assert log.append_events([make.event("e1"), make.event("e1"), make.event("e2")])[:2] == (2, 1)
        again = log.append_events([make.event("e2", action="save"), make.event("e3")])
        assert (again.accepted, again.duplicates) == (1, 1)
    with SqliteLog(tmp_path / "log", clock=lambda: make.now) as log:
        assert log.append_events([make.event(f"e{i}") for i in (1, 2, 3)])[:2] == (0, 3)
        assert [entry.record.action for entry in follow(log)] == ["click", "click", "click"]


def test_the_last_seq_is_one_that_a_follower_reaches_also_for_duplicates(log, make):
    appended = log.append_events([make.event("e1"), make.event("e2"), make.event("e1")])
    repeated = log.append_events([make.event("e1"), make.event("e2")])
    assert appended.last_seq == repeated.last_seq == follow(log)[-1].seq == log.head()
    assert log.append_events([make.event("e3")]).last_seq == follow(log)[-1].seq > appended.last_seq


def test_an_event_and_a_search_may_share_an_id_and_a_repeated_search_keeps_its_first_ranking(log, make):
    log.append_impression(make.impression("x", shown=1))
    log.append_impression(make.impression("x", shown=2))
    assert log.append_events([make.event("x")]).accepted == 1
    assert log.impression("x").shown == 1
    assert log.count() == 2


def test_a_search_can_be_read_at_once_and_stays_readable_when_written(log, make):
    for index in range(50):
        log.append_impression(make.impression(f"q{index}"))
        assert log.impression(f"q{index}").query.id == f"q{index}"
    log.flush()
    assert make.same(log.impression("q49"), make.impression("q49"))
    assert log._queued == {}


def test_events_of_unknown_objects_and_searches_are_stored(log, make):
    log.append_events([make.event("e1", query_id="never", object_id="nothing"), make.event("e2", query_id=None)])
    assert [event.id for event in log.events_of("never", limit=5)] == ["e1"]
    assert log.count() == 2


def test_many_threads_share_commits_and_lose_nothing(log, make):
    def write(thread):
        for index in range(20):
            log.append_impression(make.impression(f"q{thread}-{index}"))
            assert log.append_events([make.event(f"e{thread}-{index}")]).accepted == 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = follow(log)
    assert (log.count("event"), log.count("impression")) == (320, 320)
    seen = {}
    for entry in entries:
        name = entry.record.query.id[1:] if entry.kind == "impression" else entry.record.id[1:]
        seen.setdefault(name, []).append(entry.kind)
    assert set(map(tuple, seen.values())) == {("impression", "event")}  # a search stands before its own events


def test_a_full_queue_holds_callers_back_without_losing_anything(tmp_path, make):
    settings = CommitSettings(max_queued=3, max_batch=2)
    with SqliteLog(tmp_path / "log", clock=lambda: make.now, settings=settings) as log:
        log.append_events([make.event(f"e{i}") for i in range(10)])  # larger than the queue: let in alone
        for index in range(40):
            log.append_impression(make.impression(f"q{index}"))
        log.flush()
        assert log.count() == 50


def test_closing_writes_what_is_queued(tmp_path, make):
    log = SqliteLog(tmp_path / "log", clock=lambda: make.now)
    for index in range(100):
        log.append_impression(make.impression(f"q{index}"))
    log.close()
    with SqliteLog(tmp_path / "log", clock=lambda: make.now) as again:
        assert again.count("impression") == 100


def test_a_bad_event_spoils_its_own_call_only(log, make):
    with pytest.raises(BadInput):
        log.append_events([make.event("e1"), make.event("\ud800")])
    with pytest.raises(BadInput):
        log.append_impression(make.impression("q1", text="\ud800"))
    with pytest.raises(NotFound):
        log.impression("q1")
    assert log.append_events([make.event("e1")]).accepted == 1


def test_a_deleted_user_leaves_no_bytes(tmp_path, make):
    rng = random.Random(5)
    with SqliteLog(tmp_path / "log", clock=lambda: make.now) as log:
        users = [f"user-{number:04d}-{rng.randrange(16**8):08x}" for number in range(150)]
        for turn in range(6):
            rng.shuffle(users)
            for user in users:
                name = f"{turn}-{user[5:9]}"
                log.append_impression(make.impression(f"q{name}", user=user))
                log.append_events(
                    [make.event(f"e{name}", query_id=f"q{name}", user=user, payload=f'{{"diary":"{user}"}}')]
                )
        victim = users[70]
        name = victim[5:9]
        log.append_events([make.event("anonymous", query_id=f"q0-{name}", user=None, payload='"secret-of-the-victim"')])
        log.append_events([make.event("other", query_id=f"q0-{name}", user=users[3])])
        assert victim.encode() in on_disk(tmp_path)
        assert log.delete_user(victim) == {"impressions": 6, "events": 7}
        remains = on_disk(tmp_path)
        assert victim.encode() not in remains
        assert b"secret-of-the-victim" not in remains
        assert log.count() == 2 * 6 * 149 + 1
        assert all(user.encode() in remains for user in users if user != victim)
        with pytest.raises(NotFound):
            log.impression(f"q0-{name}")
        assert log.delete_user(victim) == {"impressions": 0, "events": 0}
        head = log.head()
        log.append_events([make.event("later")])
        assert log.read(head, 10)[0].record.id == "later"


def test_an_order_to_forget_survives_the_deletion_until_it_is_dropped(log, make, tmp_path):
    log.append_events([make.event("e1", user="user-to-forget")])
    seq = log.append_control("forget", {"user_id": "user-to-forget"})
    log.delete_user("user-to-forget")
    assert [entry.seq for entry in follow(log)] == [seq]
    log.drop_control(seq)
    assert log.count() == 0
    assert b"user-to-forget" not in on_disk(tmp_path)
    assert log.append_control("rollback", {}) > seq  # a follower's stored position stays valid


def test_a_search_still_queued_is_deleted_too(log, make):
    log.append_impression(make.impression("q1", user="u9"))
    assert log.delete_user("u9") == {"impressions": 1, "events": 0}
    with pytest.raises(NotFound):
        log.impression("q1")


def test_retention_goes_by_the_time_of_logging_in_batches_and_stops_at_the_follower(tmp_path, make):
    times = iter([10.0, 30.0, 20.0, 40.0, 15.0])  # the clock runs backwards now and then
    with SqliteLog(tmp_path / "log", clock=lambda: next(times)) as log:
        for index in range(5):
            log.append_events([make.event(f"e{index}")])
        assert log.prune(25.0, upto=2) == 1
        assert log.prune(25.0, batch=1) == 2
        assert [entry.record.id for entry in follow(log)] == ["e1", "e3"]
        assert log.prune(25.0) == 0


WRITER = """
import sys
from pathlib import Path
from bandstand.feedback.sqlite_log import SqliteLog
from tests.support.log_records import NOW, event
with SqliteLog(Path(sys.argv[1]), clock=lambda: NOW) as log:
    for index in range(60):
        log.append_events([event(f"{sys.argv[2]}-{index}"), event(f"shared-{index}")])
"""


def test_a_follower_of_several_writing_processes_misses_nothing(tmp_path, make):
    with SqliteLog(tmp_path / "log", clock=lambda: make.now) as log, ExitStack() as stack:
        writers = [stack.enter_context(started("-c", WRITER, tmp_path / "log", name)) for name in "ab"]
        followed, after = [], 0
        while True:
            finished = all(writer.poll() is not None for writer in writers)
            page = log.read(after, 10)
            followed += page
            after = page[-1].seq if page else after
            if finished and not page:
                break
        assert [writer.returncode for writer in writers] == [0, 0]
        assert [entry.seq for entry in followed] == [entry.seq for entry in follow(log)]
        assert sorted(entry.record.id for entry in followed) == sorted(
            f"{name}-{index}" for name in ("a", "b", "shared") for index in range(60)
        )
