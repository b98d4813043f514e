"""The bandit's distribution: floor, cautious start, and what the model learned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.context import Context
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel, mix
from bandstand.errors import BadInput, ModelError
from bandstand.retrievers.registry import BUILT_IN

CONTEXT = Context((("bias", 1.0),))


def model_that_likes(arm: str, depth_index: int, rounds: int) -> bytes:
    model = VwModel()
    for _ in range(rounds):
        for index in (1, 2, 3):
            model.learn(arm, CONTEXT.features, index, -0.5 if index == depth_index else 0.2, 1.0)
    return model.to_bytes()


def test_mixing_by_hand() -> None:
    # 0.1 / 4 + 0.9 (0.5 learned + 0.5 full depth)
    assert mix((0.4, 0.6, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), confidence=0.5, epsilon=0.1) == pytest.approx(
        (0.205, 0.295, 0.025, 0.475)
    )


@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.floats(0, 1), st.floats(0.001, 1))
def test_the_mixture_sums_to_one_and_keeps_the_floor(learned: list[float], confidence: float, epsilon: float) -> None:
    mixed = mix(learned, (1.0, 0.0, 0.0, 0.0), confidence=confidence, epsilon=epsilon)
    assert math.isclose(sum(mixed), 1.0, abs_tol=1e-9)
    assert min(mixed) >= epsilon / 4 - 1e-12


def test_untrained_it_plays_everything_deep_but_for_the_floor() -> None:
    policy = BanditPolicy(VwModel().to_bytes(), version="0", settings=BanditSettings(epsilon=0.04))
    assert policy.probabilities("dense", CONTEXT) == pytest.approx((0.01, 0.01, 0.01, 0.97))


def test_caution_fades_with_what_was_learned() -> None:
    shares = []
    for rounds in (0, 30, 60, 100):
        policy = BanditPolicy(
            model_that_likes("dense", 1, rounds), version=str(rounds), settings=BanditSettings(warmup=300)
        )
        shares.append(policy.probabilities("dense", CONTEXT)[3])
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.95
    assert shares[-1] < 0.05


def test_another_arm_stays_cautious() -> None:
    policy = BanditPolicy(model_that_likes("dense", 1, 100), version="1", settings=BanditSettings(warmup=300))
    assert policy.probabilities("trigram", CONTEXT)[3] > 0.95


@pytest.mark.parametrize("depth_index", [1, 2, 3])
def test_it_prefers_the_depth_that_earned(depth_index: int) -> None:
    data = model_that_likes("dense", depth_index, 100)
    policy = BanditPolicy(data, version="1", settings=BanditSettings(warmup=0, epsilon=0.02))
    assert policy.probabilities("dense", CONTEXT)[depth_index] > 0.9


def test_it_skips_an_arm_that_only_costs() -> None:
    policy = BanditPolicy(model_that_likes("dense", 0, 100), version="1", settings=BanditSettings(warmup=0))
    assert policy.probabilities("dense", CONTEXT)[0] > 0.9


def test_arms_that_always_play_are_not_drawn() -> None:
    policy = BanditPolicy(VwModel().to_bytes(), version="0")
    for arm in ("memory", "lexical"):
        decision = policy.decide(BUILT_IN[arm], CONTEXT, 0.0)
        assert (decision.depth, decision.propensity, decision.probabilities) == (200, 1.0, ())
    assert policy.decide(BUILT_IN["dense"], CONTEXT, 0.0).depth == 0


def test_a_damaged_model_is_refused_before_the_first_search() -> None:
    with pytest.raises(ModelError, match="damaged"):
        BanditPolicy(b"not a model", version="0")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": 1.5}, "epsilon"),
        ({"warmup": -1}, "warmup"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(BadInput) as caught:
        BanditSettings(**values)  # type: ignore[arg-type]
    assert caught.value.field == named
