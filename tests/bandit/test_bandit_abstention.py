"""The abstention score: learns what it should, means what it says, is refused when damaged; and its policy."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.context import P_USEFUL, Context
from bandstand.bandit.gate import CALIBRATION, FEWEST, TREES, RetrievalGate, free_names, rows_of
from bandstand.bandit.gate_training import UsefulLabel, train_gate
from bandstand.bandit.policy import FULL_DEPTH
from bandstand.bandit.selective import SelectivePolicy, parse_thresholds, thresholds
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel
from bandstand.errors import BadInput, ModelError
from bandstand.models.folder import FolderRegistry
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import calibration_error, reliability
from bandstand.types import RetrieverSpec, Roster


def context(memory_top: float, lexical_top: float):
    return (("bias", 1.0), ("memory_top", memory_top), ("lexical_top", lexical_top), ("count_dense", 2.0))


def labels(count: int = 1200, seed: int = 3) -> list[UsefulLabel]:
    """Trigram helps where lexical is weak, dense where the memory is, rephrase never."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        memory, lexical = rng.random(2).tolist()
        useful = dict.fromkeys(BUILT_IN.expensive, False)
        useful |= {"trigram": lexical < 0.3, "dense": bool(memory < 0.4 and rng.random() < 0.75)}
        found.append(
            UsefulLabel(
                context=context(memory, lexical), hit_rates=dict.fromkeys(BUILT_IN.expensive, 0.5),
                useful=useful, gains={arm: 0.5 * useful[arm] for arm in BUILT_IN.expensive},
                group=str(number),
            )
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def trained():
    return train_gate(labels(), BUILT_IN, seed=1)


@pytest.fixture(scope="module")
def published(trained, tmp_path_factory):
    models = FolderRegistry(tmp_path_factory.mktemp("models"), lambda: 1.0)
    return models.get("abstention", models.publish("abstention", trained.files()))


def test_it_tells_where_an_arm_helps(published):
    model = RetrievalGate(published)
    hit_rates = dict.fromkeys(BUILT_IN.expensive, 0.5)
    weak, strong = model.p_useful(context(0.1, 0.1), hit_rates), model.p_useful(context(0.9, 0.9), hit_rates)
    assert (weak["trigram"] > 0.9, weak["dense"] == pytest.approx(0.75, abs=0.12)) == (True, True)
    assert max(strong.values()) < 0.05
    assert weak["rephrase"] < 0.05
    assert model.gain("dense") == 0.5


def test_before_the_lexical_answer_only_the_memory_speaks(published):
    model = RetrievalGate(published)
    hit_rates = dict.fromkeys(BUILT_IN.expensive, 0.5)
    early = [model.p_useful(context(0.1, lexical), hit_rates, early=True) for lexical in (0.1, 0.9)]
    assert early[0] == early[1]
    assert early[0]["dense"] > 0.5
    assert early[0]["trigram"] == pytest.approx(0.3, abs=0.1)


def test_what_was_held_out_is_calibrated(trained):
    assert max(trained.metrics[f"{arm}_ece"] for arm in BUILT_IN.expensive) < 0.04
    assert trained.metrics["trigram_helped"] == pytest.approx(0.3, abs=0.05)
    assert trained.held_out.shape == (1200, len(BUILT_IN.expensive))


def test_the_same_labels_and_seed_give_the_same_model(trained):
    assert train_gate(labels(), BUILT_IN, seed=1).files() == trained.files()


def test_what_expensive_arms_found_is_not_free():
    seen = (*context(0, 0), (P_USEFUL, 0.2), ("arm_cost", 1.0))
    assert free_names(seen, BUILT_IN) == ("bias", "memory_top", "lexical_top")
    rows = rows_of(
        context(0.5, 0.25), {"trigram": 0.1}, ("memory_top", "lexical_top", "unknown"), BUILT_IN.expensive, early=True
    )
    assert rows.shape == (len(BUILT_IN.expensive), 5)
    assert rows[0, 0] == 0.5
    assert math.isnan(rows[0, 1])
    assert rows[BUILT_IN.expensive.index("trigram"), 3:].tolist() == [BUILT_IN.expensive.index("trigram"), 0.1]


@pytest.mark.parametrize(
    "some",
    [labels(FEWEST - 1), [replace(each, useful=dict.fromkeys(BUILT_IN.expensive, False)) for each in labels(300)]],
)
def test_too_little_to_learn_from_is_said(some):
    with pytest.raises(BadInput, match="labelled search"):
        train_gate(some, BUILT_IN)


@pytest.mark.parametrize("file", [TREES, CALIBRATION])
def test_damage_is_refused(trained, tmp_path, file):
    models = FolderRegistry(tmp_path, lambda: 1.0)
    version = models.publish("abstention", {**trained.files(), file: b"{}"})
    with pytest.raises(ModelError, match="bandstand train"):
        RetrievalGate(models.get("abstention", version))


def test_a_model_that_knows_an_arm_at_one_moment_alone_is_refused(trained, tmp_path):
    raw = json.loads(trained.calibration)
    del raw["full"]["dense"]
    models = FolderRegistry(tmp_path, lambda: 1.0)
    version = models.publish("abstention", {**trained.files(), CALIBRATION: json.dumps(raw).encode()})
    with pytest.raises(ModelError, match="damaged"):
        RetrievalGate(models.get("abstention", version))


GROWN = BUILT_IN.and_also([RetrieverSpec("lyrics", cost_ms=2.0)])
LEFT = Roster(tuple(spec for spec in BUILT_IN if spec.name != "dense"))


def test_a_model_serves_where_an_arm_came_and_says_nothing_of_it(published):
    """Without an estimate there is no threshold, and the new arm plays: quality first."""
    model = RetrievalGate(published)
    assert model.arms == BUILT_IN.expensive
    worth = thresholds(model, cost_weight=0.01, cost=lambda arm: GROWN.modelled_cost(arm, 1))
    assert "lyrics" not in worth
    policy = SelectivePolicy(thresholds=worth, epsilon=0.04)
    assert policy.decide(GROWN["lyrics"], Context(((P_USEFUL, 0.0),)), 0.5).depth == FULL_DEPTH


def test_labels_of_before_an_arm_came_teach_beside_those_that_know_it():
    known = [
        replace(each, useful={**each.useful, "lyrics": each.useful["dense"]}, gains={**each.gains, "lyrics": 0.5})
        for each in labels(600, seed=4)
    ]
    trained = train_gate([*known, *labels(600)], GROWN, seed=1)
    assert trained.arms == GROWN.expensive
    assert trained.metrics["searches"] == 1200
    assert np.isnan(trained.held_out[600:, -1]).all()
    assert not np.isnan(trained.held_out[:, :-1]).any()
    assert not np.isnan(trained.held_out[:600, -1]).any()


def test_labels_of_before_an_arm_went_teach_about_the_others():
    trained = train_gate(labels(), LEFT, seed=1)
    assert trained.arms == LEFT.expensive
    assert trained.metrics["searches"] == 1200
    assert "dense_ece" not in trained.metrics


def test_reliability_by_hand():
    curve = reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, False, True, False]), bins=2)
    assert curve == ((0.1, 0.0, 2), (0.9, 0.5, 2))
    assert calibration_error(curve) == pytest.approx(0.25)
    assert reliability(np.empty(0), np.empty(0, np.bool_)) == ()
    assert math.isnan(calibration_error(()))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_bins_hold_every_prediction_once(pairs):
    probabilities, outcomes = np.array([p for p, _ in pairs]), np.array([o for _, o in pairs])
    curve = reliability(probabilities, outcomes)
    assert sum(each.size for each in curve) == len(pairs)
    assert sum(each.size * each.observed for each in curve) == pytest.approx(outcomes.sum())


