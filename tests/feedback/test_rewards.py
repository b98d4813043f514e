"""Grades of actions, outcomes of searches, sessions, and the influence of one actor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.feedback.attribution import Attribution
from bandstand.feedback.rewards import (
    Budget,
    RateGuard,
    RewardWeights,
    SearchOutcome,
    actor_of,
    grade_of,
    ranker_grades,
)
from bandstand.feedback.sessions import is_reformulation, relabel_share


@pytest.mark.parametrize(
    ("action", "seconds", "grade"),
    [
        ("click", None, 0.3),
        ("play", None, 0.3),
        ("play", 29.9, 0.1),
        ("play", 30.0, 1.0),
        ("save", None, 1.0),
        ("skip", None, -0.2),
        ("add_to_cart", None, 0.0),
        ("impression", 500.0, 0.0),
    ],
)
def test_grades_of_actions(make, action, seconds, grade):
    assert grade_of(make.event(action=action, play_seconds=seconds)) == grade


def outcome(make, *events, **search):
    result = SearchOutcome(make.impression(**search))
    counted = [result.add(event) for event in events]
    return result, counted


def test_the_best_action_on_a_hit_counts_and_a_skip_takes_its_share_off(make):
    result, counted = outcome(
        make,
        make.event("1", object_id="a"),
        make.event("2", object_id="b", action="play", play_seconds=200.0),
        make.event("3", object_id="b", action="skip"),
        make.event("4", object_id="b"),
        make.event("5", object_id="c", action="skip"),
    )
    assert counted == [True] * 5
    np.testing.assert_allclose(result.grades, [0.3, 0.8, 0.0], rtol=1e-6)
    assert result.grades.dtype == np.float32
    assert result.touched.tolist() == [True, True, True]
    assert ranker_grades(result.grades).tolist() == [1, 2, 0]
    assert result.reward == pytest.approx(0.8)
    assert result.succeeded


def test_entities_outside_the_head_count_for_the_search(make):
    result, counted = outcome(make, make.event(object_id="edition", action="save"))
    assert (counted, dict(result.outside), result.reward) == ([True], {"edition": 1.0}, 1.0)
    assert not result.touched.any()


def test_what_does_not_teach(make):
    result, counted = outcome(
        make,
        make.event("1", action="view"),
        make.event("2", query_id="q2"),
        make.event("3", time=make.now + 9999),
        make.event("4", object_id=None),
    )
    assert counted == [False] * 4
    assert (result.reward, result.succeeded, dict(result.outside)) == (0.0, False, {})


def test_nothing_found_and_nothing_done(make):
    result, _ = outcome(make, ids=(), shown=0)
    assert (result.grades.shape, result.reward, result.succeeded) == ((0,), 0.0, False)
    assert ranker_grades(result.grades).tolist() == []


def test_a_click_is_a_success_and_a_short_play_is_none(make):
    assert outcome(make, make.event())[0].succeeded
    assert not outcome(make, make.event(action="play", play_seconds=3.0))[0].succeeded


actions = st.lists(
    st.tuples(
        st.sampled_from(["click", "play", "save", "skip", "view"]),
        st.sampled_from("abcx"),
        st.none() | st.floats(0, 90),
    ),
    max_size=8,
)


@given(actions, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter_and_grades_stay_in_bounds(make, chosen, rng):
    events = [make.event(str(i), action=a, object_id=o, play_seconds=s) for i, (a, o, s) in enumerate(chosen)]
    shuffled = events * 2
    rng.shuffle(shuffled)
    one, _ = outcome(make, *events)
    two, _ = outcome(make, *shuffled)
    assert one.grades.tolist() == two.grades.tolist()
    assert dict(one.outside) == dict(two.outside)
    assert np.all((one.grades >= 0) & (one.grades <= 1))
    assert 0 <= one.reward <= 1


def test_grades_for_the_ranker():
    grades = np.array([0, 1e-6, 0.3, 0.49, 0.5, 0.89, 0.9, 1.0], np.float32)
    assert ranker_grades(grades).tolist() == [0, 1, 1, 1, 2, 2, 3, 3]


def test_weights_and_window_are_settings(make):
    result = SearchOutcome(
        make.impression(), attribution=Attribution(window=1), weights=RewardWeights(worth={"click": 0.7})
    )
    assert not result.add(make.event(time=make.now + 2))
    assert result.add(make.event(time=make.now + 1))
    assert result.reward == pytest.approx(0.7)


def query(make, text, *, seconds=0.0, session="s1"):
    return make.impression(text, text=text, time=make.now + seconds, session=session).query


@pytest.mark.parametrize(
    ("first", "second", "seconds", "sessions", "expected"),
    [
        ("sigor ros", "sigur ros", 10, ("s", "s"), True),
        ("beyonse", "beyonce", 60, ("s", "s"), True),
        ("sigur", "sigur ros hoppipolla", 10, ("s", "s"), True),
        ("sigur ros", "abba", 10, ("s", "s"), False),
        ("sigur ros", "sigur ros", 10, ("s", "s"), False),
        ("sigor ros", "sigur ros", 61, ("s", "s"), False),
        ("sigor ros", "sigur ros", -1, ("s", "s"), False),
        ("sigor ros", "sigur ros", 10, ("s", "t"), False),
        ("sigor ros", "sigur ros", 10, (None, None), False),
        ("", "sigur ros", 10, ("s", "s"), False),
    ],
)
def test_reformulations(make, first, second, seconds, sessions, expected):
    previous = query(make, first, session=sessions[0])
    assert is_reformulation(previous, query(make, second, seconds=seconds, session=sessions[1])) is expected


def spend(guard, times, budget=None):
    total = 0.0
    for time in times:
        weight, budget = guard.spend(budget, time)
        total += weight
    return total, budget


def test_a_bot_weighs_no_more_than_a_busy_person():
    guard = RateGuard(burst=30, per_minute=20)
    total, _ = spend(guard, [i * 0.06 for i in range(1000)])  # a thousand clicks in a minute
    assert 49.0 <= total <= 50.0
    assert spend(guard, [i * 3.0 for i in range(1000)])[0] == pytest.approx(1000)  # twenty a minute, for long


@given(st.lists(st.floats(0, 1e4), max_size=60))
def test_influence_is_bounded_whatever_the_clock_does(times):
    guard = RateGuard(burst=5, per_minute=6)
    total, budget = spend(guard, times)
    span = max(times, default=0) - (times[0] if times else 0)
    assert total <= 5 + 0.1 * max(0.0, span) + 1e-6
    assert budget is None or 0 <= budget.tokens <= 5


def test_a_new_actor_starts_with_a_full_budget():
    assert RateGuard(burst=3).spend(None, 7.0) == (1.0, Budget(2.0, 7.0))


def test_actors(make):
    assert actor_of(make.event(user="u", session_id="s")) == "user:u"
    assert actor_of(make.event(user=None, session_id="s", client_id="c")) == "session:s"
    assert actor_of(make.event(user=None, client_id="c")) == "client:c"
    assert actor_of(make.event(user=None)) == "query:q1"
    assert actor_of(make.event(user=None, query_id=None)) == "anonymous"


@pytest.mark.parametrize(
    ("second", "seconds", "session", "expected"),
    [
        ("bohemian rapsody", 10.0, "s", 0.5),  # a word in common with "bohemian rhapsody"
        ("is this the real life", 10.0, "s", 0.25),  # none, but the very next thing that was tried
        ("is this the real life", 61.0, "s", 0.0),
        ("is this the real life", 10.0, "other", 0.0),
        ("bohemian rhapsody", 10.0, "s", 0.0),  # the same text says nothing new
    ],
)
def test_relabel_share(make, second, seconds, session, expected):
    previous = query(make, "bohemian rhapsody", session="s")
    assert relabel_share(previous, query(make, second, seconds=seconds, session=session)) == expected
