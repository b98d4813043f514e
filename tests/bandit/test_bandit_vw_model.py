"""The Vowpal Wabbit model: what it learns, that it resumes exactly, and that no damaged bytes reach the library."""

from __future__ import annotations

import hashlib
import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.context import Features
from bandstand.bandit.reward import DepthLabel
from bandstand.bandit.vw import VwModel
from bandstand.errors import BadInput, ModelError
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import ArmDecision

FEATURES: Features = (("bias", 1.0), ("words", 0.5))
SyntheticExample = tuple[str, Features, int, float, float]


def examples(n: int, seed: int) -> list[SyntheticExample]:
    rng = random.Random(seed)
    return [
        (
            rng.choice(BUILT_IN.names),
            (("bias", 1.0), ("words", rng.random()), ("exact", rng.uniform(-1, 1))),
            rng.randrange(4),
            rng.gauss(0, 0.2),
            rng.uniform(0.01, 1),
        )
        for _ in range(n)
    ]


def teach(model: VwModel, some: list[SyntheticExample]) -> VwModel:
    for example in some:
        model.learn(*example)
    return model


def predictions(model: VwModel) -> list[tuple[float, ...]]:
    return [model.predict(arm, features) for arm, features, *_ in examples(100, seed=2)]


def test_saving_half_way_changes_nothing() -> None:
    data = examples(1000, seed=1)
    straight = teach(VwModel(), data)
    resumed = teach(VwModel.from_bytes(teach(VwModel(), data[:500]).to_bytes()), data[500:])
    assert predictions(resumed) == predictions(straight)
    assert predictions(straight) != predictions(VwModel())
    assert resumed.trained == straight.trained


def test_a_copy_has_the_same_bytes() -> None:
    saved = teach(VwModel(), examples(200, seed=3)).to_bytes()
    assert VwModel.from_bytes(saved).to_bytes() == saved


def test_the_same_lessons_give_the_same_model() -> None:
    data = examples(200, seed=4)
    assert teach(VwModel(), data).to_bytes() == teach(VwModel(), data).to_bytes()


def test_predictions_are_a_distribution() -> None:
    for found in predictions(teach(VwModel(), examples(300, seed=5))):
        assert len(found) == 4
        assert min(found) >= 0
        assert math.isclose(sum(found), 1.0, abs_tol=1e-5)


def test_predicting_learns_nothing() -> None:
    """Vowpal Wabbit counts what it has seen, so bytes may differ; what is learned before and after may not."""
    asked, unasked = teach(VwModel(), examples(50, seed=6)), teach(VwModel(), examples(50, seed=6))
    predictions(asked)
    assert predictions(teach(asked, examples(50, seed=8))) == predictions(teach(unasked, examples(50, seed=8)))


def test_depth_zero_is_worth_nothing_by_definition() -> None:
    model = VwModel()
    before = model.to_bytes()
    model.learn("dense", FEATURES, 0, 3.0, 0.5)
    assert model.to_bytes() == before


def test_what_one_arm_learns_says_little_about_another_context() -> None:
    model = VwModel()
    for _ in range(200):
        model.learn("dense", (("vague", 1.0),), 3, -0.4, 1.0)
        model.learn("dense", (("plain", 1.0),), 3, 0.02, 1.0)
    assert model.predict("dense", (("vague", 1.0),))[3] > model.predict("dense", (("vague", 1.0),))[0]
    assert model.predict("dense", (("plain", 1.0),))[3] < model.predict("dense", (("plain", 1.0),))[0]


