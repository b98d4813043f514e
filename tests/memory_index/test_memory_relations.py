"""What goes with an entity by what people did: by hand, and what stays with one user."""

from __future__ import annotations

import pytest


def choose(memory, now, user, *ordinals, beside=None):
    with memory.batch() as batch:
        for ordinal in ordinals:
            batch.choose(user, ordinal, normalized=None, strength=1.0, now=now, beside=beside)


def found(scored):
    ordinals, scores = scored
    return {ordinal: pytest.approx(score) for ordinal, score in zip(ordinals.tolist(), scores.tolist(), strict=True)}


def test_of_an_entity_nobody_chose_nothing_is_known(memory, now):
    known = memory.relations(7, now=now)
    assert found(known.together) == found(known.asked) == {}


def test_users_in_common_by_their_cosine_shrunk(memory, now):
    for user in ("ann", "bob", "cat"):
        choose(memory, now, user, 1, 2)
    choose(memory, now, "dan", 2)
    # Three chose both, three the first and four the second: 3 / (sqrt(3 · 4) + 5).
    assert found(memory.relations(1, now=now).together) == {2: 3 / (12**0.5 + 5)}
    assert found(memory.relations(2, now=now).together) == {1: 3 / (12**0.5 + 5)}


def test_a_pair_of_one_user_is_hers_alone(memory, now):
    choose(memory, now, "ann", 1, 2)
    choose(memory, now, "ann", 1, 2)
    assert found(memory.relations(1, now=now).together) == {}


def test_how_many_must_agree_is_a_setting(open_memory, now):
    memory = open_memory(agree_users=1)
    choose(memory, now, "ann", 1, 2)
    assert found(memory.relations(1, now=now).together) == {2: 1 / 6}


def test_what_was_offered_beside_an_entity_goes_with_it(memory, now):
    for user in ("ann", "bob"):
        choose(memory, now, user, 2, beside=1)
        choose(memory, now, user, 2, beside=1)  # once a user
        choose(memory, now, user, 3, beside=3)  # with itself is with nothing
    assert found(memory.relations(1, now=now).together) == {2: 2 / 7}
    assert found(memory.relations(2, now=now).together) == {1: 2 / 7, 3: 2 / 7}


def test_a_walk_over_shared_queries(memory, agree, now):
    agree(memory, "sad songs", 1, 2)
    agree(memory, "slow songs", 1, 3, users=("ann", "bob", "cat"))
    # Two and three clicks led to 1: from it 2/5 to one query and on by 2 / (4 + 5), 3/5 to the other, 3 / (6 + 5).
    assert found(memory.relations(1, now=now).asked) == {2: 2 / 5 * 2 / 9, 3: 3 / 5 * 3 / 11}


def test_what_one_user_clicked_is_not_walked(memory, agree, now):
    agree(memory, "sad songs", 1)
    with memory.batch() as batch:
        batch.click("sad songs", 2, user="ann", now=now)
    assert found(memory.relations(1, now=now).asked) == {}
    assert found(memory.relations(2, now=now).asked) == {}


def test_old_clicks_say_less(memory, agree, now):
    agree(memory, "sad songs", 1, 2)
    month = 30 * 86_400.0
    # Half of two clicks each: 1 / (2 + 5).
    assert found(memory.relations(1, now=now + month).asked) == {2: 1 / 7}


def test_what_is_forgotten_goes_with_nothing(memory, agree, now):
    agree(memory, "sad songs", 1, 2)
    for user in ("ann", "bob"):
        choose(memory, now, user, 1, 2)
    with memory.batch() as batch:
        batch.forget_entity(2)
    known = memory.relations(1, now=now)
    assert found(known.together) == found(known.asked) == {}


def test_a_users_favourites(memory, now):
    choose(memory, now, "ann", 1, 2, 2, 3)
    ordinals, strengths = memory.chosen("ann", now=now)
    assert ordinals.tolist() == [2, 1, 3]
    assert strengths.tolist() == pytest.approx([2, 1, 1])
    assert memory.chosen("ann", now=now + 90 * 86_400.0)[1].tolist() == pytest.approx([1, 0.5, 0.5])
    assert not len(memory.chosen("bob", now=now)[0])
