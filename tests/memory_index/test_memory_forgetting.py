"""Forgetting users and entities, and staying within bounds."""

from hashlib import blake2b

import numpy as np
import pytest

from bandstand.memory_index.keys import user_key, voice_key
from bandstand.types.times import DAY_S


def everything(memory):
    with memory._env.reading() as txn:
        return {
            name: [(bytes(key), bytes(value)) for key, value in txn.cursor(db=db)]
            for name, db in memory._env.dbs.items()
        }


def names(memory, needle):
    return [n for n, items in everything(memory).items() for key, value in items if needle in key or needle in value]


def teach_ann(memory, now):
    with memory.batch() as batch:
        batch.click("her secret", 5, user="ann-id", now=now)
        batch.play("her secret", 6, user="ann-id", now=now)
        batch.click("hello", 7, user="ann-id", now=now)
        batch.click("half known", 8, user="ann-id", now=now)
        for ordinal in (5, 6, 7):
            batch.choose("ann-id", ordinal, normalized="hello", strength=1.0, now=now)


def test_the_raw_user_id_is_never_written(memory, now):
    teach_ann(memory, now)
    assert names(memory, b"ann-id") == []
    key = user_key("ann-id", memory._secret)
    assert {*names(memory, key), *names(memory, voice_key(key, network=False))} == {"own", "support", "users", "fans"}
    assert not names(memory, blake2b(b"ann-id", digest_size=8).digest())


def test_a_private_query_is_written_in_its_users_record_only(memory, now):
    teach_ann(memory, now)
    assert set(names(memory, b"her secret")) == {"own"}


def test_a_forgotten_user_was_never_there(open_memory, now):
    memory, untouched = open_memory("one", agree_users=3), open_memory("other", agree_users=3)
    for each in (memory, untouched):
        with each.batch() as batch:
            batch.predict("hello", np.array([7]), np.array([0.5]))
            batch.click("half known", 8, user="bob", now=now - DAY_S)
            batch.choose("bob", 5, normalized=None, strength=1.0, now=now)
    teach_ann(memory, now)
    with memory.batch() as batch:
        assert batch.forget_user("ann-id") == 3 + 3
    assert names(memory, user_key("ann-id", memory._secret)) == []
    assert names(memory, b"her secret") == []
    for query in ("her secret", "hello", "half known"):
        for user in ("ann-id", "bob", None):
            left, right = (each.lookup(query, user=user, now=now) for each in (memory, untouched))
            assert left.ordinals.tolist() == right.ordinals.tolist()
            assert left.scores.tolist() == pytest.approx(right.scores.tolist())
    assert not len(memory.personal("ann-id", "", now=now))
    for each in (memory, untouched):  # two more users are again needed
        with each.batch() as batch:
            batch.click("half known", 8, user="cat", now=now)
        assert not len(each.lookup("half known", user=None, now=now))
        with each.batch() as batch:
            batch.click("half known", 8, user="dan", now=now)
    assert memory.lookup("half known", user=None, now=now).clicks.tolist() == pytest.approx(
        untouched.lookup("half known", user=None, now=now).clicks.tolist()
    )


def test_what_enough_others_agree_on_stays(memory, agree, now):
    agree(memory, "hello", 7, users=("ann", "bob", "cat"))
    with memory.batch() as batch:
        batch.forget_user("ann")
    rows = memory.lookup("hello", user="ann", now=now)
    assert (rows.ordinals.tolist(), rows.own.tolist(), rows.clicks.tolist()) == ([7], [0], [3])


def test_what_too_few_others_agree_on_is_theirs_alone_again(memory, agree, now):
    agree(memory, "my hello", 7, users=("ann", "bob"))
    agree(memory, "my hello", 8, users=("ann", "bob", "cat"))
    agree(memory, "their hello", 7, users=("ann", "bob"))
    with memory.batch() as batch:
        batch.set_vector("their hello", np.ones(4, np.float32))
        batch.forget_user("ann")
    assert memory.lookup("my hello", user=None, now=now).ordinals.tolist() == [8]
    assert sorted(memory.lookup("my hello", user="bob", now=now).ordinals.tolist()) == [7, 8]
    assert memory.lookup("their hello", user="cat", now=now).ordinals.tolist() == []
    assert memory.popular().texts == ["my hello"]
    assert memory.withdrawn(["their hello", "my hello"]) == ["their hello", "my hello"]  # neither has a vector
    with memory.batch() as batch:
        batch.click("their hello", 7, user="cat", now=now)
    rows = memory.lookup("their hello", user=None, now=now)
    assert (rows.ordinals.tolist(), rows.clicks.tolist()) == ([7], [2])  # bob's and cat's
    assert memory.popular().texts == ["my hello", "their hello"]


def test_a_person_goes_under_every_name_at_once(memory, agree, now):
    agree(memory, "hello", 7, users=("ann", "session:of ann"))
    with memory.batch() as batch:
        batch.forget_user("ann", "session:of ann")
    assert names(memory, b"hello") == []
    assert names(memory, user_key("session:of ann", memory._secret)) == []


