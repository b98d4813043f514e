"""The learner's own state: open searches by the moment they fall due, sessions, budgets, and the indexer's turns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.feedback.rewards import RateGuard
from bandstand.learner.indexer import BATCH, Indexer
from bandstand.learner.open_searches import OpenSearch, OpenSearches
from bandstand.learner.relabelling import Sessions, hashed
from bandstand.learner.rewards import RateBudgets
from bandstand.types import Entity, Query


class State(dict):
    """A dictionary as the learner's key-value state."""

    def put(self, key, value):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)

    def first(self, prefix):
        return next((key for key, _ in self.scan(prefix)), None)

    def scan(self, prefix):
        return iter(sorted((key, value) for key, value in self.items() if key.startswith(prefix)))


def search(query_id="q", due=10.0, who="", **rest):
    return OpenSearch(query_id=query_id, who=who, due=due, closes=due, **rest)


class TestOpenSearches:
    def test_a_search_is_stored_whole(self):
        state = State()
        stored = search(due=12.5, who="ab", outcomes={7: (0.3, -0.2), 9: (1.0, 0.0)})
        OpenSearches(state).put(stored)
        assert OpenSearches(state).get("q") == stored
        assert OpenSearches(state).get("other") is None

    def test_the_best_action_counts_less_what_a_skip_takes(self):
        graded = search(due=100.0)
        for ordinal, grade in ((1, 0.3), (1, 1.0), (2, 0.3), (2, -0.2), (3, -0.2), (4, 0.1), (4, -0.2)):
            graded = graded.graded(ordinal, grade, due=50.0)
        assert graded.grades() == {1: 1.0, 2: pytest.approx(0.1)}
        assert (graded.due, graded.closes) == (50.0, 100.0)
        assert graded.graded(1, 0.3, due=70.0).due == 50.0  # the first action sets the moment

    def test_a_settled_search_stays_until_its_window_ends(self):
        finalized = search(due=100.0, outcomes={1: (1.0, 0.0)}).graded(1, 1.0, due=50.0).close()
        assert (finalized.finalized, finalized.due, finalized.grades()) == (True, 100.0, {})

    @given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 100) | st.none()), max_size=30), st.floats(0, 100))
    def test_they_fall_due_in_order_and_once_whatever_was_changed(self, changes, now):
        state = State()
        searches, expected = OpenSearches(state), {}
        for name, due in changes:
            if due is None:
                searches.remove(search(name))
                expected.pop(name, None)
            else:
                searches.put(search(name, due))
                expected[name] = due
        for opened in (OpenSearches(State(state)), searches):
            assert opened.next_due <= min(expected.values(), default=math.inf)
            found = []
            while (popped := opened.pop_due(now)) is not None:
                found.append((popped.due, popped.query_id))
                opened.remove(popped)
            assert found == sorted((due, name) for name, due in expected.items() if due <= now)

    def test_they_are_found_by_whose_they_are(self):
        searches = OpenSearches(State())
        for name, who in (("q1", "ann"), ("q2", "bob"), ("q3", "ann")):
            searches.put(search(name, who=who))
        assert [found.query_id for found in searches.of("ann")] == ["q1", "q3"]


def query(id_, session="s", user="ann", time=0.0):
    return Query(id=id_, text="t", normalized="t", session_id=session, user_id=user, time=time)