def test_an_arm_plays_from_its_threshold_on():
    policy = SelectivePolicy(thresholds={"dense": 0.2}, epsilon=0.04)
    likely = policy.decide(BUILT_IN["dense"], Context(((P_USEFUL, 0.2),)), 0.5)
    unlikely = policy.decide(BUILT_IN["dense"], Context(((P_USEFUL, 0.19),)), 0.5)
    assert (likely.depth, likely.propensity) == (FULL_DEPTH, pytest.approx(0.97))
    assert (unlikely.depth, unlikely.propensity) == (0, pytest.approx(0.97))
    assert policy.decide(BUILT_IN["trigram"], Context(((P_USEFUL, 0.0),)), 0.5).depth == FULL_DEPTH
    assert policy.decide(BUILT_IN["lexical"], Context(), 0.5).propensity == 1.0


def test_thresholds_are_the_price_over_the_gain(published):
    worth = thresholds(RetrievalGate(published), cost_weight=0.01, cost=lambda arm: BUILT_IN.modelled_cost(arm, 1))
    assert worth["trigram"] == pytest.approx(0.01 * 1.0 / 0.5)
    assert worth["dense"] == pytest.approx(0.01 * 6.3 / 0.5)


def test_thresholds_are_read_as_they_are_set():
    assert parse_thresholds(" dense=0.2, trigram=1", BUILT_IN) == {"dense": 0.2, "trigram": 1.0}
    assert parse_thresholds(None, BUILT_IN) == parse_thresholds("", BUILT_IN) == {}
    assert parse_thresholds("uninstalled=0.2", BUILT_IN) == {"uninstalled": 0.2}
    for wrong in ("dense", "dense=2", "lexical=0.1", "dense=x", "=0.1"):
        with pytest.raises(BadInput, match="no threshold"):
            parse_thresholds(wrong, BUILT_IN)


def test_the_untrained_bandit_falls_back_on_the_estimate():
    fallback = SelectivePolicy(thresholds={"dense": 0.2})
    settings = BanditSettings(epsilon=0.04)
    policy = BanditPolicy(VwModel().to_bytes(), version="0", settings=settings, fallback=fallback)
    assert policy.probabilities("dense", Context(((P_USEFUL, 0.1),))) == pytest.approx((0.97, 0.01, 0.01, 0.01))
    assert policy.probabilities("dense", Context(((P_USEFUL, 0.3),))) == pytest.approx((0.01, 0.01, 0.01, 0.97))