def test_labels_are_learned_in_the_context_of_their_arm_and_all_with_the_same_weight() -> None:
    decisions = [
        ArmDecision(arm="trigram", depth=10, context=(("typo", 1.0),)),
        ArmDecision(arm="dense", depth=10, context=(("vague", 1.0),)),
    ]
    labels = [
        DepthLabel(arm=arm, depth_index=index, reward=0.2 * index, probability=0.5)
        for arm in ("trigram", "dense")
        for index in (0, 1)
    ]
    by_labels, by_hand = VwModel(), VwModel()
    by_labels.learn_labels(decisions, labels)
    by_hand.learn("trigram", (("typo", 1.0),), 1, -0.2, 1.0)
    by_hand.learn("dense", (("vague", 1.0),), 1, -0.2, 1.0)
    assert by_labels.to_bytes() == by_hand.to_bytes()
    assert by_labels.trained == {"trigram": 1, "dense": 1}


def test_what_self_play_poses_is_learned_and_not_counted() -> None:
    decision = ArmDecision(arm="dense", depth=10, context=FEATURES)
    label = DepthLabel(arm="dense", depth_index=1, reward=0.2, probability=1.0)
    sampled, asked = VwModel(), VwModel()
    for _ in range(20):
        sampled.learn_labels([decision], [label], sampled=True)
        asked.learn_labels([decision], [label])
    assert sampled.predict("dense", FEATURES) == asked.predict("dense", FEATURES)
    assert sampled.predict("dense", FEATURES)[1] > 0.9
    assert (sampled.trained, asked.trained) == ({}, {"dense": 20})


@pytest.mark.parametrize(
    ("arm", "features", "depth_index", "cost", "probability"),
    [
        ("a|b", FEATURES, 1, 0.0, 0.5),
        ("a b", FEATURES, 1, 0.0, 0.5),
        ("dense", FEATURES, 4, 0.0, 0.5),
        ("dense", FEATURES, -1, 0.0, 0.5),
        ("dense", FEATURES, 1, math.nan, 0.5),
        ("dense", FEATURES, 1, math.inf, 0.5),
        ("dense", FEATURES, 1, 0.0, 0.0),
        ("dense", FEATURES, 1, 0.0, 1.1),
        ("dense", (("a|b", 1.0),), 1, 0.0, 0.5),
        ("dense", (("a\nb", 1.0),), 1, 0.0, 0.5),
    ],
)
def test_a_bad_lesson_is_refused_and_changes_nothing(
    arm: str, features: Features, depth_index: int, cost: float, probability: float
) -> None:
    model = VwModel()
    before = model.to_bytes()
    with pytest.raises(BadInput):
        model.learn(arm, features, depth_index, cost, probability)
    assert model.to_bytes() == before


def test_no_features_at_all_still_predict() -> None:
    assert sum(VwModel().predict("dense", ())) == pytest.approx(1.0)


def test_every_truncation_is_refused() -> None:
    saved = teach(VwModel(), examples(20, seed=7)).to_bytes()
    for end in (0, 1, 100, len(saved) // 2, len(saved) - 1):
        with pytest.raises(ModelError, match="damaged"):
            VwModel.from_bytes(saved[:end])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        VwModel.from_bytes(data)


def with_header(weights: bytes, **changes: object) -> bytes:
    header = json.loads(VwModel().to_bytes().partition(b"\n")[0])
    header |= {"sha256": hashlib.sha256(weights).hexdigest(), **changes}
    return json.dumps(header).encode() + b"\n" + weights


def test_a_model_that_learned_otherwise_is_refused() -> None:
    with pytest.raises(ModelError, match="another version"):
        VwModel.from_bytes(with_header(b"", arguments="--cb 4"))


def test_an_error_of_the_library_is_mapped() -> None:
    with pytest.raises(ModelError, match="cannot open") as caught:
        VwModel.from_bytes(with_header(b"hello" * 10))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_arm_that_is_gone_comes_back_with_what_it_learned() -> None:
    """Arms are known by name alone: what one learned is neither lost nor read by another."""
    model = VwModel()
    for _ in range(100):
        model.learn("lyrics", FEATURES, 3, -0.4, 1.0)
    again = VwModel.from_bytes(model.to_bytes())
    assert again.predict("lyrics", FEATURES)[3] > 0.9
    assert again.trained == {"lyrics": 100}
