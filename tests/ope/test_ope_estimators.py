"""Estimators by hand, by property, and on the empties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bandstand.errors import BadInput
from bandstand.replay.ope import estimate, joint_decisions, single_decision

LENGTHS = st.shared(st.integers(2, 30), key="n")
shares = hnp.arrays(np.float64, LENGTHS, elements=st.floats(0.01, 1.0))
rewards = hnp.arrays(np.float64, LENGTHS, elements=st.floats(0.0, 1.0))
tables = hnp.arrays(np.float64, st.tuples(LENGTHS, st.just(3)), elements=st.floats(0.01, 1.0))
quick = settings(max_examples=40, deadline=None)

R, T, P = [1.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.0, 1.0], [0.25, 0.5, 0.5, 0.5]  # w = 2, 1, 0, 2
Q, D = [0.5, 0.5, 0.5, 0.5], [0.5, 0.25, 0.25, 0.5]


def test_by_hand():
    assert single_decision.ipw(R, T, P).value == pytest.approx((2 + 0 + 0 + 2) / 4)
    assert single_decision.ipw(R, T, P, limit=1.5).value == pytest.approx((1.5 + 0 + 0 + 1.5) / 4)
    assert single_decision.snipw(R, T, P).value == pytest.approx(4 / 5)
    assert single_decision.replay_method(R, T).value == 1.0  # the last round alone
    assert single_decision.sg_ipw(R, T, P, mixing=0.5).value == pytest.approx((2 / 1.5 + 2 / 1.5) / 4)
    assert single_decision.balanced_ipw(R, [1, 3, 0, 2]).value == pytest.approx(3 / 6)
    assert single_decision.dm(D).value == pytest.approx(1.5 / 4)
    # w (r - q) = 1, -0.5, 0, 1
    assert single_decision.dr(R, T, P, Q, D).value == pytest.approx(1.5 / 4 + 1.5 / 4)
    assert single_decision.sndr(R, T, P, Q, D).value == pytest.approx(1.5 / 4 + 1.5 / 5)
    assert single_decision.switch_dr(R, T, P, Q, D, limit=1.0).value == pytest.approx(1.5 / 4 - 0.5 / 4)
    assert single_decision.dr_os(R, T, P, Q, D, strength=4.0).value == pytest.approx(1.5 / 4 + (0.5 - 0.4 + 0.5) / 4)


def test_marginalised_weights_by_hand():
    target, logged = [[0.5, 0.3, 0.2]], [[0.2, 0.2, 0.6]]
    pair = [[1.0, 1.0, 0.0]]  # the first two actions look alike, and one of them was logged
    assert estimate.marginal_weights(target, logged, pair) == pytest.approx([0.8 / 0.4])
    assert single_decision.mipw([1.0], target, logged, pair).value == pytest.approx(2.0)
    assert single_decision.mipw([1.0], target, logged, pair, self_normalised=True).value == 1.0


def test_rankings_by_hand():
    reward = [[1.0, 0.0], [0.0, 1.0]]
    assert joint_decisions.standard_ips(reward, [0.5, 0.1], [0.25, 0.2]).value == pytest.approx((2 + 0.5) / 2)
    target, logged = [[0.5, 0.1], [0.2, 0.2]], [[0.25, 0.2], [0.2, 0.1]]
    assert joint_decisions.independent_ips(reward, target, logged).value == pytest.approx((2 + 2) / 2)
    normalised = joint_decisions.reward_interaction_ips(reward, target, logged, self_normalised=True)
    assert normalised.value == pytest.approx(2 / 3 + 2 / 2.5)
    zeros = np.zeros((2, 2))
    assert joint_decisions.cascade_dr(reward, target, logged, zeros, zeros).value == pytest.approx(2.0)


def test_factorised_by_hand():
    target, logged = [[0.5, 0.8], [1.0, 0.2]], [[0.25, 0.4], [0.5, 0.4]]  # ratios 2, 2 and 2, 0.5
    assert joint_decisions.joint_ips([1.0, 1.0], target, logged).value == pytest.approx((4 + 1) / 2)
    assert joint_decisions.joint_ips([1.0, 0.0], target, logged, self_normalised=True).value == pytest.approx(4 / 5)
    assert joint_decisions.per_decision_ips([[1.0, 0.0], [0.0, 1.0]], target, logged).value == pytest.approx(
        (2 + 1) / 2
    )
    assert joint_decisions.independent_arms_ips([1.0, 1.0], target, logged).value == pytest.approx((3 + 1.5) / 2)
    predicted, direct = [[0.5, 0.5], [0.5, 0.5]], [[0.6, 0.7], [0.6, 0.7]]
    # 0.6 + 2 (0.7 - 0.5) + 4 (1 - 0.5), and 0.6 + 2 (0.7 - 0.5) + 1 (0 - 0.5)
    ours = joint_decisions.sequential_dr([1.0, 0.0], target, logged, predicted, direct)
    assert ours.value == pytest.approx((3.0 + 0.5) / 2)


@quick
@given(rewards, shares)
def test_on_policy_everything_is_the_mean(reward, logged):
    mean = pytest.approx(reward.mean())
    assert single_decision.ipw(reward, logged, logged).value == mean
    assert single_decision.snipw(reward, logged, logged).value == mean
    assert joint_decisions.control_variate_ips(reward, logged[:, None], logged[:, None]).value == mean


@quick
@given(rewards, shares, shares, rewards)
def test_dr_with_a_perfect_model_is_dm(reward, target, logged, direct):
    dm = pytest.approx(single_decision.dm(direct).value)
    parts = (reward, target, logged, reward, direct)
    assert single_decision.dr(*parts).value == dm
    assert single_decision.sndr(*parts).value == dm
    assert single_decision.switch_dr(*parts, limit=2.0).value == dm


@quick
@given(rewards, shares, shares, rewards, rewards)
def test_the_ends_of_every_path(reward, target, logged, predicted, direct):
    parts = (reward, target, logged, predicted, direct)
    dr, dm = pytest.approx(single_decision.dr(*parts).value), pytest.approx(single_decision.dm(direct).value)
    assert single_decision.dr_os(*parts, strength=math.inf).value == dr
    assert single_decision.dr_os(*parts, strength=0.0).value == dm
    assert single_decision.switch_dr(*parts, limit=math.inf).value == dr
    assert single_decision.switch_dr(*parts, limit=0.0).value == dm
    assert single_decision.dr(*parts, limit=0.0).value == dm
    assert single_decision.sg_dr(*parts, mixing=0.0).value == dr
    one_arm = (reward, target[:, None], logged[:, None], predicted[:, None], direct[:, None])
    assert joint_decisions.sequential_dr(*one_arm).value == dr


@quick
@given(rewards, shares, shares, st.floats(0, 50), st.floats(0, 50))
def test_clipping_is_monotone(reward, target, logged, one, other):
    low, high = sorted((one, other))
    clipped = [single_decision.ipw(reward, target, logged, limit=limit).value for limit in (low, high, math.inf)]
    assert clipped == sorted(clipped)


@quick
@given(rewards, shares, shares)
def test_self_normalised_stays_among_the_rewards(reward, target, logged):
    value = single_decision.snipw(reward, target, logged).value
    assert reward.min() - 1e-9 <= value <= reward.max() + 1e-9


@quick
@given(rewards, tables, tables)
def test_rankings_agree_where_they_must(reward, target, logged):
    """With the reward on the last position alone, a cascade weighs it as a whole slate is weighed."""
    last = np.zeros((len(reward), 3))
    last[:, -1] = reward
    prefixes = target.cumprod(axis=1), logged.cumprod(axis=1)
    whole = joint_decisions.standard_ips(last, prefixes[0][:, -1], prefixes[1][:, -1]).value
    assert joint_decisions.reward_interaction_ips(last, *prefixes).value == pytest.approx(whole, rel=1e-6)
    assert joint_decisions.joint_ips(reward, target, logged).value == pytest.approx(whole, rel=1e-6)
    assert joint_decisions.per_decision_ips(last, target, logged).value == pytest.approx(whole, rel=1e-6)


@quick
@given(rewards, shares, shares)
def test_terms_influence_and_columns_tell_the_same_story(reward, target, logged):
    for each in (single_decision.ipw(reward, target, logged), single_decision.snipw(reward, target, logged)):
        assert each.terms.mean() == pytest.approx(each.value)
        assert each.influence.mean() == pytest.approx(0.0, abs=1e-9)
        assert each.values(each.columns().sum(axis=0)) == pytest.approx(each.value)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: single_decision.ipw([], [], []), "reward"),
        (lambda: single_decision.ipw([1.0], [0.5], [0.0]), "logged"),
        (lambda: single_decision.ipw([1.0], [0.5], [1.2]), "logged"),
        (lambda: single_decision.ipw([1.0], [-0.1], [0.5]), "target"),
        (lambda: single_decision.ipw([1.0, 0.0], [0.5], [0.5]), "logged"),
        (lambda: single_decision.ipw([math.nan], [0.5], [0.5]), "reward"),
        (lambda: single_decision.ipw(["many"], [0.5], [0.5]), "reward"),
        (lambda: single_decision.ipw([1.0], [0.5], [0.5], limit=-1.0), "limit"),
        (lambda: single_decision.snipw([1.0], [0.0], [0.5]), "target"),
        (lambda: single_decision.replay_method([1.0], [0.9]), "target"),
        (lambda: single_decision.sg_ipw([1.0], [0.5], [0.5], mixing=2.0), "mixing"),
        (lambda: single_decision.balanced_ipw([1.0], [-1.0]), "weights"),
        (lambda: single_decision.mipw([1.0], [[0.5, 0.5]], [[0.5, 0.6]], [[1, 0]]), "logged_all"),
        (lambda: single_decision.mipw([1.0], [[0.5, 0.5]], [[0.0, 1.0]], [[1, 0]]), "logged"),
        (lambda: single_decision.dm([]), "direct"),
        (lambda: single_decision.dr([1.0], [0.5], [0.5], [0.5, 0.5], [0.5]), "predicted"),
        (lambda: single_decision.dr_os([1.0], [0.5], [0.5], [0.5], [0.5], strength=-1.0), "strength"),
        (lambda: single_decision.expected([[0.5, 0.5]], [[1.0]]), "predicted_all"),
        (lambda: joint_decisions.standard_ips([[1.0]], [0.5, 0.5], [0.5, 0.5]), "reward"),
        (lambda: joint_decisions.joint_ips([1.0], [0.5], [0.5]), "logged"),
        (lambda: joint_decisions.joint_ips([1.0], [[0.0]], [[0.5]], self_normalised=True), "target"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(BadInput) as caught:
        call()
    assert caught.value.field == field


def test_without_any_weight_plain_estimators_are_defined():
    nothing = ([1.0, 1.0], [0.0, 0.0], [0.5, 0.5])
    assert single_decision.ipw(*nothing).value == 0.0
    assert single_decision.dr(*nothing, [0.5, 0.5], [0.25, 0.75]).value == 0.5
    assert single_decision.sg_ipw(*nothing, mixing=1.0).value == 0.0


def test_one_round():
    one = single_decision.snipw([1.0], [0.5], [0.25])
    assert one.value == 1.0
    assert one.standard_error == math.inf
    assert joint_decisions.control_variate_ips([1.0], [[0.5]], [[0.25]]).value == 2.0
