"""Intervals, corrections and measures against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.replay.metrics import MEASURES, measure
from bandstand.replay.rows import Row
from bandstand.statistics import ClusterBootstrap, holm


def row(found: list[tuple[int, int]], grades: list[int]) -> Row:
    return Row(
        id="q", time=0.0, user="u", query="x", labels={}, found=found, grades=grades, cost_ms=0.0, real_ms=0.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "grades", "expected"),
    [
        ([(1, 1)], [1], {"MRR@10": 1, "nDCG@10": 1, "R@100": 1, "Success@1": 1, "Success@10": 1}),
        ([(3, 1)], [1], {"MRR@10": 1 / 3, "nDCG@10": 1 / 2, "R@100": 1, "Success@1": 0, "Success@10": 1}),
        ([(11, 1)], [1], {"MRR@10": 0, "nDCG@10": 0, "R@100": 1, "Success@1": 0, "Success@10": 0}),
        ([], [1, 1], {"MRR@10": 0, "nDCG@10": 0, "R@100": 0, "Success@1": 0, "Success@10": 0}),
        # Grades 1 and 2 at ranks 1 and 3: DCG = 1 + 2/2 = 2, ideal = 2 + 1/log2(3).
        (
            [(1, 1), (3, 2)],
            [2, 1],
            {"MRR@10": 1, "nDCG@10": 2 / (2 + 1 / np.log2(3)), "R@100": 1, "Success@1": 1, "Success@10": 1},
        ),
        # One of four answers, at rank 2.
        (
            [(2, 1)],
            [1, 1, 1, 1],
            {
                "MRR@10": 0.5,
                "nDCG@10": (1 / np.log2(3)) / sum(1 / np.log2(k + 1) for k in (1, 2, 3, 4)),
                "R@100": 0.25,
                "Success@1": 0,
                "Success@10": 1,
            },
        ),
    ],
)
def test_measures_of_one_search(found, grades, expected):
    values = measure([row(found, grades)])
    assert {name: values[name][0] for name in MEASURES} == pytest.approx(expected)


def test_what_was_not_answered_counts_as_zero_beside_what_was():
    values = measure([row([(1, 1)], [1]), row([], [1]), row([(2, 1)], [1])])
    assert values["MRR@10"].tolist() == [1.0, 0.0, 0.5]


def test_no_search_has_no_values():
    assert {name: len(values) for name, values in measure([]).items()} == dict.fromkeys(MEASURES, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30), st.integers(0, 9))
def test_every_resample_is_a_mean_of_the_values(searches, seed):
    users, values = [str(user) for user, _ in searches], np.array([value for _, value in searches])
    means = ClusterBootstrap(users, resamples=20, seed=seed).means(values)
    assert means.shape == (20,)
    assert (means >= values.min() - 1e-9).all()
    assert (means <= values.max() + 1e-9).all()


def test_users_are_drawn_whole():
    # Two users whose searches agree: every resample holds only 0, only 1, or one of each user (1/4 of the searches).
    bootstrap = ClusterBootstrap(["a", "b", "b", "b"], resamples=400, seed=1)
    assert set(bootstrap.means([1, 0, 0, 0]).tolist()) == {0.0, 0.25, 1.0}


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    users, values = [str(n % 40) for n in range(200)], np.random.default_rng(0).random(200)
    first, again, other = (ClusterBootstrap(users, resamples=200, seed=s).interval(values) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.low < first.value < first.high


def test_the_interval_has_the_width_that_theory_says():
    # One search a user: the standard error of a mean of n Bernoulli(1/2) values is 0.5 / sqrt(n).
    values = np.tile([0.0, 1.0], 200)
    found = ClusterBootstrap([str(n) for n in range(400)], resamples=2_000, seed=3).interval(values)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.5 / 20, rel=0.1)


def test_one_user_gives_no_bounds_and_no_p():
    bootstrap = ClusterBootstrap(["a", "a"], resamples=10, seed=0)
    assert bootstrap.interval([0.0, 1.0]).low is None
    assert bootstrap.difference([1.0, 1.0], [0.0, 0.0]).p is None


def test_differences_are_paired():
    rng = np.random.default_rng(5)
    second = rng.random(300)
    bootstrap = ClusterBootstrap([str(n) for n in range(300)], resamples=500, seed=1)
    found = bootstrap.difference(second + 0.01, second)  # unpaired, a hundredth would drown in the noise of second
    assert found.difference == pytest.approx(0.01)
    assert found.low == pytest.approx(0.01)
    assert found.p == pytest.approx(2 / 501)
    assert found.detectable == pytest.approx(0.0, abs=1e-9)


def test_no_difference_is_no_difference():
    bootstrap = ClusterBootstrap(["a", "b", "c"], resamples=50, seed=1)
    assert bootstrap.difference([0.2, 0.4, 0.1], [0.2, 0.4, 0.1]).p == 1.0


def test_holm_by_hand():
    # Ascending .01 (×4), .02 (×3), .03 (×2), .04 (×1): .04, .06, .06 (a later one is never smaller), .06.
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.02, "e": None})
    assert corrected == pytest.approx({"a": 0.04, "d": 0.06, "c": 0.06, "b": 0.06, "e": None})


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_p_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(corrected[name] >= p for name, p in p_values.items())
    ordered = sorted(p_values, key=lambda name: (p_values[name], name))
    assert [corrected[name] for name in ordered] == sorted(corrected.values())


def test_more_users_than_are_drawn_give_the_same_interval():
    """40,000 users by groups: within a tenth of mean ± 1.96 standard errors."""
    values = np.random.default_rng(0).random(40_000)
    found = ClusterBootstrap([str(n) for n in range(40_000)], resamples=1_000, seed=1).interval(values)
    half = 1.96 * values.std() / 200
    assert found.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_fewer_resamples_are_the_first_ones():
    values, users = np.random.default_rng(0).random(30), [str(n % 10) for n in range(30)]
    bootstrap = ClusterBootstrap(users, resamples=50, seed=2)
    assert np.array_equal(bootstrap.fewer(20).means(values), bootstrap.means(values)[:20])
    assert np.array_equal(bootstrap.means(values), ClusterBootstrap(users, resamples=50, seed=2).means(values))
