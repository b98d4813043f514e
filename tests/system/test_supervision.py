"""Threads outlive what their work raises, and say how they fare; whoever asks hears when learning stands still."""

from __future__ import annotations

import threading

import pytest
import structlog

from bandstand.app.health import Backlog, Learned, Vigil, learned, standstill, tell_threads, told_threads
from bandstand.errors import StorageError
from bandstand.learner.orders import PAUSE
from bandstand.supervision import Fares, Stopped, Supervised
from tests.support.small_home import SmallHome


class Impatient(threading.Event):
    """Told to wait, it does not, and notes for how long it should have."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        return self.is_set()


def run(*outcomes, pause_s=3.0):
    """A thread's work that returns or raises these one after the other, and is then told to stop."""
    stop, rest, told = Impatient(), iter(outcomes), []

    def work():
        outcome = next(rest, stop)
        if outcome is stop:
            stop.set()
            return False
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    thread = Supervised(
        "indexer", work, stop, pause_s=pause_s, told=lambda: told.append(thread.fares), clock=lambda: 9.0
    )
    with structlog.testing.capture_logs() as logs:
        thread.run()
    return thread, stop, logs, told, list(rest)


@pytest.mark.parametrize(
    ("error", "reason", "shown"),
    [
        (StorageError("disk full"), "disk full", False),
        (KeyError("a bug"), "KeyError: see the log", True),
        (SystemExit(3), "SystemExit: see the log", True),
    ],
)
def test_work_is_begun_again_whatever_ends_it(error, reason, shown):
    thread, _, logs, told, left = run(True, error, False)
    assert left == []
    assert thread.fares == Fares(name="indexer", failures=1, reason=reason)
    assert [(log["event"], bool(log.get("exc_info"))) for log in logs] == [("thread_failed", shown)]
    assert [one.failing_since for one in told] == [9.0, None]


def test_pauses_grow_while_it_fails_and_one_failure_is_told_once():
    same = [StorageError("disk full")] * 7
    thread, stop, logs, told, _ = run(*same, False, StorageError("disk full"), pause_s=0.0)
    assert stop.waits[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 0.0]
    assert stop.waits[8] == 0.5
    assert (thread.fares.failures, len(logs), len(told)) == (8, 2, 4)


@pytest.mark.parametrize("end", [None, Stopped()])
def test_work_that_is_done_or_stopped_is_not_begun_again(end):
    thread, _, logs, _, left = run(end, True)
    assert (left, logs, thread.fares.failures) == ([True], [], 0)


def waiting(position, *, oldest, entries=3):
    return Learned(position=position, waiting=entries, oldest_s=oldest)


def test_learning_stands_still_when_nothing_moves_beyond_the_limit():
    vigil = Vigil(60.0)
    assert vigil.complaint(waiting(5, oldest=9_000.0), (), 0.0) == ""  # it may just begin to catch up
    assert vigil.complaint(waiting(6, oldest=9_050.0), (), 50.0) == ""
    assert vigil.complaint(waiting(6, oldest=9_100.0), (), 100.0) == ""
    said = vigil.complaint(waiting(6, oldest=9_120.0), (), 120.0)
    assert "3 log entries wait, the oldest for 9120 s" in said
    assert "bandstand serve" in said
    assert vigil.complaint(waiting(6, oldest=0.0, entries=0), (), 130.0) == ""
    assert vigil.complaint(waiting(6, oldest=59.0), (), 300.0) == ""  # they came late
    assert Vigil(0.0).complaint(waiting(6, oldest=9e9), (), 0.0) == standstill(waiting(6, oldest=9e9), 9e9, 0.0) == ""


def test_a_thread_that_learning_needs_is_named_when_it_fails_for_too_long():
    threads = [Fares(name="trainer", failing_since=0.0), Fares(name="learner", failing_since=10.0, reason="disk full")]
    vigil, state = Vigil(60.0), waiting(5, oldest=0.0, entries=0)
    assert vigil.complaint(state, threads, 60.0) == ""
    assert vigil.complaint(state, threads, 80.0) == "the learner fails since 70 s: disk full"


def test_other_processes_hear_how_threads_fare(tmp_path):
    path = tmp_path / "threads.json"
    assert told_threads(path) == ()
    told = [Fares(name="learner", failures=2, failing_since=3.0, reason="disk full"), Fares(name="indexer")]
    tell_threads(path, told)
    assert told_threads(path) == tuple(told)
    path.write_text(path.read_text().replace('"process":', '"process":99'))
    assert told_threads(path) == ()  # that process is gone
    path.write_bytes(b"\xff")
    assert told_threads(path) == ()
    tell_threads(tmp_path / "no such folder" / "threads.json", told)


def test_learning_is_late_by_the_oldest_entry_that_waits(made_once, tmp_path):
    small = SmallHome.copied(made_once, tmp_path / "home")
    log, memory, clock = small.storage.log, small.storage.memory, small.clock
    backlog, patient, never = Backlog(60.0), Backlog(600.0), Backlog(0.0)

    def late():
        clock.pass_(2.0)  # it is looked up once a second
        return [each.late_s(log, memory, clock()) for each in (backlog, patient, never)]

    assert late() == [0.0, 0.0, 0.0]
    small.search("halo", user="ann")
    log.flush()
    clock.pass_(58.0)
    assert late() == [0.0, 0.0, 0.0]  # after 60 seconds
    clock.pass_(40.0)
    small.search("hurt", user="ann")  # newer ones make nothing younger
    log.flush()
    assert late() == [102.0, 0.0, 0.0]
    small.learn()
    assert backlog.late_s(log, memory, clock()) == 102.0
    assert late() == [0.0, 0.0, 0.0]
    small.search("one", user="ann")
    log.append_control(PAUSE, {})
    small.learn()
    small.search("hello", user="ann")
    log.flush()
    clock.pass_(1_000.0)
    assert late() == [0.0, 0.0, 0.0]  # it is paused: somebody wants it so
    small.close()


def test_how_far_learning_has_come(made_once, tmp_path):
    small = SmallHome.copied(made_once, tmp_path / "home")
    small.search("halo", user="ann")
    small.storage.log.flush()
    small.clock.pass_(50.0)
    small.search("hurt", user="ann")
    small.storage.log.flush()
    state = learned(small.storage.log, small.storage.memory, small.storage.models, small.clock())
    assert (state.position, state.waiting, state.oldest_s, state.published_s) == (0, 2, 50.0, None)
    small.learn()
    small.learning_side.learner.publish()
    small.clock.pass_(7.0)
    state = learned(small.storage.log, small.storage.memory, small.storage.models, small.clock())
    assert (state.waiting, state.oldest_s, state.published_s, state.trained_s) == (0, 0.0, 7.0, None)
    small.close()
