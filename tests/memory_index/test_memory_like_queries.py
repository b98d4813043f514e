"""Queries that led to the same entities, and what that says: to the personal look-up and to rephrasings."""

import math

import numpy as np
import pytest

from bandstand.memory_index.keys import query_key
from bandstand.memory_index.relations import LikeQueries, like_queries


def like(memory, query):
    with memory._env.reading() as txn:
        return like_queries(memory._env.dbs, txn, query_key(query))


def number(query):
    return int(np.frombuffer(query_key(query), np.uint64)[0])


def test_likeness_is_the_documented_formula(memory, agree):
    """Under "sad" two users each chose 1 and 2; "blue" shares 1, "gym" nothing, "tears" shares both and has 3 too."""
    agree(memory, "sad", 1, 2)
    agree(memory, "blue", 1)
    agree(memory, "tears", 1, 2, 3)
    agree(memory, "gym", 9)
    found = like(memory, "sad")
    w1, w2 = math.log(3) / math.sqrt(3), math.log(3) / math.sqrt(2)  # three queries led to 1, two to 2
    norm = math.hypot(w1, w2)
    expected = {number("blue"): w1 / norm, number("tears"): (w1 + w2) / norm / math.sqrt(3)}
    assert dict(zip(found.keys.tolist(), found.likeness.tolist(), strict=True)) == pytest.approx(expected)
    assert found.keys.tolist() == sorted(expected)


@pytest.mark.parametrize("query", ["", "never asked", "alone"])
def test_a_query_without_common_answers_is_like_nothing(memory, agree, query):
    agree(memory, "alone", 5)
    assert len(like(memory, query).keys) == 0
    assert len(memory.like_answers(query, now=0.0)) == 0


def test_likeness_of_queries_that_are_not_among_them_is_nothing():
    some = LikeQueries(np.array([3, 7], np.uint64), np.array([0.5, 0.25], np.float32))
    assert some.of(np.array([1, 3, 5, 7, 9], np.uint64)).tolist() == [0, 0.5, 0, 0.25, 0]
    assert LikeQueries(some.keys[:0], some.likeness[:0]).of(some.keys).tolist() == [0, 0]


def test_what_like_queries_led_to(memory, agree, now):
    agree(memory, "sad", 1, 2)
    agree(memory, "tears", 1, 2, 3)
    rows = memory.like_answers("sad", now=now)
    assert rows.ordinals.tolist() == [1, 2, 3]
    assert rows.clicks.tolist() == [2, 2, 2]
    tears = memory.lookup("tears", user=None, now=now)
    assert sorted(rows.scores.tolist()) == pytest.approx(sorted(tears.scores.tolist()))


def test_what_one_user_chose_makes_no_queries_alike_for_others(memory, agree, now):
    """Ann alone took "her secret" to 1: to nobody is it like what led to 1, and it brings nothing to anybody."""
    agree(memory, "sad", 1)
    with memory.batch() as batch:
        for ordinal in (1, 2):
            batch.click("her secret", ordinal, user="ann", now=now)
    assert len(like(memory, "sad").keys) == len(memory.like_answers("sad", now=now)) == 0
    assert len(like(memory, "her secret").keys) == 0


def test_a_forgotten_users_part_of_an_unshared_pair_is_gone(memory, agree, now):
    agree(memory, "sad", 1)
    with memory.batch() as batch:
        batch.click("tears", 1, user="ann", now=now)
        batch.forget_user("ann")
        batch.click("tears", 1, user="cat", now=now)
    assert len(like(memory, "sad").keys) == 0


def test_a_past_choice_under_a_query_with_like_answers_comes_first(memory, agree, now):
    """No word in common: that "tears" means what "sad" does is known from where both led."""
    agree(memory, "sad", 1, 2)
    agree(memory, "tears", 1, 2)
    with memory.batch() as batch:
        batch.choose("cat", 7, normalized="gym", strength=9.0, now=now)
        batch.choose("cat", 8, normalized="tears", strength=1.0, now=now)
    rows = memory.personal("cat", "sad", now=now)
    assert rows.ordinals.tolist()[:2] == [8, 7]
    assert rows.like_query[0] > 0.9
    assert rows.like_query[1] == 0
    assert rows.past.tolist() == pytest.approx([math.log(3)] * len(rows))


def test_what_peers_chose_under_like_queries_stands_before_what_else_they_chose(memory, agree, now):
    agree(memory, "sad", 90, 91)
    agree(memory, "tears", 90, 91)
    with memory.batch() as batch:
        for user in ("bob", "dan"):
            for ordinal, query in ((1, "gym"), (50, "gym"), (60, "tears")):
                batch.choose(user, ordinal, normalized=query, strength=1.0, now=now)
        batch.choose("cat", 1, normalized="gym", strength=1.0, now=now)
    rows = memory.personal("cat", "sad", now=now)
    assert rows.ordinals.tolist() == [1, 60, 50]
    under_like, other = rows.alike[1], rows.alike[2]
    assert under_like > 0.2
    assert other == 0
    assert rows.peers[1] == pytest.approx(rows.peers[2])
    assert np.isnan(rows.days[1:]).all()


def test_a_forgotten_user_is_nobodys_peer(memory, now):
    with memory.batch() as batch:
        for user in ("bob", "cat"):
            batch.choose(user, 1, normalized=None, strength=1.0, now=now)
        for mate in range(20, 30):  # so that 2 goes with none of cat's
            batch.choose("bob", mate, normalized=None, strength=1.0, now=now)
        batch.choose("bob", 2, normalized=None, strength=1.0, now=now)
    assert 2 in memory.personal("cat", "", now=now).ordinals
    with memory.batch() as batch:
        batch.forget_user("bob")
    after = memory.personal("cat", "", now=now)
    assert 2 not in after.ordinals
    assert not after.peers.any()
