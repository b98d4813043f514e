"""Diagnostics by hand, and verdicts: logs made to mislead are refused, honest ones pass."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.replay.ope.assess import OpeSettings, assess
from bandstand.replay.ope.diagnostics import (
    calibration,
    diagnose,
    effective_sample_size,
    explored_share,
    largest_weight,
    propensity_checks,
    second_moment,
    uncovered_mass,
    weight_diagnostics,
)
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.sources import obp_to_feedback, read_open_bandit
from bandstand.replay.ope.verdict import VerdictSettings, judge

MISLEADING = {
    "digits_hard_tiny_ess": "the effective sample size is 1.1 of 1258 rounds",
    "digits_hard_plausible": "one round holds (66|72)% of the weight",
    "digits_hard_silent": "the mean weight is 0.(288|309)",
    "digits_hard_no_exploration": "the mean weight is 0.(861|946)",
}
BY_POLICY = {"stochastic": "action_dist", "deterministic": "action_dist_deterministic"}


def digits(oracle, case, policy, *, distributions):
    data = np.load(oracle / f"{case}.npz")
    return Feedback.single(
        reward=data["reward"],
        action=data["action"],
        logged=data["pscore"],
        target_all=data[BY_POLICY[policy]],
        logged_all=data["pi_b"] if distributions else None,
        predicted_all=data["estimated_rewards_by_reg_model"],
    )


def uniform_log(n=1000, k=4, seed=0, tilt=2.0):
    """Uniform logs, and a policy that likes the first action ``tilt`` times as much as the others."""
    random = np.random.default_rng(seed)
    target = np.ones(k)
    target[0] = tilt
    action = random.integers(0, k, n)
    return Feedback.single(
        reward=(random.random(n) < 0.2 + 0.1 * action).astype(float),
        action=action,
        logged=np.full(n, 1 / k),
        target_all=np.tile(target / target.sum(), (n, 1)),
        logged_all=np.full((n, k), 1 / k),
    )


@pytest.mark.parametrize("distributions", [True, False])
@pytest.mark.parametrize("policy", BY_POLICY)
@pytest.mark.parametrize("case", MISLEADING)
def test_misleading_logs_are_refused(oracle, case, policy, distributions):
    feedback = digits(oracle, case, policy, distributions=distributions)
    verdict = judge(feedback, diagnose(feedback))
    assert not verdict.enough
    assert verdict.headline == "not enough data"
    assert any(re.search(MISLEADING[case], reason) for reason in verdict.reasons)
    assert verdict.rounds_needed > 10 * len(feedback)


@pytest.mark.parametrize("policy", BY_POLICY)
@pytest.mark.parametrize("case", ["digits_hard_silent", "digits_hard_no_exploration"])
def test_logs_that_never_explored_are_named_so(oracle, case, policy):
    found = diagnose(digits(oracle, case, policy, distributions=True))
    feedback = digits(oracle, case, policy, distributions=True)
    assert found.explored == 0.0
    assert found.weights.ess > 300  # what an effective sample size alone would let pass
    assert found.weights.expected_ess < 3
    assert any("no round of the log explored" in reason for reason in judge(feedback, found).reasons)


@pytest.mark.parametrize("distributions", [True, False])
@pytest.mark.parametrize("policy", BY_POLICY)
def test_honest_logs_pass(oracle, policy, distributions):
    feedback = digits(oracle, "digits", policy, distributions=distributions)
    verdict = judge(feedback, diagnose(feedback))
    assert verdict.enough, verdict.reasons
    assert verdict.rounds_needed < len(feedback)


@pytest.mark.parametrize("case", ["digits", *MISLEADING])
@pytest.mark.parametrize("policy", BY_POLICY)
def test_weight_diagnostics_agree_with_the_oracle(oracle, case, policy):
    said = json.loads((oracle / f"{case}.json").read_text())["policies"][policy]["diagnostics"]
    ours = weight_diagnostics(digits(oracle, case, policy, distributions=True))
    assert [ours.rounds, ours.ess, ours.mean, ours.largest, ours.largest_share] == pytest.approx(
        [said["n"], said["ess"], said["weight_mean"], said["weight_max"], said["weight_largest_share"]], rel=1e-9
    )
    assert ours.positive_share * ours.rounds == pytest.approx(said["n_nonzero_weights"])


def open_bandit_feedback(folder, group):
    log = read_open_bandit(folder / "bts" / group / f"{group}.csv.gz")
    actions = log["n_actions"]
    return obp_to_feedback(log, np.full((log["n_rounds"], actions), 1 / actions))


def test_open_bandit_men_is_answered(open_bandit):
    feedback = open_bandit_feedback(open_bandit, "men")
    truth = read_open_bandit(open_bandit / "random" / "men" / "men.csv.gz")["reward"].mean()
    report = assess(feedback, policy="random", settings=OpeSettings(resamples=1000))
    assert truth == pytest.approx(0.0046)
    assert report.estimates["ipw"].value == pytest.approx(0.0030, abs=5e-5)
    assert report.answer == "snipw"  # without contexts there is no model worth leaning on
    assert truth in report.headline.interval()
    assert report.verdict.enough, report.verdict.reasons
    assert any("effective rounds" in warning for warning in report.verdict.warnings)


def test_open_bandit_women_is_refused(open_bandit):
    feedback = open_bandit_feedback(open_bandit, "women")
    found = diagnose(feedback)
    assert found.weights.ess == pytest.approx(2.1, abs=0.05)
    verdict = judge(feedback, found)
    assert not verdict.enough
    assert verdict.rounds_needed > 400_000


def test_by_hand():
    feedback = Feedback.single(
        reward=[1, 0],
        action=[0, 1],
        logged=[0.5, 0.5],
        target_all=[[0.9, 0.1], [0.9, 0.1]],
        logged_all=[[0.5, 0.5], [0.5, 0.5]],
    )
    assert effective_sample_size(feedback.weights) == pytest.approx(4 / (1.8**2 + 0.2**2))
    assert second_moment(feedback) == pytest.approx(0.81 / 0.5 + 0.01 / 0.5)
    assert largest_weight(feedback) == pytest.approx(1.8)
    assert explored_share(feedback) == 0.5
    assert uncovered_mass(feedback) == 0.0
    assert [check.total for check in propensity_checks(feedback)] == [2.0, 2.0]
    ours = calibration(np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    assert ours.ece == pytest.approx(0.2)
    assert ours.bias == pytest.approx(0.0)


def test_what_was_never_done_is_uncovered_and_no_number_of_rounds_helps():
    n = 1000
    feedback = Feedback.single(
        reward=np.arange(n) % 2,
        action=np.arange(n) % 2,
        logged=np.full(n, 0.5),
        target_all=np.tile([0.4, 0.4, 0.2], (n, 1)),
        logged_all=np.tile([0.5, 0.5, 0.0], (n, 1)),
    )
    assert uncovered_mass(feedback) == pytest.approx(0.2)
    verdict = judge(feedback, diagnose(feedback))
    assert not verdict.enough
    assert verdict.rounds_needed is None


def test_a_policy_without_any_weight_is_refused():
    feedback = Feedback.single(reward=[1, 0], action=[0, 0], logged=[0.5, 0.5], target_all=[[0, 1], [0, 1]])
    verdict = judge(feedback, diagnose(feedback))
    assert "none of the 2 rounds has any weight" in verdict.reasons[0]
    assert verdict.rounds_needed is None


def test_wrong_propensities_are_caught():
    """Actions drawn with 0.4, 0.2, 0.2, 0.2 but logged as uniform."""
    honest = uniform_log(4000)
    assert all(check.passed for check in propensity_checks(honest))
    random = np.random.default_rng(1)
    lying = replace(honest, choice=random.choice(4, (4000, 1), p=[0.4, 0.2, 0.2, 0.2]))
    failed = [check.option for check in propensity_checks(lying) if not check.passed]
    assert 0 in failed
    verdict = judge(lying, diagnose(lying))
    assert any("propensities do not fit" in reason for reason in verdict.reasons)


def test_right_propensities_seldom_raise_an_alarm():
    alarms = [any(not check.passed for check in propensity_checks(uniform_log(300, seed=s))) for s in range(300)]
    assert sum(alarms) <= 2


def test_one_action_and_equal_rewards():
    """Nothing to choose between is on-policy, and fine; nothing to tell apart in the rewards is not."""
    n = 200
    same = {"action": np.zeros(n), "logged": np.ones(n), "target_all": np.ones((n, 1)), "logged_all": np.ones((n, 1))}
    one_action = Feedback.single(reward=np.arange(n) % 2, **same)
    assert judge(one_action, diagnose(one_action)).enough
    equal = Feedback.single(reward=np.ones(n), **same)
    assert "every reward is 1" in judge(equal, diagnose(equal)).reasons[0]


def test_an_interval_too_wide_says_how_many_rounds_would_do():
    feedback = uniform_log(1000)
    verdict = judge(feedback, diagnose(feedback), settings=VerdictSettings(half_width=0.01), half_width=0.03)
    assert not verdict.enough
    assert verdict.rounds_needed == pytest.approx(9000, abs=1)


def test_rounds_left_out_count():
    feedback = replace(uniform_log(900), left_out={"repeated query id": 100})
    verdict = judge(feedback, diagnose(feedback))
    assert any("100 of 1000 rounds could not be used (100 repeated query id)" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"logged": [0.0, 0.5]}, "logged"),
        ({"logged": [1.5, 0.5]}, "logged"),
        ({"reward": []}, "reward"),
        ({"action": [0, 5]}, "action"),
        ({"action": [0.5, 1]}, "action"),
        ({"target_all": [[0.9, 0.3], [0.5, 0.5]]}, "target_all"),
        ({"logged_all": [[0.3, 0.7], [0.5, 0.5]]}, "logged"),
        ({"logged_all": [[1.0], [1.0]]}, "logged_all"),
        ({"predicted_all": [[float("nan"), 1.0], [0.0, 1.0]]}, "predicted_all"),
    ],
)
def test_bad_logs_name_the_field(change, field):
    fine = {"reward": [1, 0], "action": [0, 1], "logged": [0.5, 0.5], "target_all": [[0.9, 0.1], [0.9, 0.1]]}
    with pytest.raises(BadInput) as caught:
        Feedback.single(**fine | change)
    assert caught.value.field == field


@pytest.mark.parametrize("change", [{"min_ess": -1.0}, {"half_width": 0.0}, {"max_share": float("nan")}])
def test_bad_settings_name_the_field(change):
    with pytest.raises(BadInput) as caught:
        VerdictSettings(**change)
    assert caught.value.field == next(iter(change))
