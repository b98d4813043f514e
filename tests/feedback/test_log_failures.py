"""When the disk, the lock or the file fails: clear errors, a writer that lives on, nothing acknowledged lost."""

import random
import sqlite3
import threading

import pytest

from bandstand.errors import StorageError
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.formats.export import export
from bandstand.feedback.joined import joined
from bandstand.feedback.sqlite_log import SqliteLog
from tests.support.processes import started

HURRIED = CommitSettings(busy_s=0.05, retry_s=0.01)


@pytest.fixture
def hurried(tmp_path, make):
    with SqliteLog(tmp_path / "log", clock=lambda: make.now, settings=HURRIED) as log:
        yield log


@pytest.fixture
def other(tmp_path, hurried):
    connection = sqlite3.connect(tmp_path / "log", isolation_level=None)
    yield connection
    connection.close()


def test_a_locked_file_fails_the_call_and_later_ones_succeed(hurried, other, make):
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another process holds its lock"):
        hurried.append_events([make.event("e1")])
    other.execute("ROLLBACK")
    assert hurried.append_events([make.event("e1")]).accepted == 1


def test_searches_wait_out_a_failure_in_their_order(hurried, other, make):
    other.execute("BEGIN IMMEDIATE")
    for index in range(5):
        hurried.append_impression(make.impression(f"q{index}"))
    with pytest.raises(StorageError):
        hurried.flush()
    assert hurried.impression("q3").query.id == "q3"
    other.execute("ROLLBACK")
    hurried.flush()
    assert [entry.record.query.id for entry in hurried.read(0, 10)] == [f"q{index}" for index in range(5)]


def test_every_caller_of_a_failed_commit_hears_of_it(hurried, other, make):
    other.execute("BEGIN IMMEDIATE")
    failures = []

    def write(number):
        try:
            hurried.append_events([make.event(f"e{number}")])
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.execute("ROLLBACK")
    assert len(failures) == 8
    assert hurried.count() == 0


def test_a_full_disk_names_the_remedy_and_the_writer_survives(hurried, make):
    hurried.append_events([make.event("kept")])
    limit = hurried._writer._database.rows("PRAGMA page_count")[0][0] + 2
    hurried._writer._database.rows(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        hurried.append_events([make.event("big", payload="x" * 100_000)])
    hurried._writer._database.rows("PRAGMA max_page_count = 1000000")
    assert hurried.append_events([make.event("big", payload="x" * 100_000)]).accepted == 1
    assert [entry.record.id for entry in hurried.read(0, 10)] == ["kept", "big"]


def test_when_writing_keeps_failing_a_full_queue_refuses_searches_with_the_cause(tmp_path, make):
    settings = CommitSettings(busy_s=0.05, retry_s=0.01, max_queued=3)
    log = SqliteLog(tmp_path / "log", clock=lambda: make.now, settings=settings)
    log._writer._database.rows("PRAGMA query_only = ON")
    for index in range(3):
        log.append_impression(make.impression(f"q{index}"))
    with pytest.raises(StorageError, match="read-only"):
        log.append_impression(make.impression("q3"))
    with pytest.raises(StorageError, match="searches were not logged"):
        log.close()


def test_after_closing_writes_are_refused(tmp_path, make):
    log = SqliteLog(tmp_path / "log", clock=lambda: make.now)
    log.close()
    with pytest.raises(StorageError, match="closed"):
        log.append_events([make.event()])
    with pytest.raises(StorageError, match="closed"):
        log.append_impression(make.impression())
    with pytest.raises(StorageError):
        log.read(0, 1)


def test_a_reader_that_never_ends_is_named_when_a_user_must_go(hurried, other, make):
    hurried.append_events([make.event("e1", user="u9")])
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM log").fetchone()
    hurried.append_events([make.event("e2", user="u8")])
    with pytest.raises(StorageError, match="end long reads and try again"):
        hurried.delete_user("u9")
    other.execute("COMMIT")
    assert hurried.delete_user("u9") == {"impressions": 0, "events": 0}
    assert hurried.count() == 1


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_files_that_are_no_log(tmp_path, make, content):
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(StorageError, match="move it away"):
        SqliteLog(tmp_path / "log", clock=lambda: make.now)


def test_a_missing_folder_and_a_newer_format(tmp_path, make):
    with pytest.raises(StorageError, match="check that the folder exists"):
        SqliteLog(tmp_path / "nowhere" / "log", clock=lambda: make.now)
    connection = sqlite3.connect(tmp_path / "log")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="upgrade Bandstand"):
        SqliteLog(tmp_path / "log", clock=lambda: make.now)


def test_a_damaged_record_is_said_to_be_one(hurried, other, make):
    hurried.append_events([make.event()])
    other.execute("UPDATE log SET payload = substr(payload, 1, 20)")
    with pytest.raises(StorageError, match="damaged"):
        hurried.read(0, 10)


def test_training_and_exports_pass_over_damaged_records(hurried, other, make, tmp_path):
    for name in ("q1", "q2", "q3"):
        hurried.append_impression(make.impression(name))
        hurried.append_events([make.event(f"{name}-a", query_id=name), make.event(f"{name}-b", query_id=name)])
    damage = "UPDATE log SET payload = substr(payload, 1, 20) WHERE id = ?"
    for name in ("q2", "q3-a"):
        other.execute(damage, (name,))
    found = [(search.impression.query.id, [event.id for event in search.events]) for search in joined(hurried)]
    assert found == [("q1", ["q1-a", "q1-b"]), ("q3", ["q3-b"])]
    assert export(hurried, "ubi", tmp_path / "log.ndjson") == 7


CHILD = """
import sys
from pathlib import Path
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.sqlite_log import SqliteLog
from tests.support.log_records import NOW, event, impression
log = SqliteLog(Path(sys.argv[1]), clock=lambda: NOW, settings=CommitSettings(durable=sys.argv[2] == "durable"))
for batch in range(400):
    log.append_impression(impression(f"q{batch}"))
    log.append_events([event(f"e{batch}-{n}", query_id=f"q{batch}") for n in range(3)])
    print(batch, flush=True)
"""


@pytest.mark.parametrize("durable", ["durable", "not"])
def test_killed_at_any_moment_everything_acknowledged_is_there_exactly_once(tmp_path, make, durable):
    rng = random.Random(11)
    acknowledged = -1
    for _ in range(4):
        last = rng.randrange(5, 90)
        with started("-c", CHILD, tmp_path / "log", durable) as child:
            for line in child.stdout:
                acknowledged = max(acknowledged, int(line))
                if int(line) >= last:
                    break
            child.kill()
            acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
        with SqliteLog(tmp_path / "log", clock=lambda: make.now) as log:
            entries = log.read(0, 10_000)
            events = [entry.record.id for entry in entries if entry.kind == "event"]
            searches = [entry.record.query.id for entry in entries if entry.kind == "impression"]
            assert len(set(events)) == len(events)
            assert len(set(searches)) == len(searches)
            # The child sends everything from the start each time, so all batches up to the last one must be whole.
            assert {f"e{batch}-{n}" for batch in range(acknowledged + 1) for n in range(3)} <= set(events)
            assert {f"q{batch}" for batch in range(acknowledged + 1)} <= set(searches)