def test_who_is_evicted_is_not_missed_by_others(open_memory, agree, now):
    memory = open_memory(max_users=1)
    agree(memory, "hello", 7, users=("ann", "bob"))
    with memory.batch() as batch:
        for user in ("ann", "bob"):
            batch.choose(user, 7, normalized="hello", strength=1.0, now=now)
        batch.evict()
    assert memory.lookup("hello", user=None, now=now).ordinals.tolist() == [7]
    with memory.batch() as batch:
        batch.forget_user("ann")  # even so it is known whose it was
    assert memory.lookup("hello", user=None, now=now).ordinals.tolist() == []


def test_what_was_agreed_on_before_it_was_known_who_did_stays(memory, agree, now):
    agree(memory, "hello", 7, users=("ann", "bob"))
    with memory._env.writing() as txn:
        ((pair, _),) = list(txn.cursor(db=memory._env.dbs["support"]))
        txn.delete(bytes(pair), db=memory._env.dbs["support"])
    agree(memory, "hello", 7, users=("cat",))
    with memory.batch() as batch:
        batch.forget_user("ann", "cat")
    assert memory.lookup("hello", user=None, now=now).ordinals.tolist() == [7]


def test_forgetting_a_stranger_changes_nothing(memory, agree, now):
    agree(memory, "hello", 7)
    before = everything(memory)
    with memory.batch() as batch:
        assert batch.forget_user("stranger") == 0
    assert everything(memory) == before


def test_a_forgotten_entity_leaves_every_answer(memory, agree, now):
    agree(memory, "hello", 7, 8)
    agree(memory, "adele", 7)
    with memory.batch() as batch:
        batch.predict("other side", np.array([7, 9]), np.array([0.5, 0.4]))
        for user in ("ann", "bob"):
            batch.choose(user, 7, normalized=None, strength=1.0, now=now)
            batch.choose(user, 8, normalized=None, strength=1.0, now=now)
        batch.trend(7, 1.0, now=now)
    with memory.batch() as batch:
        assert batch.forget_entity(7) > 0
    assert memory.lookup("hello", user=None, now=now).ordinals.tolist() == [8]
    assert memory.lookup("other side", user=None, now=now).ordinals.tolist() == [9]
    assert not len(memory.lookup("adele", user=None, now=now))
    assert memory.popular().complete("", 9) == ["hello"]
    assert memory.personal("ann", "", now=now).ordinals.tolist() == [8]
    assert memory.trending(now=now)[0].tolist() == []


def test_an_empty_memory_holds_no_indexes_of_what_it_forgot(memory, agree, now):
    agree(memory, "hello there", 7)
    with memory.batch() as batch:
        batch.set_vector("hello there", np.ones(4, np.float32))
    with memory.batch() as batch:
        batch.forget_entity(7)
        batch.forget_user("ann")
        batch.forget_user("bob")
    left = everything(memory)
    assert {name for name, items in left.items() if items} == {"meta", "state"}
    assert [key for key, _ in left["state"]] == [b"ordinals/place"]  # whose ordinals its own are
    assert memory.stats().pairs == 0


def test_queries_are_bounded_predicted_only_first_then_lowest_evidence(open_memory, now):
    memory = open_memory(max_queries=20, agree_users=1)
    with memory.batch() as batch:
        for i in range(15):
            batch.predict(f"predicted {i}", np.array([i]), np.array([0.5 + i / 100]))
        for i in range(15):
            for _ in range(i + 1):
                batch.click(f"learned {i}", i, user=None, now=now)
        batch.click("old", 1, user=None, now=now - 900 * DAY_S)
        assert batch.evict() == 31 - 19
    stats = memory.stats()
    assert (stats.queries, stats.shared_queries) == (19, 16)
    assert len(memory.lookup("predicted 14", user=None, now=now))
    assert not len(memory.lookup("predicted 11", user=None, now=now))
    with memory.batch() as batch:
        assert batch.evict() == 0
        for i in range(3):
            batch.predict(f"more {i}", np.array([i]), np.array([0.99]))
        assert batch.evict() == 3
    assert not len(memory.lookup("predicted 12", user=None, now=now))
    assert len(memory.lookup("old", user=None, now=now))


def test_pairs_of_a_query_are_bounded_least_chosen_first(open_memory, agree, now):
    memory = open_memory(max_pairs_per_query=5)
    agree(memory, "hits", *range(10, 14))
    with memory.batch() as batch:
        batch.impression("hits", np.arange(100), user=None, now=now)
        batch.predict("hits", np.arange(3), np.array([0.2, 0.9, 0.3]))
    assert sorted(memory.lookup("hits", user=None, now=now).ordinals.tolist()) == [1, 10, 11, 12, 13]
    assert memory.stats().pairs == 5


def test_own_queries_of_a_user_are_bounded(open_memory, now):
    memory = open_memory(history_per_user=10)
    for i in range(40):
        with memory.batch() as batch:
            batch.click(f"query {i}", i, user="ann", now=now + i)
    assert memory.stats().own_queries <= 10
    assert len(memory.lookup("query 39", user="ann", now=now))
    supported = len(everything(memory)["support"])
    assert supported == memory.stats().own_queries  # what was dropped supports nothing any more


def test_users_are_bounded_the_longest_away_first(open_memory, now):
    memory = open_memory(max_users=20)
    with memory.batch() as batch:
        for i in range(25):
            batch.choose(f"user {i}", 1, normalized=None, strength=1.0, now=now + i)
        assert batch.evict() == 6
    assert memory.stats().users == 19
    assert not len(memory.personal("user 5", "", now=now))
    assert len(memory.personal("user 6", "", now=now))
