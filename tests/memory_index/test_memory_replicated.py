"""Memories of several machines over one journal: each commit is everywhere the same, and there once."""

from __future__ import annotations

import shutil
from contextlib import closing

import numpy as np
import pytest

from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.opensearch.memory import MemoryJournal, ReplicatedEnvironment, replicated
from bandstand.opensearch.memory_writes import Place, packed, unpacked

NOW = 1_700_000_000.0


class Cut:
    """A journal whose line breaks: before what is sent arrives, or before the answer does."""

    def __init__(self, inner):
        self._inner, self.before, self.after = inner, False, False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def publish(self, number, writes):
        if self.before:
            raise Unavailable("the line is cut")
        journal = self._inner.publish(number, writes)
        if self.after:
            raise Unavailable("the line is cut")
        return journal


@pytest.fixture
def machine(borrow_cluster, tmp_path):
    """Opens the memory of a machine, by its name; all of them share one cluster."""
    cluster, opened = borrow_cluster(), []

    def open_one(name, journal=None):
        journal = journal or MemoryJournal(cluster, clock=lambda: NOW)
        memory = Memory(
            tmp_path / name,
            settings=MemorySettings(agree_users=1),
            map_size=1 << 24,
            open_env=replicated(journal),
        )
        opened.append(memory)
        return memory

    open_one.cluster = cluster
    yield open_one
    for memory in opened:
        memory.close()


def learn(memory, *queries, ordinal=1, position=None):
    with memory.batch() as batch:
        for query in queries:
            batch.click(query, ordinal, user="ann", now=NOW)
            batch.choose("ann", ordinal, normalized=query, strength=1.0, now=NOW)
        if position is not None:
            batch.set_position(position)


def learn_late(memory, *, meanwhile):
    with memory.batch() as batch:
        batch.click("hurt", 2, user="bob", now=NOW)
        meanwhile()


def everything(memory):
    """Every record of a copy, but for how far it has followed."""
    env = memory._env
    with env.reading() as txn:
        found = {name: [(bytes(key), bytes(value)) for key, value in txn.cursor(db=db)] for name, db in env.dbs.items()}
    found["meta"] = [(key, value) for key, value in found["meta"] if key not in (b"commit", b"journal")]
    return found


def clicks(memory, query):
    return [row.clicks for row in memory.query_rows(query, now=NOW)]


def test_what_one_machine_learns_the_others_follow(machine):
    first, second = machine("first"), machine("second")
    learn(first, "halo", "hurt", position=7)
    assert clicks(second, "halo") == []
    assert second.follow() == 1
    assert second.follow() == 0
    assert everything(second) == everything(first)
    assert (second.position(), second.knows("ann")) == (7, True)


def test_all_machines_hash_users_alike(machine):
    first, second = machine("first"), machine("second")
    assert first._secret == second._secret


def test_learners_take_turns_and_neither_loses_anything(machine):
    first, second = machine("first"), machine("second")
    for turn in range(5):
        learn((first, second)[turn % 2], "halo", position=turn)
    first.follow()
    second.follow()
    assert clicks(first, "halo") == clicks(second, "halo") == [5.0]
    assert everything(first) == everything(second)


def test_of_two_at_the_same_time_one_wins_and_the_other_changes_nothing(machine):
    first, second = machine("first"), machine("second")
    before = everything(second)
    with pytest.raises(Conflict, match="learned again"):
        learn_late(second, meanwhile=lambda: learn(first, "halo"))
    assert everything(second) == before
    learn(second, "hurt", ordinal=2)
    first.follow()
    assert clicks(first, "halo") == clicks(first, "hurt") == [1.0]
    assert everything(first) == everything(second)


def test_a_batch_that_never_arrived_is_undone(machine):
    cluster_side = Cut(MemoryJournal(machine.cluster, clock=lambda: NOW))
    memory = machine("first", cluster_side)
    cluster_side.before = True
    with pytest.raises(Unavailable):
        learn(memory, "halo")
    cluster_side.before = False
    assert clicks(memory, "halo") == []
    learn(memory, "halo")
    assert clicks(memory, "halo") == [1.0]


def test_a_batch_whose_answer_was_lost_is_followed_not_repeated(machine):
    """As a crash between the two commits: the position came with it, so the learner does not read that part again."""
    cluster_side = Cut(MemoryJournal(machine.cluster, clock=lambda: NOW))
    memory = machine("first", cluster_side)
    cluster_side.after = True
    with pytest.raises(Unavailable):
        learn(memory, "halo", position=3)
    assert clicks(memory, "halo") == []
    cluster_side.after = False
    assert memory.follow() == 1
    assert (clicks(memory, "halo"), memory.position()) == ([1.0], 3)


def test_a_new_machine_begins_from_the_base_and_follows_on(machine, tmp_path):
    first = machine("first")
    for number in range(20):  # more than are kept before the journal is folded
        learn(first, f"query {number}", ordinal=number)
    with first.batch() as batch:
        batch.forget_entity(3)
    late = machine("late")
    assert everything(late) == everything(first)
    assert clicks(late, "query 3") == []
    learn(late, "halo")
    first.follow()
    assert everything(late) == everything(first)


