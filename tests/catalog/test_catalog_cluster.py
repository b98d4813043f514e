"""Several writers of one catalogue in OpenSearch: no follower misses a change, and no ordinal is given twice."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from bandstand.errors import Unavailable
from bandstand.opensearch.catalog import Numbering, OpenSearchStore, key_of, rebuild
from bandstand.opensearch.indices import STATE, ensure


@pytest.fixture
def shared(borrow_cluster):
    return borrow_cluster()


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def open_one(shared, now):
    return lambda: OpenSearchStore(shared, clock=lambda: now[0])


def numbering(cluster, now):
    return Numbering(cluster, ensure(cluster, STATE), clock=lambda: now[0])


def test_the_feed_ends_before_what_somebody_is_still_writing(open_one, shared, now, make_track):
    store, other = open_one(), numbering(shared, now)
    store.upsert([make_track("a")])
    writing = other.reserve(3, 3)
    store.upsert([make_track("b")])
    assert (writing.seq, writing.ordinal) == (2, 1)
    assert (store.head(), [change.seq for change in store.changes(0, 10)]) == (1, [1])
    assert other.finish(writing)
    assert [change.seq for change in store.changes(0, 10)] == [1, 5]


def test_a_writer_that_died_is_not_waited_for_for_ever(open_one, shared, now, make_track):
    store = open_one()
    numbering(shared, now).reserve(1, 1)
    store.upsert([make_track("a")])
    assert store.head() == 0
    now[0] += 121
    assert (store.head(), [change.entity.id for change in store.changes(0, 10)]) == (2, ["a"])


def test_who_was_too_slow_writes_again_where_followers_look(open_one, shared, now, make_track):
    """A follower has gone past the numbers that a stalled writer had; what it wrote then comes once more."""
    slow, quick = open_one(), open_one()
    bulk = slow._cluster.bulk
    seen, stalls = [], []

    def stalled(*words, **named):
        if not stalls:
            stalls.append(True)
            now[0] += 121
            quick.upsert([make_track("b")])
            seen.extend(change.seq for change in quick.changes(0, 10))
        return bulk(*words, **named)

    slow._cluster.bulk = stalled
    try:
        assert slow.upsert([make_track("a")]) == 1
    finally:
        slow._cluster.bulk = bulk
    assert [change.entity.id for change in quick.changes(max(seen), 10)] == ["a"]
    assert sorted(quick.ordinals(["a", "b"]).tolist()) == [0, 1]


def test_writers_of_the_same_entities_agree_on_their_ordinals(open_one, make_track):
    stores = [open_one() for _ in range(3)]
    tracks = [make_track(str(n)) for n in range(30)]

    def write(at):
        for _ in range(3):
            stores[at].upsert([make_track(track.id, f"by {at}") for track in tracks])

    threads = [threading.Thread(target=write, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordinals = stores[0].ordinals([track.id for track in tracks])
    assert len(set(ordinals.tolist())) == 30
    feed = stores[0].changes(0, 1_000)
    assert sorted(change.ordinal for change in feed) == sorted(ordinals.tolist())
    assert len({change.seq for change in feed}) == 30
    assert stores[0].count() == 30


def test_an_id_longer_than_opensearch_allows_is_kept(open_one, make_track):
    store, long = open_one(), "宇" * 256
    store.upsert([make_track(long)])
    assert store.get(long).id == long
    assert len(key_of(long)) == 32


def test_a_rebuilt_catalogue_is_the_same(open_one, shared, now, make_track):
    store = open_one()
    store.upsert([make_track(str(n)) for n in range(10)])
    store.delete(["3"])
    before = [(c.seq, c.ordinal, c.entity) for c in store.changes(0, 100)]
    rebuild(shared, clock=lambda: now[0])
    assert [(c.seq, c.ordinal, c.entity) for c in store.changes(0, 100)] == before
    assert store.recall(np.array([3], np.int32)) == [make_track("3")]
    store.upsert([make_track("3"), make_track("10")])
    assert store.ordinals(["3", "10"]).tolist() == [3, 10]


def test_while_the_last_changes_are_copied_writers_are_asked_to_come_back(open_one, shared, now, make_track):
    store = open_one()
    with numbering(shared, now).paused(), pytest.raises(Unavailable, match="moment") as caught:
        store.upsert([make_track("a")])
    assert caught.value.retry_after == 1
    assert store.upsert([make_track("a")]) == 1


def test_moving_waits_for_who_is_writing(shared, now):
    looked = []

    def nap(_):
        looked.append(_)
        other.finish(writing)

    other = numbering(shared, now)
    writing = other.reserve(1, 1)
    with Numbering(shared, ensure(shared, STATE), clock=lambda: now[0], sleep=nap).paused():
        assert len(looked) == 1
