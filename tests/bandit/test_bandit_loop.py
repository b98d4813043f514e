"""The closed loop: decide, show, click, reward, learn. The difference reward buys what helps, shared credit all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import pytest

from bandstand.bandit.context import Context, ContextBuilder
from bandstand.bandit.reward import DepthLabel, RankedHead, depth_labels, difference_rewards
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import ArmDecision, Candidates, FeatureLayout, FeatureRows, Matrix, Query, Scores

PRICE = 0.003
NAMES = ("lexical.score", "lexical.rr", "dense.score", "dense.rr")
ROUNDS, PUBLISH_EVERY = 1_500, 100

Rewarder = Callable[[ArmDecision, RankedHead], Sequence[DepthLabel]]


def score(features: Matrix) -> Scores:
    return np.asarray(np.nansum(features[:, [0, 2]], axis=1), np.float32)


def show(rng: random.Random, *, vague: bool, depth: int) -> RankedHead:
    """Lexical's eight, and what dense holds within ``depth``; half of the searches click the answer if it is there.

    For a plain query both hold the answer first. For a vague one only dense holds it, at rank 3 or at rank 30.
    """
    rank = 1 if not vague else rng.choice((3, 30))
    rows = [[10.0 - i, 1 / (i + 1), np.nan, np.nan] for i in range(8)]
    if depth >= rank:
        if vague:
            rows.append([np.nan, np.nan, 9.5, 1 / rank])
        else:
            rows[0][2:] = [1.0, 1.0]
    answer = 8 if vague else 0
    grades = np.zeros(len(rows))
    if answer < len(rows) and rng.random() < 0.5:
        grades[answer] = 1.0
    ordinals = np.arange(len(rows), dtype=np.int32)
    rows_ = FeatureRows(FeatureLayout(NAMES), np.array(rows, np.float32))
    return RankedHead(ordinals=ordinals, rows=rows_, grades=grades)


def difference(decision: ArmDecision, head: RankedHead) -> Sequence[DepthLabel]:
    earned = difference_rewards(head, {"dense": decision.depth}, score)["dense"]
    return depth_labels(decision, earned, cost_weight=PRICE, cost=BUILT_IN.modelled_cost)


def shared_credit(decision: ArmDecision, head: RankedHead) -> Sequence[DepthLabel]:
    """What looks natural: the click's grade, divided among all arms that held the clicked entity."""
    held = ~np.isnan(head.rows.values[:, [1, 3]])
    share = float((head.grades * held[:, 1] / held.sum(axis=1)).sum())
    reached = head.rows.rank("dense")[head.grades > 0]
    credit = [share if (reached <= depth).any() else 0.0 for depth in (0, 10, 50, 200) if depth <= decision.depth]
    return depth_labels(decision, credit, cost_weight=PRICE, cost=BUILT_IN.modelled_cost)


@pytest.fixture
def context(make_query: Callable[..., Query], make_candidates: Callable[..., Candidates]) -> Callable[..., Context]:
    builder = ContextBuilder(make_query("some words"), BUILT_IN, has_history=False)

    def make(rng: random.Random, *, vague: bool) -> Context:
        exact = rng.uniform(0.1, 0.5) if vague else rng.uniform(0.8, 1.0)
        top = rng.uniform(2, 12) if vague else rng.uniform(8, 20)
        builder.add("lexical", make_candidates("lexical", range(8), np.linspace(top, top / 3, 8)))
        return builder.build(lexical_exact=exact, cost_ms=BUILT_IN.modelled_cost("dense", 1), past_yield=0.5)

    return make


def trained_policy(reward: Rewarder, context: Callable[..., Context], seed: int) -> BanditPolicy:
    rng, model = random.Random(seed), VwModel()
    settings = BanditSettings(epsilon=0.02, warmup=600)
    policy = BanditPolicy(model.to_bytes(), version="0", settings=settings)
    for step in range(1, ROUNDS + 1):
        vague = rng.random() < 0.3
        decision = policy.decide(BUILT_IN["dense"], context(rng, vague=vague), rng.random())
        head = show(rng, vague=vague, depth=decision.depth)
        model.learn_labels([decision], reward(decision, head))
        if step % PUBLISH_EVERY == 0:
            policy = BanditPolicy(model.to_bytes(), version=str(step), settings=settings)
    return policy


def distribution(policy: BanditPolicy, context: Callable[..., Context], *, vague: bool) -> list[float]:
    rng = random.Random(99)
    drawn = [policy.probabilities("dense", context(rng, vague=vague)) for _ in range(100)]
    return [mean(column) for column in zip(*drawn, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_difference_reward_buys_the_arm_where_it_helps(context: Callable[..., Context], seed: int) -> None:
    policy = trained_policy(difference, context, seed)
    vague, plain = distribution(policy, context, vague=True), distribution(policy, context, vague=False)
    assert 1 - vague[0] > 0.85
    assert 1 - plain[0] < 0.2
    # Half of the answers lie at rank 30: ten candidates are not enough.
    assert vague[2] + vague[3] > 2 * vague[1]


def test_shared_credit_buys_what_is_already_there(context: Callable[..., Context]) -> None:
    policy = trained_policy(shared_credit, context, seed=1)
    assert 1 - distribution(policy, context, vague=False)[0] > 0.8
