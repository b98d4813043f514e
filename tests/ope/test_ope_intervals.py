"""Intervals: by hand, what they refuse, and what must hold of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.errors import BadInput
from bandstand.replay.ope import estimators, single_decision
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.intervals import (
    bootstrap,
    confidence_sequence,
    empirical_bernstein,
    hoeffding,
    student,
)
from bandstand.statistics import ClusterBootstrap, LowerBound


def test_bernstein_and_hoeffding_by_hand():
    terms = [0.0, 1.0, 0.0, 1.0]  # mean 1/2, variance 1/3
    log_term = math.log(2 / 0.025)
    half = math.sqrt(2 * (1 / 3) * log_term / 4) + 7 * 2.0 * log_term / (3 * 3)
    ours = empirical_bernstein(terms, low=-1.0, high=1.0)
    assert (ours.low, ours.high) == pytest.approx((0.5 - half, 0.5 + half))
    half = 2.0 * math.sqrt(math.log(2 / 0.05) / 8)
    assert hoeffding(terms, low=-1.0, high=1.0).high == pytest.approx(0.5 + half)


def test_student_by_hand():
    ours = student(Estimate.mean(np.array([0.0, 1.0, 0.0, 1.0])))
    assert ours.high - 0.5 == pytest.approx(3.182446 * math.sqrt(1 / 12), rel=1e-6)


@pytest.mark.parametrize(
    ("terms", "low", "high", "why"),
    [
        ([0.5, 0.5], 0.0, math.inf, "no finite range"),
        ([0.5, 1.5], 0.0, 1.0, "outside"),
        ([0.5], 0.0, 1.0, "one round"),
        ([], 0.0, 1.0, "empty"),
    ],
)
def test_bernstein_refuses_what_it_cannot_promise(terms, low, high, why):
    with pytest.raises(BadInput, match=why):
        empirical_bernstein(terms, low=low, high=high)


def test_resamples_hold_as_many_rounds_as_the_log():
    counts = ClusterBootstrap(range(7), resamples=50, seed=1).counts
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert not np.array_equal(counts, ClusterBootstrap(range(7), resamples=50, seed=2).counts)


def test_bootstrap_normalises_by_the_weights_of_the_resample():
    estimate = single_decision.snipw([1.0, 0.0], [0.6, 0.2], [0.2, 0.2])  # w = 3, 1
    values = estimate.values(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]) @ estimate.columns())
    assert values.tolist() == pytest.approx([1.0, 0.75, 0.0])


def test_bootstrap_is_seeded_and_paired():
    random = np.random.default_rng(0)
    first = single_decision.ipw(random.random(50), np.full(50, 0.5), np.full(50, 0.5))
    both = bootstrap({"a": first, "b": first}, seed=3)
    assert both["a"] == both["b"] == bootstrap({"a": first}, seed=3)["a"]
    assert both["a"] != bootstrap({"a": first}, seed=4)["a"]


def test_clusters_are_drawn_whole():
    """Ten users with ten identical rounds each are ten observations, not a hundred."""
    users = np.repeat(np.arange(10), 10)
    estimate = Estimate.mean((users % 2).astype(np.float64))
    naive = bootstrap({"v": estimate}, seed=1)["v"]
    honest = bootstrap({"v": estimate}, seed=1, clusters=users)["v"]
    assert honest.high - honest.low > 2.5 * (naive.high - naive.low)
    with pytest.raises(BadInput, match="clusters"):
        bootstrap({"v": estimate}, seed=1, clusters=users[:-1])


def test_bootstrap_refuses_estimates_that_vanish_in_resamples():
    lonely = single_decision.snipw([1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.5])
    with pytest.raises(BadInput, match="resamples hold no weight"):
        bootstrap({"snipw": lonely}, seed=1)


def test_bootstrap_refuses_estimates_of_different_logs():
    with pytest.raises(BadInput, match="one log"):
        bootstrap({"a": Estimate.mean(np.ones(2)), "b": Estimate.mean(np.ones(3))}, seed=1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_a_sequence_narrows_and_never_forgets(seed, level):
    random = np.random.default_rng(seed)
    reward, weights = (random.random(300) < 0.4).astype(float), random.exponential(size=300)
    sequence = confidence_sequence(reward, weights, level=level)
    assert (np.diff(sequence.low) >= 0).all()
    assert (np.diff(sequence.high) <= 0).all()
    assert ((sequence.low >= 0) & (sequence.high <= 1)).all()
    early = confidence_sequence(reward[:100], weights[:100], level=level)
    np.testing.assert_array_equal(early.low, sequence.low[:100])  # no look into the future


def test_a_sequence_closes_in_on_the_mean():
    reward = np.tile([1.0, 0.0, 1.0, 1.0], 5000)
    last = confidence_sequence(reward, np.ones(20_000)).last
    assert 0.75 in last
    assert last.high - last.low < 0.06


def test_one_huge_weight_does_not_ruin_a_sequence():
    terms = np.full(2000, 0.5)
    terms[100] = 500.0
    assert LowerBound(alpha=0.025).following(terms)[0].low > 0.35


@pytest.mark.parametrize(("reward", "weights"), [([2.0], [1.0]), ([1.0], [-1.0]), ([], [])])
def test_a_sequence_refuses_what_it_is_not_made_for(reward, weights):
    with pytest.raises(BadInput):
        confidence_sequence(reward, weights)


def test_tuning_refuses_nothing_and_single_rounds():
    with pytest.raises(BadInput, match="at least one"):
        estimators.choose_by_slope([])
    with pytest.raises(BadInput, match="one round"):
        estimators.choose_by_slope([estimators.Candidate(parameter=1.0, estimate=Estimate.mean(np.ones(1)))])


def test_slope_stops_before_the_biased_candidate():
    random = np.random.default_rng(1)
    noisy, calm = random.normal(1.0, 3.0, 400), random.normal(0.9, 1.0, 400)
    biased = random.normal(5.0, 0.1, 400)
    candidates = [
        estimators.Candidate(parameter=number, estimate=Estimate.mean(terms))
        for number, terms in enumerate((biased, calm, noisy))
    ]
    assert estimators.choose_by_slope(candidates).parameter == 1
