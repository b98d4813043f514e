"""One log entry that cannot be learned from is set aside with its reason; everything after it is learned."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
import structlog

from bandstand.errors import StorageError
from bandstand.learner import parking
from bandstand.learner.apply import FORGET_USER
from bandstand.learner.edits import UNDO_EDIT
from bandstand.learner.experiment import START_EXPERIMENT
from bandstand.learner.parking import RETRY, RETRY_PARKED, parked_entries
from tests.support.small_home import MINUTE, ids

NO_OBJECT = '{"event_attributes": ["related_to"]}'
"""A payload whose attributes are no object: nothing can be read from it."""


def clicked(small, text="sad tune", entity="hurt-cash", **fields):
    return small.act(entity, on=small.search(text, user="ann"), **fields)


def knows(small, text="sad tune"):
    """What ann's next search brings from the memory."""
    return ids(small.search(text, user="ann", policy="memory"))


def parked(small):
    return parked_entries(small.storage.memory.scan)


@pytest.fixture(autouse=True)
def quiet():
    with structlog.testing.capture_logs() as logs:
        yield logs


class TestEntries:
    @pytest.mark.parametrize(
        ("kind", "payload", "reason"),
        [(UNDO_EDIT, {}, "KeyError"), (START_EXPERIMENT, {"id": "x", "nonsense": 1}, "ValidationError")],
    )
    def test_an_order_that_cannot_be_read(self, small, quiet, kind, payload, reason):
        clicked(small, "first")
        seq = small.storage.log.append_control(kind, payload)
        clicked(small, "second")
        small.learn()
        assert knows(small, "first") == knows(small, "second") == ["hurt-cash"]
        (entry,) = parked(small)
        assert (entry.seq, entry.kind, entry.time) == (seq, "control", small.clock())
        assert entry.reason.startswith(reason)
        assert [log["log_level"] for log in quiet if log["event"] == "entry_parked"] == ["error"]

    def test_an_event_that_cannot_be_read_leaves_nothing_half_done(self, small):
        bad = clicked(small, payload=NO_OBJECT)
        small.learn()
        assert small.storage.memory.position() == small.storage.log.head()
        assert knows(small) == []
        (entry,) = parked(small)
        assert (entry.kind, entry.query_id) == ("event", bad.query_id)
        assert small.storage.log.read(entry.seq - 1, 1)[0].record == bad  # it stays in the log

    def test_a_damaged_record(self, small):
        clicked(small, "first")
        seq = small.storage.log.append_events([]).last_seq
        clicked(small, "second")
        small.storage.log.flush()
        with sqlite3.connect(small.storage.paths.log) as connection:
            connection.execute("UPDATE log SET payload = substr(payload, 1, 20) WHERE seq = ?", (seq,))
        small.learn()
        assert knows(small, "first") == []
        assert knows(small, "second") == ["hurt-cash"]
        assert [(entry.seq, entry.kind) for entry in parked(small)] == [(seq, "damaged")]

    def test_several_in_one_batch_and_after_a_restart(self, small):
        for number in range(3):
            clicked(small, f"bad {number}", payload=NO_OBJECT)
            clicked(small, f"good {number}")
        small.learn()
        small.restart()
        assert [knows(small, f"good {number}") for number in range(3)] == [["hurt-cash"]] * 3
        assert len(parked(small)) == 3
        small.learn()
        assert len(parked(small)) == 3

    def test_a_failing_disk_is_no_entrys_fault(self, small, monkeypatch):
        clicked(small)
        small.storage.log.flush()
        learner = small.learning_side.learner

        def full(_):
            raise StorageError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(learner, "_sources", replace(learner._sources, ordinals=full))
            with pytest.raises(StorageError, match="disk is full"):
                learner.step()
        assert parked(small) == []

    def test_when_everything_fails_it_stops_rather_than_park_it_all(self, small, monkeypatch):
        monkeypatch.setattr(parking, "MOST_PARKED", 2)
        for number in range(3):
            clicked(small, f"bad {number}", payload=NO_OBJECT)
        with pytest.raises(StorageError, match="2 log entries are parked already"):
            small.learn()
        assert parked(small) == []  # it was one batch

    def test_what_a_forgotten_user_did_is_no_longer_listed(self, small):
        clicked(small, payload=NO_OBJECT)
        small.act("halo", on=small.search("tune", user="bob"), payload=NO_OBJECT)
        small.learn()
        small.storage.log.append_control(FORGET_USER, {"user_id": "ann"})
        small.learn()
        assert len(parked(small)) == 1


class TestRetrying:
    def retried(self, small):
        small.storage.log.append_control(RETRY_PARKED, {})
        small.learn()

    def test_what_was_mended_is_learned_and_the_rest_stays(self, small):
        learner = small.learning_side.learner
        whole = learner._sources

        def broken(ids):
            raise ZeroDivisionError("not mended yet")

        learner._sources = replace(whole, ordinals=broken)
        clicked(small, "first")
        clicked(small, "second", payload=NO_OBJECT)
        small.learn()
        position = small.storage.memory.position()
        assert parked(small)[0].reason.startswith("ZeroDivisionError")
        assert len(parked(small)) == 2
        self.retried(small)
        assert len(parked(small)) == 2
        learner._sources = whole
        self.retried(small)
        assert knows(small, "first") == ["hurt-cash"]
        assert [entry.kind for entry in parked(small)] == ["event"]
        assert small.storage.memory.position() == position + 2  # the two orders
        assert small.storage.memory.state(RETRY) is None

    def test_a_search_is_finalized_after_all(self, small, monkeypatch):
        bandit = small.learning_side.learner._bandit
        with monkeypatch.context() as patched:
            patched.setattr(bandit, "learn", lambda *_, **__: 1 / 0)
            clicked(small, "sad tune")
            small.learn()
            small.clock.pass_(60 * MINUTE)
            small.learn()
        assert [entry.kind for entry in parked(small)] == ["finalize"]
        assert small.storage.memory.state(b"bandit/settled") is None
        self.retried(small)
        assert parked(small) == []
        assert small.storage.memory.state(b"bandit/settled") == b"1"


class TestFinalizing:
    def test_a_search_that_cannot_be_finalized_does_not_keep_the_others(self, small, monkeypatch):
        bandit = small.learning_side.learner._bandit
        learn = bandit.learn
        bad = small.search("sad tune", user="ann").impression.query.id

        def sometimes(impression, grades, **rest):
            if impression.query.id == bad:
                raise ZeroDivisionError("no such depth")
            return learn(impression, grades, **rest)

        monkeypatch.setattr(bandit, "learn", sometimes)
        good = small.search("halo", user="ann").impression.query.id
        small.learn()
        small.clock.pass_(60 * MINUTE)
        small.search("one")
        small.learn()
        assert [(entry.kind, entry.query_id, entry.seq) for entry in parked(small)] == [("finalize", bad, 0)]
        state = small.storage.memory.state
        assert state(b"bandit/settled") == b"1"
        assert state(b"open/" + bad.encode()) is None
        assert state(b"open/" + good.encode()) is None
