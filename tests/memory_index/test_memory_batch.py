"""One transaction: all or nothing, the learner's own keys, counters, vectors."""

import numpy as np
import pytest

from bandstand.errors import BadInput, BandstandError


def test_a_batch_that_raises_changes_nothing(memory, agree, now):
    agree(memory, "hello", 1)
    version, stats = memory.version(), memory.stats()

    def fail(batch):
        batch.click("hello", 2, user="ann", now=now)
        batch.choose("ann", 2, normalized="hello", strength=1.0, now=now)
        batch.trend(2, 1.0, now=now)
        batch.set_position(9)
        batch.put(b"key", b"value")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), memory.batch() as batch:
        fail(batch)
    assert memory.lookup("hello", user="ann", now=now).ordinals.tolist() == [1]
    assert (memory.version(), memory.position(), memory.state(b"key")) == (version, 0, None)
    assert memory.stats().pairs == stats.pairs
    assert not len(memory.trending(now=now)[0])


def test_readers_see_a_batch_when_it_is_committed(memory, now):
    with memory.batch() as batch:
        batch.click("hello", 2, user="ann", now=now)
        batch.set_position(7)
        assert not len(memory.lookup("hello", user="ann", now=now))
        assert memory.position() == 0
    assert len(memory.lookup("hello", user="ann", now=now))
    assert memory.position() == 7


def test_the_version_counts_batches_that_changed_something(memory, now):
    with memory.batch() as batch:
        batch.impression("unknown", np.array([1]), user="ann", now=now)
        assert batch.get(b"key") is None
    assert memory.version() == 0
    for expected, change in enumerate((lambda b: b.put(b"k", b"v"), lambda b: b.trend(1, 1.0, now=now)), start=1):
        with memory.batch() as batch:
            change(batch)
        assert memory.version() == expected


def test_the_learners_own_keys(memory):
    with memory.batch() as batch:
        for name in (b"b/2", b"a/1", b"b/1", b"c"):
            batch.put(name, name.upper())
        assert list(batch.scan(b"b/")) == [(b"b/1", b"B/1"), (b"b/2", b"B/2")]
        for key, _ in batch.scan(b"b/"):
            batch.delete(key)
        batch.delete(b"never there")
        assert [key for key, _ in batch.scan(b"")] == [b"a/1", b"c"]
        assert batch.get(b"b/1") is None
    assert (memory.state(b"c"), memory.state(b"b/1")) == (b"C", None)


@pytest.mark.parametrize("key", [b"", b"x" * 512])
def test_an_impossible_key_is_bad_input(memory, key):
    with pytest.raises(BadInput, match="1 to 511 bytes"), memory.batch() as batch:
        batch.put(key, b"value")


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_choice_without_weight_is_bad_input(memory, now, weight):
    with pytest.raises(BandstandError, match="positive weight"), memory.batch() as batch:
        batch.click("hello", 1, user=None, now=now, weight=weight)


def test_vectors_of_learned_queries(memory, agree, now):
    agree(memory, "hello", 1)
    agree(memory, "adele", 2)
    with memory.batch() as batch:
        batch.click("private", 3, user="ann", now=now)
    assert sorted(memory.vectors_wanted(9)) == ["adele", "hello"]
    assert len(memory.vectors_wanted(1)) == 1
    assert memory.learned(0) == (0, [])
    with memory.batch() as batch:
        batch.set_vector("hello", np.array([0.5, -1.0], np.float32))
        batch.set_vector("private", np.ones(2, np.float32))
    change, learned = memory.learned(0)
    assert [(text, vector.tolist(), vector.dtype) for text, vector in learned] == [("hello", [0.5, -1.0], np.float32)]
    assert memory.vectors_wanted(9) == ["adele"]
    assert memory.learned(change) == (change, [])
    with memory.batch() as batch:
        batch.set_vector("adele", np.zeros(2, np.float32))
        batch.set_vector("hello", np.ones(2, np.float32))
    assert [text for text, _ in memory.learned(change)[1]] == ["adele", "hello"]
    assert [text for text, _ in memory.learned(0)[1]] == ["adele", "hello"]
    assert memory.stats().vectors == 2


def test_popular_queries_are_shared_ones_by_clicks(memory, agree, now):
    agree(memory, "hello", 1)
    agree(memory, "help", 1, users=("a", "b", "c"))
    agree(memory, "adele", 1)
    with memory.batch() as batch:
        batch.click("hey", 1, user="ann", now=now)
    assert memory.popular().complete("he", 9) == ["help", "hello"]
    assert memory.popular().complete("he", 1) == ["help"]
    assert memory.popular().complete("", 9) == ["help", "adele", "hello"]
    assert memory.popular().complete("x", 9) == []


def test_stats_count_what_is_there(memory, agree, now):
    empty = memory.stats()
    assert (empty.queries, empty.pairs, empty.users, empty.vectors, empty.version) == (0, 0, 0, 0, 0)
    agree(memory, "hello", 1, 2)
    with memory.batch() as batch:
        batch.predict("hello", np.array([2, 3]), np.array([0.5, 0.5]))
        batch.predict("adele", np.array([2]), np.array([0.5]))
        batch.choose("ann", 1, normalized=None, strength=1.0, now=now)
    stats = memory.stats()
    assert (stats.queries, stats.shared_queries, stats.pairs, stats.own_queries, stats.users) == (2, 1, 4, 2, 1)
    assert 0 < stats.bytes <= stats.map_size


def test_many_small_batches_equal_one_large_one(open_memory, now):
    rng = np.random.default_rng(5)
    events = [(f"query {rng.integers(6)}", int(rng.integers(8)), f"user {rng.integers(4)}") for _ in range(200)]
    small, large = open_memory("small"), open_memory("large")

    def apply(batch, at):
        query, ordinal, user = events[at]
        batch.impression(query, np.arange(5), user=user, now=now + at)
        batch.click(query, ordinal, user=user, now=now + at)
        batch.choose(user, ordinal, normalized=query, strength=1.0, now=now + at)
        batch.trend(ordinal, 1.0, now=now + at)

    with large.batch() as batch:
        for at in range(len(events)):
            apply(batch, at)
    for start in range(0, len(events), 10):
        with small.batch() as batch:
            for at in range(start, start + 10):
                apply(batch, at)
    for query in {query for query, _, _ in events}:
        for user in (None, "user 1"):
            one, other = (memory.lookup(query, user=user, now=now + 999) for memory in (small, large))
            assert one.ordinals.tolist() == other.ordinals.tolist()
            assert one.scores.tolist() == pytest.approx(other.scores.tolist())
    one, other = (memory.personal("user 1", "query 2", now=now + 999) for memory in (small, large))
    assert one.scores.tolist() == pytest.approx(other.scores.tolist())
    assert small.stats().pairs == large.stats().pairs
