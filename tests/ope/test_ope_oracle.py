"""Agreement with the Open Bandit Pipeline on everything that it computed, but for its known faults."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.replay.ope import estimate, estimators, joint_decisions, single_decision
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.intervals import bootstrap, empirical_bernstein, hoeffding, student

CASES = ("digits", "digits_hard_tiny_ess", "digits_hard_plausible", "digits_hard_silent", "digits_hard_no_exploration")
POLICIES = {"stochastic": "action_dist", "deterministic": "action_dist_deterministic"}
TIGHT = {"rel": 1e-9, "abs": 1e-9}
UNDEFINED_THERE = ("dr-os_0", "sg-ipw_1", "sg-dr_1")
CHANGES = {
    "ipw": estimate.clip,
    "dr": estimate.clip,
    "switch-dr": estimate.switch,
    "dr-os": estimate.shrink,
    "sg-ipw": estimate.subgaussian,
    "sg-dr": estimate.subgaussian,
}


class Case:
    """One file of logged feedback under one evaluation policy."""

    def __init__(self, oracle, case, policy):
        data = np.load(oracle / f"{case}.npz")
        self.said = json.loads((oracle / f"{case}.json").read_text())["policies"][policy]
        self.data, self.target_all = data, data[POLICIES[policy]]
        self.rows, self.action = np.arange(len(data["action"])), data["action"]
        self.reward, self.logged = data["reward"], data["pscore"]
        self.target = self.target_all[self.rows, self.action]
        self.weights = self.target / self.logged

    def modelled(self, name="estimated_rewards_by_reg_model"):
        table = self.data[name]
        predicted, direct = table[self.rows, self.action], single_decision.expected(self.target_all, table)
        return self.reward, self.target, self.logged, predicted, direct

    def estimate(self, name) -> Estimate:
        if name == "dm_with_mrdr_model":
            return single_decision.dm(self.modelled("estimated_rewards_mrdr")[-1])
        family, _, parameter = name.partition("_")
        limit = float(self.weights.max()) if parameter == "at_max_weight" else _number(parameter.removeprefix("clip_"))
        return self.of(family, limit, name)

    def of(self, family, parameter, name="") -> Estimate:
        plain = (self.reward, self.target, self.logged)
        if name in {"mipw", "snmipw"}:
            same_pair = (np.arange(10)[None] // 2 == self.action[:, None] // 2).astype(float)
            distributions = (self.target_all, self.data["pi_b"], same_pair)
            return single_decision.mipw(self.reward, *distributions, self_normalised=name == "snmipw")
        makers = {
            "rm": lambda: single_decision.replay_method(self.reward, self.target),
            "ipw": lambda: single_decision.ipw(*plain, limit=parameter),
            "snipw": lambda: single_decision.snipw(*plain),
            "b-ipw": lambda: single_decision.balanced_ipw(
                self.reward, self.data["estimated_importance_weights"], limit=parameter
            ),
            "sg-ipw": lambda: single_decision.sg_ipw(*plain, mixing=parameter),
            "dm": lambda: single_decision.dm(self.modelled()[-1]),
            "dr": lambda: single_decision.dr(*self.modelled(), limit=parameter),
            "sndr": lambda: single_decision.sndr(*self.modelled()),
            "switch-dr": lambda: single_decision.switch_dr(*self.modelled(), limit=parameter),
            "dr-os": lambda: single_decision.dr_os(*self.modelled(), strength=parameter),
            "sg-dr": lambda: single_decision.sg_dr(*self.modelled(), mixing=parameter),
            "mrdr": lambda: single_decision.dr(*self.modelled("estimated_rewards_mrdr")),
        }
        return makers[family]()

    def comparable(self):
        """Every estimate that they have and that is no fault of theirs, beside ours."""
        for name, said in self.said["estimates"].items():
            matchless = name == "rm" and not (self.target == 1.0).any()
            if said["value"] != "nan" and not matchless:
                yield name, said, self.estimate(name)


def _number(text):
    return float(text) if text else math.inf


@pytest.fixture(scope="module", params=[(case, policy) for case in CASES for policy in POLICIES], ids="-".join)
def case(request, oracle):
    return Case(oracle, *request.param)


def test_every_estimate(case):
    compared = list(case.comparable())
    assert len(compared) >= 28
    for name, said, ours in compared:
        assert ours.value == pytest.approx(said["value"], **TIGHT), name
        assert ours.terms.mean() == pytest.approx(ours.value, **TIGHT), name


def test_the_terms_of_every_estimate(case):
    for name, said, ours in case.comparable():
        terms = ours.terms
        found = {
            "mean": terms.mean(),
            "var_ddof0": terms.var(),
            "var_ddof1": terms.var(ddof=1),
            "min": terms.min(),
            "max": terms.max(),
            "stderr": terms.std(ddof=1) / math.sqrt(len(terms)),
        }
        assert found == pytest.approx(said["round_rewards"], **TIGHT), name


def test_relative_errors(case):
    truth = case.said["diagnostics"]["ground_truth"]
    for name, said, ours in case.comparable():
        assert abs(ours.value - truth) / truth == pytest.approx(said["relative_ee"], **TIGHT), name


@pytest.mark.parametrize(("delta", "level"), [("delta=0.05", 0.9), ("delta=0.025", 0.95)])
def test_bounds_agree_when_given_their_range(case, delta, level):
    """Their range, the largest term seen, is a fault; the formulas are right, so ours agree when told that range."""
    for name, said, ours in case.comparable():
        bounds, terms = said["lower_bounds"][delta], ours.terms
        if not ours.normalised:
            assert student(ours, level=level).low == pytest.approx(bounds["student_t"], **TIGHT), name
        if terms.min() >= 0.0:
            low, high = 0.0, float(terms.max())
            bernstein = empirical_bernstein(terms, low=low, high=high, level=level)
            assert bernstein.low == pytest.approx(bounds["bernstein"], **TIGHT), name
            assert hoeffding(terms, low=low, high=high, level=level).low == pytest.approx(
                bounds["hoeffding"], **TIGHT
            ), name


def test_tuned_hyper_parameters(case):
    by_slope = {name: said for name, said in case.said["tuned"].items() if said["tuning_method"] == "slope"}
    assert by_slope
    for name, said in by_slope.items():
        family = name.partition("_")[0]
        values = [math.inf if value == "inf" else value for value in said["lambdas"]]
        candidates = [estimators.Candidate(parameter=value, estimate=case.of(family, value)) for value in values]
        best = estimators.choose_by_slope(candidates, delta=said["delta"])
        assert best.estimate.value == pytest.approx(said["value"], **TIGHT), name


def test_what_is_undefined_there_is_defined_or_refused_here(oracle):
    soft, hard = Case(oracle, "digits", "stochastic"), Case(oracle, "digits", "deterministic")
    assert [name for name, said in hard.said["estimates"].items() if said["value"] == "nan"] == list(UNDEFINED_THERE)
    assert hard.estimate("dr-os_0").value == pytest.approx(hard.said["estimates"]["dm"]["value"], **TIGHT)
    matched = hard.weights > 0
    assert hard.estimate("sg-ipw_1").value == pytest.approx(np.mean(matched * hard.reward), **TIGHT)
    with pytest.raises(BadInput, match="no logged round"):
        soft.estimate("rm")


def legacy_resamples(n, resamples=10_000, seed=12345):
    """How often each round is drawn by their bootstrap, in blocks of 1,000 resamples."""
    random = np.random.RandomState(seed)
    for _ in range(resamples // 1000):
        drawn = random.randint(0, n, (1000, n)) + n * np.arange(1000)[:, None]
        yield np.bincount(drawn.ravel(), minlength=1000 * n).reshape(1000, n).astype(np.float64)


def test_bootstrap_on_their_resamples(oracle):
    """Terms with fixed denominators, as they do it: for means that is the bootstrap, for ratios their fault."""
    said, columns = [], []
    for name in CASES:
        for policy in POLICIES:
            for _, theirs, ours in Case(oracle, name, policy).comparable():
                said.append(theirs["bootstrap_ci"])
                columns.append(ours.terms)
    _compare_bootstraps(said, np.column_stack(columns))


def test_bootstrap_normalises_each_resample_anew(oracle):
    digits = Case(oracle, "digits", "stochastic")
    ours = bootstrap({"snipw": digits.estimate("snipw")}, seed=1, resamples=4000)["snipw"]
    assert digits.said["estimates"]["snipw"]["bootstrap_ci"]["upper"] == pytest.approx(0.954, abs=1e-3)
    assert ours.high == pytest.approx(0.911, abs=4e-3)


@pytest.fixture(scope="module")
def slates(oracle):
    data = np.load(oracle / "slate.npz")
    said = json.loads((oracle / "slate.json").read_text())["data"]
    return [
        (name, theirs, _slate_estimate(name, data, policy, "_fixed" if rewards == "reward_fixed" else ""))
        for rewards, by_policy in said.items()
        for policy, found in by_policy["policies"].items()
        for name, theirs in found["estimates"].items()
    ]


def _slate_estimate(name, data, policy, suffix):
    reward = data["reward" + suffix]

    def ratio(kind):
        return data[f"evaluation_policy_pscore{kind}_{policy}"], data[f"pscore{kind}"]

    if name == "cascade-dr":
        predicted_all, action = data[f"q_hat_{policy}{suffix}"], data["action"]
        predicted = np.take_along_axis(predicted_all, action[..., None], axis=2)[..., 0]
        direct = (data[f"evaluation_policy_action_dist_{policy}"] * predicted_all).sum(axis=2)
        return joint_decisions.cascade_dr(reward, *ratio("_cascade"), predicted, direct)
    normalised, family = name.startswith("sn"), name.removeprefix("sn")
    if family == "sips":
        target, logged = ratio("")
        return joint_decisions.standard_ips(reward, target[:, 0], logged[:, 0], self_normalised=normalised)
    function, kind = {
        "iips": (joint_decisions.independent_ips, "_item_position"),
        "rips": (joint_decisions.reward_interaction_ips, "_cascade"),
    }[family]
    return function(reward, *ratio(kind), self_normalised=normalised)


def test_slates(slates):
    assert len(slates) == 26
    for name, said, ours in slates:
        assert ours.value == pytest.approx(said["value"], **TIGHT), name
        terms, theirs = ours.terms, said["slate_rewards"]
        assert [terms.mean(), terms.var(), terms.min(), terms.max()] == pytest.approx(
            [theirs["mean"], theirs["var_ddof0"], theirs["min"], theirs["max"]], **TIGHT
        ), name


@pytest.mark.parametrize(("delta", "level"), [("delta=0.05", 0.9), ("delta=0.025", 0.95)])
def test_bounds_of_slates_agree_where_they_hold(slates, delta, level):
    """Student's for means; Hoeffding's and Bernstein's where no term is negative, so that [0, largest] is a range."""
    compared = 0
    for name, said, ours in slates:
        bounds, terms = said["lower_bounds"][delta], ours.terms
        if not ours.normalised:
            assert student(ours, level=level).low == pytest.approx(bounds["student_t"], **TIGHT), name
        if terms.min() >= 0.0:
            compared += 1
            known = {"low": 0.0, "high": float(terms.max()), "level": level}
            assert hoeffding(terms, **known).low == pytest.approx(bounds["hoeffding"], **TIGHT), name
            assert empirical_bernstein(terms, **known).low == pytest.approx(bounds["bernstein"], **TIGHT), name
    assert compared >= 24


def test_bootstrap_of_slates(slates):
    _compare_bootstraps([said["bootstrap_ci"] for _, said, _ in slates], np.column_stack([e.terms for *_, e in slates]))


def _compare_bootstraps(said, terms):
    n = len(terms)
    values = np.concatenate([counts @ terms / n for counts in legacy_resamples(n)])
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    found = np.column_stack([values.mean(axis=0), low, high])
    expected = [[each["bootstrap_mean"], each["lower"], each["upper"]] for each in said]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
