"""On simulated logs of factorised decisions with a known truth, intervals hold it as often as they promise.

500 repeats, 50 in each of ten worlds: a single world can be kind or unkind to an estimator by chance.
"""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.replay.ope import joint_decisions
from bandstand.replay.ope.intervals import bootstrap, confidence_sequence, empirical_bernstein
from bandstand.replay.ope.value_model import fit_values
from bench.decision_worlds import World, random_policy

WORLDS, REPEATS, ROUNDS = range(6, 16), 50, 1000
FLOOR = 0.5
NAMES = ("joint_ips", "snips", "control_variate_ips", "sequential_dr")


@pytest.fixture(scope="module")
def logs():
    """The truth and 50 repeats of 1,000 rounds, for each world."""
    found = []
    for seed in WORLDS:
        world, logging, target = World.of(seed), random_policy(10 + seed, FLOOR), random_policy(20 + seed, 0.1)
        rounds = world.log(REPEATS * ROUNDS, logging, target, seed=seed + 100)
        found.append((world.value(target), fit_values(rounds, seed=1)))
    return found


@pytest.fixture(scope="module")
def repeats(logs):
    """(truth, estimates by name) for each of the 500 repeats."""
    found = []
    for truth, log in logs:
        for start in range(0, len(log), ROUNDS):
            part = slice(start, start + ROUNDS)
            plain = (log.reward[part], log.target[part], log.logged[part])
            estimates = {
                "joint_ips": joint_decisions.joint_ips(*plain),
                "snips": joint_decisions.joint_ips(*plain, self_normalised=True),
                "control_variate_ips": joint_decisions.control_variate_ips(*plain),
                "sequential_dr": joint_decisions.sequential_dr(*plain, log.predicted[part], log.direct[part]),
            }
            found.append((truth, estimates))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_bootstrap_covers_in_93_to_97_of_100(repeats, name):
    assert len(repeats) == 500
    numbered = {str(number): estimates[name] for number, (_, estimates) in enumerate(repeats)}
    intervals = bootstrap(numbered, resamples=1000, seed=5, expanded=True)
    coverage = np.mean([truth in intervals[str(number)] for number, (truth, _) in enumerate(repeats)])
    assert 0.93 <= coverage <= 0.97


@pytest.mark.parametrize("name", NAMES)
def test_estimates_are_centred_on_the_truth(repeats, name):
    errors = np.array([estimates[name].value - truth for truth, estimates in repeats])
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))


def test_the_factorisation_cuts_the_variance(repeats):
    spread = {name: np.std([estimates[name].value - truth for truth, estimates in repeats]) for name in NAMES}
    assert spread["control_variate_ips"] < 0.85 * spread["joint_ips"]
    assert spread["sequential_dr"] < 0.85 * spread["joint_ips"]


def test_guaranteed_intervals_hold_at_least_as_often_as_promised(logs):
    bound = (4 / FLOOR) ** 3
    always, bernstein = [], []
    for truth, log in logs:
        for start in range(0, 20 * ROUNDS, ROUNDS):
            part = slice(start, start + ROUNDS)
            sequence = confidence_sequence(log.reward[part], log.weights[part])
            always.append(((sequence.low <= truth) & (truth <= sequence.high)).all())
            terms = log.weights[part] * log.reward[part]
            bernstein.append(truth in empirical_bernstein(terms, low=0.0, high=bound))
    assert np.mean(always) >= 0.95
    assert np.mean(bernstein) >= 0.95


def test_costs_need_only_the_prefixes(logs):
    """An arm's cost by per-decision weights has the same mean as by joint weights, and less variance."""
    _, log = logs[0]
    prefix = joint_decisions.per_decision_ips(log.cost, log.target, log.logged)
    joint = joint_decisions.joint_ips(log.cost.sum(axis=1), log.target, log.logged)
    assert prefix.value == pytest.approx(joint.value, abs=4 * joint.standard_error)
    assert prefix.standard_error < 0.9 * joint.standard_error