def test_who_was_away_for_long_begins_from_the_base(borrow_cluster, tmp_path):
    cluster, now = borrow_cluster(), [NOW]
    journal = MemoryJournal(cluster, clock=lambda: now[0])

    def opened(name):
        return Memory(tmp_path / name, map_size=1 << 24, open_env=replicated(journal))

    away, busy = opened("away"), opened("busy")
    for number in range(40):
        now[0] += 10
        learn(busy, f"query {number}")
    assert journal.state().oldest > 20
    away.follow()
    assert everything(away) == everything(busy)
    away.close()
    busy.close()


def test_folding_again_and_out_of_order_changes_nothing(machine):
    memory = machine("first")
    for number in range(10):
        learn(memory, "halo", f"query {number}")
    journal = MemoryJournal(machine.cluster, clock=lambda: NOW)
    state = journal.state()
    early = type(state)(state.journal, 4, 0, state.oldest, state.commits[:4])
    for each in (state, early, state):
        journal.fold(each)
    late = machine("late")
    assert everything(late) == everything(memory)
    assert journal.state().folded == state.head


def test_a_copy_of_another_cluster_is_refused(machine, borrow_cluster, tmp_path):
    memory = machine("first")
    learn(memory, "halo")
    memory.close()
    other = borrow_cluster()
    machine.cluster, journal = other, MemoryJournal(other, clock=lambda: NOW)
    with pytest.raises(StorageError, match="delete the folder"):
        machine("first", journal)
    shutil.rmtree(tmp_path / "first")
    assert clicks(machine("first", journal), "halo") == []


class Meanwhile:
    """A journal that lets something happen when its state is asked for: before or after that is known."""

    def __init__(self, inner):
        self._inner, self.before, self.after = inner, None, None

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def _once(self, name):
        happens = getattr(self, name)
        setattr(self, name, None)
        if happens is not None:
            happens()

    def state(self):
        self._once("before")
        state = self._inner.state()
        self._once("after")
        return state


@pytest.mark.parametrize("moment", ["before", "after"])
def test_another_process_that_commits_while_the_state_is_read_is_no_other_cluster(machine, moment):
    """Processes of a machine share a copy: what one commits, the other may see before or after it in the cluster."""
    journal = Meanwhile(MemoryJournal(machine.cluster, clock=lambda: NOW))
    memory = machine("first", journal)
    other = ReplicatedEnvironment(memory._env._copy, journal=MemoryJournal(machine.cluster, clock=lambda: NOW))

    def commit():
        with other.writing() as txn:
            txn.put(b"key", moment.encode(), db=other.dbs["state"])

    setattr(journal, moment, commit)
    memory.follow()
    assert memory.state(b"key") == moment.encode()


def test_a_memory_that_was_learned_without_a_cluster_is_not_taken_for_a_copy(machine, tmp_path):
    with closing(Memory(tmp_path / "first", map_size=1 << 24)) as own:
        learn(own, "halo")
    learn(machine("second"), "hurt")
    with pytest.raises(StorageError, match="another home"):
        machine("first")


def test_a_cluster_that_was_set_back_is_told_from_another_one(machine):
    memory = machine("first")
    learn(memory, "halo")
    journal = MemoryJournal(machine.cluster, clock=lambda: NOW)
    machine.cluster.change(journal._state, "memory", lambda state: {**state, "head": 0, "commits": []})
    with pytest.raises(StorageError, match="older snapshot"):
        memory.follow()


def test_reading_needs_no_cluster(machine):
    cluster_side = Cut(MemoryJournal(machine.cluster, clock=lambda: NOW))
    memory = machine("first", cluster_side)
    learn(memory, "halo")
    cluster_side._inner = None
    assert memory.lookup("halo", user=None, now=NOW).ordinals.tolist() == [1]
    with pytest.raises(AttributeError):
        memory.follow()


def test_writes_come_out_as_they_went_in():
    writes = {
        Place("queries", b"k1", b""): b"v" * 100,
        Place("near", b"k2", b"v2"): b"v2",
        Place("links", b"k3", b"v3"): None,
        Place("users", b"k4", b""): None,
    }
    parts = list(packed(writes, size=60))
    assert len(parts) > 1
    assert [write for part in parts for write in unpacked(part)] == list(writes.items())
    assert list(packed({}, size=60)) == []
    assert np.array([len(part) for part in parts]).max() < 100


def test_what_one_machine_erases_is_in_no_file_of_any(borrow_cluster, tmp_path):
    cluster, now = borrow_cluster(), [NOW]
    journal = MemoryJournal(cluster, clock=lambda: now[0])
    settings = MemorySettings(agree_users=2)
    with (
        closing(Memory(tmp_path / "one", settings=settings, open_env=replicated(journal))) as one,
        closing(Memory(tmp_path / "other", settings=settings, open_env=replicated(journal))) as other,
    ):
        with one.batch() as batch:
            batch.click("an unmistakable query", 1, user="ann", now=NOW)
            batch.click("hello", 2, user="bob", now=NOW)
        other.follow()

        def holding(needle):
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
            return {path.parent.name for path in files if needle in path.read_bytes()}

        assert holding(b"an unmistakable query") == {"one", "other"}
        with one.batch() as batch:
            batch.forget_user("ann")
        assert not one.erase()  # the journal has it yet
        other.follow()
        assert holding(b"an unmistakable query") == set()
        now[0] += 31
        assert one.erase()
        assert journal.state().commits == () or journal.state().oldest > 2
        assert holding(b"hello") == {"one", "other"}
        assert other.follow() >= 0
        assert other.exact("hello", user="bob", now=NOW).ordinals.tolist() == [2]
