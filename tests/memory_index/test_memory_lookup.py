"""What a query led to: posterior, decay, privacy, near spellings, other orders, shared answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import BadInput
from bandstand.memory_index.near_queries import edits_between
from bandstand.memory_index.posterior import decay, posterior_mean, unclicked
from bandstand.memory_index.rows import COANSWER, EXACT, REORDERED
from bandstand.memory_index.settings import MemorySettings
from bandstand.types.times import DAY_S

COUNTS = st.floats(0, 1e6, width=32)


@pytest.mark.parametrize("find", ["lookup", "exact"])
def test_what_was_learned_on_a_name_as_it_is_spoken_counts_for_every_writing(memory, agree, now, find):
    agree(memory, "part 2", 3)
    assert getattr(memory, find)("part two", user="zoe", now=now).ordinals.tolist() == [3]
    assert getattr(memory, find)("part three", user="zoe", now=now).ordinals.tolist() == []


def mean(prior, impressions, clicks, plays):
    one = [np.array([value], np.float32) for value in (prior, impressions, clicks, plays)]
    return float(posterior_mean(one[0], one[2] + 2 * one[3], unclicked(*one[1:]), 3.0)[0])


@pytest.mark.parametrize(
    ("prior", "impressions", "clicks", "plays", "expected"),
    [
        (0.5, 0, 0, 0, 0.5),
        (0.5, 3, 0, 0, 1.5 / 6),  # three empty impressions weigh as much as the prior
        (0.05, 2, 2, 0, (0.15 + 2) / (3 + 2)),
        (0.05, 0, 2, 0, (0.15 + 2) / (3 + 2)),  # clicks whose impressions were never logged
        (0.5, 10, 4, 1, (1.5 + 4 + 2) / (3 + 6 + 6)),
    ],
)
def test_posterior_by_hand(prior, impressions, clicks, plays, expected):
    assert mean(prior, impressions, clicks, plays) == pytest.approx(expected, rel=1e-6)


@given(st.floats(0, 1, width=32), COUNTS, COUNTS, COUNTS, COUNTS)
def test_posterior_is_a_probability_and_monotone(prior, impressions, clicks, plays, more):
    score = mean(prior, impressions, clicks, plays)
    assert 0 <= score <= 1
    assert mean(prior, impressions, clicks + more, plays) >= score - 1e-5
    assert mean(prior, impressions, clicks, plays + more) >= score - 1e-5
    assert mean(prior, impressions + more, clicks, plays) <= score + 1e-5


@given(st.floats(-1e12, 1e12))
def test_decay_never_amplifies(age):
    assert 0 <= decay(age, 30 * DAY_S) <= 1


def test_counts_halve_with_the_half_life_and_never_grow(memory, agree, now):
    agree(memory, "hello", 7)
    with memory.batch() as batch:
        batch.impression("hello", np.array([7, 9]), user=None, now=now)
    at = lambda days: memory.lookup("hello", user=None, now=now + days * DAY_S)  # noqa: E731
    assert [float(at(days).clicks[0]) for days in (0, 30, 60)] == pytest.approx([2, 1, 0.5])
    assert float(at(-900).clicks[0]) == 2
    assert at(0).ordinals.tolist() == [7]  # what was only shown is not an answer
    assert float(at(30).scores[0]) == pytest.approx((0.15 + 1) / (3 + 1))


def test_an_event_from_before_counts_as_of_the_stored_time(memory, agree, now):
    agree(memory, "hello", 7)
    with memory.batch() as batch:
        batch.click("hello", 7, user="cat", now=now - 300 * DAY_S)
    assert float(memory.lookup("hello", user=None, now=now).clicks[0]) == 3


def test_prediction_holds_until_evidence_outweighs_it(memory, agree, now):
    with memory.batch() as batch:
        batch.predict("hello", np.array([5, 3]), np.array([0.6, 0.9]))
    rows = memory.lookup("hello", user="ann", now=now)
    assert rows.ordinals.tolist() == [3, 5]
    assert rows.scores.tolist() == pytest.approx([0.9, 0.6])
    assert rows.own.tolist() == [0, 0]
    with memory.batch() as batch:
        for _ in range(9):
            batch.impression("hello", np.array([3, 5]), user=None, now=now)
            batch.click("hello", 5, user=None, now=now)
        batch.click("hello", 5, user="ann", now=now)
    rows = memory.lookup("hello", user=None, now=now)
    assert rows.ordinals.tolist() == [5, 3]
    assert rows.scores.tolist() == pytest.approx([(1.8 + 10) / 13, 2.7 / 12])
    assert rows.predicted.tolist() == pytest.approx([0.6, 0.9])


@pytest.mark.parametrize("scores", [[0.0], [1.0], [math.nan], [-1.0]])
def test_a_prediction_is_inside_zero_and_one(memory, scores):
    with pytest.raises(BadInput, match="between 0 and 1"), memory.batch() as batch:
        batch.predict("hello", np.array([1]), np.array(scores))


def test_a_pair_is_its_users_own_until_two_agree(memory, now):
    with memory.batch() as batch:
        batch.click("my song", 4, user="ann", now=now)
        batch.click("my song", 4, user="ann", now=now)
    own = memory.lookup("my song", user="ann", now=now)
    assert (own.ordinals.tolist(), own.own.tolist(), own.clicks.tolist()) == ([4], [1], [2])
    assert not len(memory.lookup("my song", user="bob", now=now))
    assert not len(memory.lookup("my song", user=None, now=now))
    assert memory.query_rows("my song") == ()
    assert memory.popular().complete("", 9) == []
    with memory.batch() as batch:
        batch.play("my song", 4, user="bob", now=now)
    shared = memory.lookup("my song", user="cat", now=now)
    assert (shared.clicks.tolist(), shared.plays.tolist(), shared.own.tolist()) == ([2], [1], [0])
    assert memory.lookup("my song", user="ann", now=now).scores[0] > shared.scores[0]
    (row,) = memory.query_rows("my song")
    assert (row.ordinal, row.shared, row.predicted) == (4, True, None)


def test_a_private_click_does_not_raise_a_prediction_for_others(memory, now):
    with memory.batch() as batch:
        batch.predict("hello", np.array([5]), np.array([0.6]))
        batch.impression("hello", np.array([5]), user="ann", now=now)
        batch.click("hello", 5, user="ann", now=now)
    others = memory.lookup("hello", user="bob", now=now)
    assert others.scores.tolist() == pytest.approx([0.6])
    assert others.clicks.tolist() == [0]
    assert memory.lookup("hello", user="ann", now=now).scores[0] > 0.6


def test_everybody_without_an_id_is_one_supporter(memory, now):
    with memory.batch() as batch:
        for _ in range(5):
            batch.click("hello", 5, user=None, now=now)
    assert not len(memory.lookup("hello", user=None, now=now))
    with memory.batch() as batch:
        batch.click("hello", 5, user="ann", now=now)
    assert memory.lookup("hello", user=None, now=now).clicks.tolist() == [6]


@pytest.mark.parametrize("needed", [1, 3])
def test_how_many_must_agree_is_a_setting(open_memory, now, needed):
    memory = open_memory(agree_users=needed)
    for seen in range(1, 4):
        with memory.batch() as batch:
            batch.click("hello", 5, user=f"user {seen}", now=now)
        assert len(memory.lookup("hello", user=None, now=now)) == (seen >= needed)


def test_impressions_before_agreement_count(memory, now):
    with memory.batch() as batch:
        batch.click("hello", 5, user="ann", now=now)
        for _ in range(4):
            batch.impression("hello", np.array([5]), user="cat", now=now)
        batch.click("hello", 5, user="bob", now=now)
    assert memory.lookup("hello", user=None, now=now).impressions.tolist() == [4]


@pytest.mark.parametrize(
    ("asked", "stored", "edits"),
    [
        ("helo", "hello", 1),
        ("hlelo", "hello", 1),
        ("beyonse halo", "beyonce halo", 1),
        ("beyonse hallo", "beyonce halo", 2),
        ("ed sheerun", "ed sheeran", 1),
        ("greece", "greener", None),
        ("hxllx", "hello", None),  # two edits ask for eight characters
        ("abb", "abba", None),  # too short to tell
        ("abba", "abb", None),
        ("hits 2024", "hits 2025", None),
        ("hits 2024", "hits 204", None),
        ("blink 183", "blink 182", None),
        ("blink 182s", "blink 182", 1),
        ("hello", "hello", None),
        ("", "hello", None),
        ("x" * 101, "x" * 102, None),
    ],
)
def test_near_spelling(memory, agree, now, asked, stored, edits):
    agree(memory, stored, 3)
    assert edits_between(asked, stored) == edits
    rows = memory.lookup(asked, user="zoe", now=now)
    if asked == stored:
        assert (rows.ordinals.tolist(), rows.distance.tolist(), rows.corrected) == ([3], [EXACT], None)
    elif edits is None:
        assert (len(rows), rows.corrected) == (0, None)
    else:
        exact = memory.lookup(stored, user="zoe", now=now)
        assert (rows.ordinals.tolist(), rows.distance.tolist(), rows.corrected) == ([3], [edits], stored)
        assert rows.scores.tolist() == pytest.approx(exact.scores * 0.7**edits)


LETTERS = st.text("abcd ", min_size=4, max_size=20).map(lambda text: " ".join(text.split()))


@given(LETTERS, LETTERS)
def test_two_spellings_that_are_near_share_a_deletion(one, other):
    from bandstand.memory_index.near_queries import deletions

    if edits_between(one, other) is not None:
        assert deletions(one) & deletions(other)


def test_own_queries_forgive_spelling_for_their_user_only(memory, now):
    with memory.batch() as batch:
        batch.click("grandmas tune", 8, user="ann", now=now)
    assert memory.lookup("grandmas tunr", user="ann", now=now).corrected == "grandmas tune"
    assert not len(memory.lookup("grandmas tunr", user="bob", now=now))


def test_exact_learned_answers_come_before_spelling(memory, agree, now):
    agree(memory, "hello", 1)
    agree(memory, "hallo", 2)
    assert memory.lookup("hello", user=None, now=now).ordinals.tolist() == [1]
    with memory.batch() as batch:
        batch.predict("hullo", np.array([9]), np.array([0.9]))
    rows = memory.lookup("hullo", user=None, now=now)
    assert (rows.ordinals[0], rows.distance[0], rows.corrected) == (9, EXACT, None)
    assert set(rows.ordinals.tolist()) & {1, 2}


def test_the_same_words_in_another_order(memory, agree, now):
    agree(memory, "happy korean songs", 6)
    rows = memory.lookup("korean songs happy", user=None, now=now)
    assert (rows.ordinals.tolist(), rows.distance.tolist(), rows.corrected) == ([6], [REORDERED], None)
    assert not len(memory.lookup("korean korean songs happy", user=None, now=now))


def test_queries_with_a_common_answer_lend_each_other_the_rest(memory, agree, now):
    agree(memory, "adele hello", 1, 2)
    agree(memory, "song from the other side", 1)
    rows = memory.lookup("song from the other side", user=None, now=now)
    assert (rows.ordinals.tolist(), rows.distance.tolist()) == ([1, 2], [EXACT, COANSWER])
    base = (0.15 + 2) / 5
    assert rows.scores.tolist() == pytest.approx([base, 0.3 * base * base])


@pytest.mark.parametrize("query", ["", " ", "x", "!!!", "宇多田ヒカル", "long " * 2_000, "\ud800", "\0"])
def test_any_query_may_be_asked_and_learned(memory, agree, now, query):
    assert not len(memory.lookup(query, user=None, now=now))
    assert not len(memory.lookup(query, user="ann", now=now))
    agree(memory, query, 2)
    assert memory.lookup(query, user="ann", now=now).ordinals.tolist() == [2]
    assert len(memory.vectors_wanted(9)) == 1


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.sampled_from(["click", "play", "shown"]), st.integers(0, 5), st.sampled_from("abc")), max_size=30
    )
)
def test_answers_are_ordered_unique_and_bounded(tmp_path_factory, events):
    from bandstand.memory_index.memory import Memory

    memory = Memory(tmp_path_factory.mktemp("memory"), map_size=1 << 20)
    try:
        with memory.batch() as batch:
            for at, (action, ordinal, user) in enumerate(events):
                if action == "shown":
                    batch.impression("query", np.arange(ordinal), user=user, now=float(at))
                else:
                    getattr(batch, action)("query", ordinal, user=user, now=float(at))
        for user in (None, "a"):
            rows = memory.lookup("query", user=user, now=100.0)
            assert len(set(rows.ordinals.tolist())) == len(rows)
            assert np.all(np.diff(rows.scores) <= 0)
            assert np.all((rows.scores >= 0) & (rows.scores <= 1))
    finally:
        memory.close()


@pytest.mark.parametrize(
    ("name", "value"), [("half_life_days", 0), ("base_rate", 1.0), ("agree_users", -1), ("prior_strength", math.nan)]
)
def test_settings_out_of_range_name_themselves(name, value):
    with pytest.raises(BadInput, match=name):
        MemorySettings(**{name: value})