class TestSessions:
    def test_a_success_gives_the_searches_before_it_newest_first_and_once(self):
        sessions = Sessions(State())
        for number in range(4):
            sessions.searched(query(f"q{number}"))
        assert [past.query_id for past in sessions.satisfied("s", "q2")] == ["q1", "q0"]
        assert sessions.satisfied("s", "q2") == []
        assert [(past.query_id, past.satisfied) for past in sessions.satisfied("s", "q3")][:2] == [
            ("q2", True), ("q1", False),
        ]  # fmt: skip

    @pytest.mark.parametrize(("session", "query_id"), [(None, "q0"), ("other", "q0"), ("s", "other")])
    def test_what_is_unknown_gives_nothing(self, session, query_id):
        sessions = Sessions(State())
        sessions.searched(query("q0"))
        sessions.searched(query("q1", session=None))
        assert sessions.satisfied(session, query_id) == []

    def test_only_the_last_few_are_kept_and_no_name(self):
        state = State()
        for number in range(50):
            Sessions(state).searched(query(f"q{number}", session="a-session", user="a-user"))
        assert len(Sessions(state).satisfied("a-session", "q49")) == 4
        assert not any(b"a-session" in key + value or b"a-user" in key + value for key, value in state.items())

    def test_they_expire_and_are_forgotten(self):
        state = State()
        sessions = Sessions(state)
        for name, user, time in (("s1", "ann", 5.0), ("s2", "bob", 50.0), ("s3", "ann", 60.0)):
            sessions.searched(query("q", session=name, user=user, time=time))
        assert sessions.expire(before=10.0) == 1
        sessions.forget(hashed("ann"))
        assert len(state) == 1


class TestBudgets:
    def test_they_run_dry_refill_and_expire(self):
        state = State()
        budgets = RateBudgets(state, RateGuard(burst=2, per_minute=60))
        assert [budgets.weight("ann", 0.0) for _ in range(3)] == [1, 1, 0]
        assert budgets.weight("bob", 0.0) == 1
        assert RateBudgets(state, RateGuard(burst=2, per_minute=60)).weight("ann", 1.0) == 1
        assert budgets.expire(before=0.5) == 1
        budgets.forget("ann")
        assert state == {}


class Index:
    """A follower in memory, which may fail."""

    def __init__(self, name, turns):
        self.name, self.seq, self.turns, self.fails = name, 0, turns, False
        self.held = {}

    def follow(self, changes):
        if self.fails:
            raise OSError("disk full")
        self.turns.append(self.name)
        self.held.update({change.ordinal: change.entity for change in changes})
        self.seq = changes[-1].seq


class Counted:
    """A store that notes from where on its changes were read."""

    def __init__(self, store):
        self.head, self._store, self.reads = store.head, store, []

    def changes(self, after, limit):
        self.reads.append(after)
        return self._store.changes(after, limit)


class TestIndexer:
    @pytest.fixture
    def store(self, tmp_path):
        opened = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
        opened.upsert(Entity(id=f"e{n}", kind="track", title=f"Title {n}") for n in range(2 * BATCH + 1))
        yield opened
        opened.close()

    def test_indexes_take_turns_until_all_hold_everything(self, store):
        turns = []
        indexes = (Index("text", turns), Index("vectors", turns))
        progress = []
        indexer = Indexer(store, indexes)
        assert indexer.step(progress=lambda *line: progress.append(line)) == 2 * (2 * BATCH + 1)
        assert turns == ["text", "vectors"] * 3
        assert progress[-1] == ("vectors", store.head(), store.head())
        assert all(len(index.held) == store.count() and index.seq == store.head() for index in indexes)
        assert (indexer.seq, indexer.step()) == (store.head(), 0)

    def test_a_change_is_read_once_for_all_indexes(self, store):
        counted = Counted(store)
        Indexer(counted, [Index(name, []) for name in ("text", "predicted", "vectors")]).step()
        assert counted.reads == [0, BATCH, 2 * BATCH]

    def test_a_failing_index_goes_on_where_it_stood(self, store):
        turns = []
        first, second = Index("text", turns), Index("vectors", turns)
        indexer = Indexer(store, (first, second))
        second.fails = True
        with pytest.raises(OSError, match="disk full"):
            indexer.step()
        assert (first.seq, second.seq, indexer.seq) == (BATCH, 0, 0)
        second.fails = False
        indexer.step()
        assert first.held == second.held

    def test_deletions_are_followed_too(self, store):
        index = Index("text", [])
        indexer = Indexer(store, (index,))
        indexer.step()
        store.delete(["e7"])
        assert indexer.step() == 1
        assert index.held[7] is None

    def test_progress_may_stop_it_and_what_was_done_stays(self, store):
        index = Index("text", [])

        def stop(*line):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Indexer(store, (index,)).step(progress=stop)
        assert index.seq == BATCH

    def test_without_an_index_everything_is_searchable(self, store):
        assert Indexer(store, ()).seq == store.head()
