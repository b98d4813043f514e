"""One suite that every policy passes, and the tables of those that need no learning."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.policy import DEPTH, Policy, RandomSubsetPolicy, Unfinished, draw, fixed_policies
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel
from bandstand.errors import BadInput
from bandstand.retrievers.registry import BUILT_IN
from bandstand.testing.policies import CONTEXT, PolicyContract
from bandstand.types import DEPTHS, RetrieverSpec


def trained() -> bytes:
    model = VwModel()
    for _ in range(40):
        for arm in BUILT_IN.names:
            model.learn(arm, CONTEXT.features, 2, -0.3, 0.9)
            model.learn(arm, CONTEXT.features, 3, 0.1, 0.5)
    return model.to_bytes()


POLICIES: dict[str, Policy] = {
    **fixed_policies(),
    "random": RandomSubsetPolicy(),
    "random-always": RandomSubsetPolicy(always=("memory",)),
    "bandit-cold": BanditPolicy(VwModel().to_bytes(), version="0"),
    "bandit-warming": BanditPolicy(trained(), version="1"),
    "bandit-warm": BanditPolicy(trained(), version="2", settings=BanditSettings(warmup=10, epsilon=0.1, always=())),
    "unfinished": Unfinished(RandomSubsetPolicy()),
}


@pytest.fixture(params=POLICIES.values(), ids=POLICIES)
def contract_policy(request: pytest.FixtureRequest) -> Policy:
    found: Policy = request.param
    return found


class TestEveryPolicy(PolicyContract):
    """The built-in policies."""


def test_the_fixed_policies_play_what_their_names_say() -> None:
    roster = BUILT_IN.and_also([RetrieverSpec("lyrics")])
    played = {
        name: {spec.name for spec in roster if policy.decide(spec, CONTEXT, 0.5).depth == 200}
        for name, policy in fixed_policies().items()
    }
    assert played == {
        "all": set(roster.names),
        "lexical": {"lexical"},
        "dense": {"dense"},
        "memory": {"memory"},
        "hybrid": {"lexical", "dense"},
    }
    assert all(policy.name == name and not policy.sequential for name, policy in fixed_policies().items())


def test_random_gives_each_depth_a_quarter() -> None:
    policy = RandomSubsetPolicy(always=("memory",))
    assert [policy.decide(BUILT_IN["dense"], CONTEXT, u).depth for u in (0.0, 0.25, 0.5, 0.75)] == list(DEPTHS)
    assert policy.decide(BUILT_IN["dense"], CONTEXT, 0.3).propensity == 0.25
    assert policy.decide(BUILT_IN["memory"], CONTEXT, 0.3).depth == 200


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
def test_inverse_transform_picks_the_interval_that_holds_u(u: float, weights: list[float]) -> None:
    probabilities = [weight / sum(weights) for weight in weights]
    index = DEPTHS.index(draw("dense", probabilities, CONTEXT, u).depth)
    assert sum(probabilities[:index]) <= u + 1e-12
    assert u <= sum(probabilities[: index + 1]) + 1e-12


@pytest.mark.parametrize("u", [-0.1, 1.0, math.nan])
def test_a_number_that_is_no_draw_is_refused(u: float) -> None:
    with pytest.raises(BadInput, match="u must be in"):
        RandomSubsetPolicy().decide(BUILT_IN["dense"], CONTEXT, u)


@pytest.mark.parametrize("u", [0.0, 0.3, 0.6, 0.9])
def test_beginnings_are_compared_while_a_word_is_unfinished(u: float) -> None:
    """Depths 0 and 10 are raised to 50; 50 and 200 stay; every other arm is as the policy says."""
    whole = RandomSubsetPolicy()
    for spec in BUILT_IN:
        wanted = whole.decide(spec, CONTEXT, u)
        decided = Unfinished(whole).decide(spec, CONTEXT, u)
        assert decided.depth == (max(wanted.depth, DEPTH) if spec.name == "trigram" else wanted.depth)
        assert spec.name == "trigram" or decided == wanted
