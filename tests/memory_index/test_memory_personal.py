"""What a user chose, what goes with it, and what like users chose."""

import numpy as np
import pytest

from bandstand.memory_index.history import CHOICE, CoChosen, History, likeness, sketch
from bandstand.types.times import DAY_S


def choose(memory, user, *ordinals, query=None, at=0.0, strength=1.0):
    with memory.batch() as batch:
        for ordinal in ordinals:
            batch.choose(user, ordinal, normalized=query, strength=strength, now=at)


def test_nothing_is_known_of_a_stranger(memory, now):
    rows = memory.personal("nobody", "any", now=now)
    assert [len(column) for column in (rows.ordinals, rows.scores, rows.times, rows.days, rows.like_query)] == [0] * 5


def test_recent_and_often_first(memory, now):
    choose(memory, "ann", 1, 2, 2, 2, 3, at=now - 200 * DAY_S)
    choose(memory, "ann", 4, at=now)
    rows = memory.personal("ann", "", now=now)
    assert rows.ordinals.tolist() == [4, 2, 1, 3]
    assert rows.days.tolist() == pytest.approx([0, 200, 200, 200])
    left = 2 ** (-200 / 90)
    assert rows.times.tolist() == pytest.approx([1, 3 * left, left, left])
    assert rows.scores.tolist() == pytest.approx([61 / 61, 61 / 62, 61 / 63, 61 / 64])  # by rank in the history


def test_a_clock_that_ran_backwards_does_not_amplify(memory, now):
    choose(memory, "ann", 1, at=now)
    rows = memory.personal("ann", "", now=now - 900 * DAY_S)
    assert (rows.times.tolist(), rows.days.tolist()) == ([1], [0])


def test_what_was_chosen_under_a_like_query_comes_first(memory, now):
    choose(memory, "ann", 1, 1, 1, query="gym", at=now)
    choose(memory, "ann", 2, query="sad korean songs", at=now - 100 * DAY_S)
    rows = memory.personal("ann", "sad songs", now=now)
    assert rows.ordinals.tolist() == [2, 1]
    assert rows.like_query[0] > 0.5
    assert rows.like_query[1] == 0
    assert memory.personal("ann", "gym", now=now).like_query.tolist() == [1, 0]


def test_likeness_is_symmetric_and_one_for_itself():
    one, other = sketch("sad songs"), sketch("songs that are sad")
    assert likeness(one[None], one)[0] == 1
    assert likeness(one[None], other)[0] == likeness(other[None], one)[0] > 0.3
    assert likeness(sketch(None)[None], sketch("x"))[0] == likeness(sketch("")[None], sketch(""))[0] == 0


def test_what_goes_with_it_and_what_like_users_chose(memory, now):
    for user in ("bob", "cat", "dan"):
        choose(memory, user, 1, 2, at=now)
    choose(memory, "eve", 50, 51, at=now)
    choose(memory, "ann", 1, at=now)
    rows = memory.personal("ann", "", now=now)
    assert rows.ordinals.tolist() == [1, 2]
    assert (rows.times[1], rows.like_query[1]) == (0, 0)
    assert np.isnan(rows.days[1])
    assert 0 < rows.scores[1] < 1


def test_history_is_bounded_and_the_weakest_goes(open_memory, now):
    memory = open_memory(history_per_user=3)
    choose(memory, "ann", 1, 1, at=now)
    choose(memory, "ann", 2, 3, 4, 5, at=now + DAY_S)
    rows = memory.personal("ann", "", now=now + DAY_S)
    assert rows.ordinals[rows.times > 0].tolist() == [1, 2, 3]
    choose(memory, "bob", 5, 9, at=now)
    assert 9 not in memory.personal("ann", "", now=now).ordinals  # ann is not among those who chose 5 any more


def test_one_row_for_an_entity_under_several_queries(memory, now):
    choose(memory, "ann", 1, query="one", at=now)
    choose(memory, "ann", 1, query="two", at=now)
    rows = memory.personal("ann", "two", now=now)
    assert (rows.ordinals.tolist(), rows.times.tolist(), rows.like_query.tolist()) == ([1], [2], [1])


def test_records_survive_their_bytes():
    history = History(np.empty(0, CHOICE))
    history.choose(np.array([(3, 1, 2, 5.0, b"12345678", sketch("x"))], CHOICE), DAY_S)
    assert np.array_equal(History.load(history.dump()).rows, history.rows)
    related = CoChosen(2.0, {5: 1.0, 4: 3.0})
    assert CoChosen.load(related.dump()).users == related.users
    related.add(9, 2)
    assert related.users == {4: 3.0, 9: 1.0}


def test_trending_decays(memory, now):
    assert [len(column) for column in memory.trending(now=now)] == [0, 0]
    with memory.batch() as batch:
        batch.trend(300, 4.0, now=now - 7 * DAY_S)
        batch.trend(1, 1.0, now=now)
        batch.trend(1, 0.5, now=now)
        batch.trend(0, 9.0, now=now - 70 * DAY_S)
    ordinals, amounts = memory.trending(now=now)
    assert ordinals.tolist() == [0, 1, 300]
    assert amounts.tolist() == pytest.approx([9 / 1024, 1.5, 2])
    assert memory.trending(now=now - 900 * DAY_S)[1].max() == 9
