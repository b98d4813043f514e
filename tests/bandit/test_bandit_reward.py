"""Difference rewards and depth labels: by hand, against a slow oracle, and the arithmetic of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.bandit.reward import (
    DepthLabel,
    RankedHead,
    depth_labels,
    difference_rewards,
    impression_labels,
    page_value,
    recorded_differences,
)
from bandstand.errors import BadInput
from bandstand.feedback.ablation import Ablation
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import (
    DEPTHS,
    ArmDecision,
    Decision,
    FeatureLayout,
    FeatureRows,
    Impression,
    Matrix,
    Query,
    RetrieverOutcome,
    Scores,
)

NAMES = ("lexical.score", "lexical.rr", "dense.score", "dense.rr", "popularity")
Row = tuple[float | None, int | None, float | None, int | None]


class SumOfScores:
    """Scores a row by the sum of its arms' scores, and notes how many rows it was asked for each time."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, features: Matrix) -> Scores:
        self.calls.append(len(features))
        return np.asarray(np.nansum(features[:, [0, 2]], axis=1), np.float32)


def matrix(rows: Sequence[Row]) -> Matrix:
    def reciprocal(rank: int | None) -> float:
        return 1 / rank if rank else math.nan

    cells = [
        [math.nan if ls is None else ls, reciprocal(lr), math.nan if ds is None else ds, reciprocal(dr), 0.5]
        for ls, lr, ds, dr in rows
    ]
    return np.array(cells, np.float32).reshape(-1, 5)


def head(rows: Sequence[Row], grades: dict[int, float]) -> RankedHead:
    return RankedHead(
        ordinals=np.arange(len(rows), dtype=np.int32),
        rows=FeatureRows(FeatureLayout(NAMES), matrix(rows)),
        grades=np.array([grades.get(i, 0.0) for i in range(len(rows))]),
    )


EXCLUSIVE: list[Row] = [(3.0, 1, None, None), (2.0, 2, None, None), (None, None, 2.5, 30)]
"""The page is 0, 2, 1; only dense brought 2, at rank 30."""
REDUNDANT: list[Row] = [(3.0, 1, 1.0, 1), (2.0, 2, None, None)]
"""0 is first with dense and without."""


@pytest.mark.parametrize(
    ("grades", "positions", "value"),
    [([1.0], [1], 1.0), ([1.0], [4], 0.25), ([0.3], [2], 0.15), ([1.0, 1.0], [1, 2], 1.0), ([0.2, 0.4], [1, 2], 0.4)],
)
def test_page_value_by_hand(grades: list[float], positions: list[int], value: float) -> None:
    assert page_value(grades, positions) == pytest.approx(value)


def test_page_value_of_empties() -> None:
    assert page_value([], []) == 0.0
    assert page_value([1.0], [math.inf]) == 0.0


def test_an_arm_that_alone_held_the_answer_earned_its_place() -> None:
    # At position 2 with dense, nowhere without: 1/2, from the depth that reaches rank 30 on.
    assert difference_rewards(head(EXCLUSIVE, {2: 1.0}), {"dense": 200}, SumOfScores()) == {
        "dense": (0.0, 0.0, 0.5, 0.5)
    }


def test_a_redundant_arm_earned_nothing() -> None:
    assert difference_rewards(head(REDUNDANT, {0: 1.0}), {"dense": 200}, SumOfScores()) == {"dense": (0.0,) * 4}


def test_an_arm_that_pushed_the_answer_down_earned_less_than_nothing() -> None:
    # 1 is third with dense (0, 2, 1), second without: 1/3 - 1/2.
    found = difference_rewards(head(EXCLUSIVE, {1: 1.0}), {"dense": 50}, SumOfScores())
    assert found["dense"] == pytest.approx((0.0, 0.0, 1 / 3 - 1 / 2))


def test_an_arm_that_lifted_a_shared_answer_earned_the_lift() -> None:
    # 1 gains 2 from dense and overtakes 0: 1 - 1/2. Deeper rows of dense do not matter to it.
    rows: list[Row] = [(3.0, 1, None, None), (2.0, 2, 2.0, 5), (None, None, 0.1, 100)]
    found = difference_rewards(head(rows, {1: 1.0}), {"dense": 200, "lexical": 10}, SumOfScores())
    assert found["dense"] == pytest.approx((0.0, 0.5, 0.5, 0.5))
    # Without lexical, 0 is gone and 1 is still first.
    assert found["lexical"] == pytest.approx((0.0, 0.0))


def test_equal_scores_rank_by_ordinal() -> None:
    rows: list[Row] = [(None, None, 2.0, 1), (2.0, 1, None, None)]
    assert difference_rewards(head(rows, {1: 1.0}), {"dense": 10}, SumOfScores())["dense"] == (0.0, -0.5)


def test_all_arms_are_scored_in_one_call_and_only_where_something_satisfied() -> None:
    scorer = SumOfScores()
    difference_rewards(head(EXCLUSIVE, {2: 1.0}), {"dense": 200, "lexical": 200}, scorer)
    # Three rows each: the page as it was, without dense (also dense cut to 10), without lexical.
    assert scorer.calls == [9]
    assert difference_rewards(head(EXCLUSIVE, {}), {"dense": 50}, scorer) == {"dense": (0.0, 0.0, 0.0)}
    assert scorer.calls == [9]


def test_a_dropped_candidate_is_off_the_page_whatever_the_ranker_says() -> None:
    def missing_first(features: Matrix) -> Scores:
        return np.asarray(np.isnan(features).sum(axis=1), np.float32) - features[:, 4]

    # Everything but 0 comes from dense alone: with dense 0 is third of three, without it the only one.
    rows: list[Row] = [(1.0, 1, 1.0, 1), (None, None, 1.0, 2), (None, None, 1.0, 3)]
    found = difference_rewards(head(rows, {0: 1.0}), {"dense": 10}, missing_first)
    assert found["dense"] == pytest.approx((0.0, 1 / 3 - 1))


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_arm_that_brought_nothing_earned_nothing(depth: int) -> None:
    rows: list[Row] = [(3.0, 1, None, None)]
    found = difference_rewards(head(rows, {0: 1.0}), {"dense": depth}, SumOfScores())
    assert found == {"dense": (0.0,) * (DEPTHS.index(depth) + 1)}


def test_an_empty_head_earned_nothing() -> None:
    assert difference_rewards(head([], {}), {"dense": 10}, SumOfScores()) == {"dense": (0.0, 0.0)}


def test_an_arm_without_logged_ranks_is_refused() -> None:
    with pytest.raises(BadInput, match="fresh"):
        difference_rewards(head(EXCLUSIVE, {2: 1.0}), {"fresh": 10}, SumOfScores())


ranks = st.none() | st.integers(1, 200)
rows_of_heads = st.lists(
    st.tuples(st.integers(1, 9), ranks, st.integers(1, 9), ranks).map(
        lambda cells: (
            float(cells[0]) if cells[1] else None,
            cells[1],
            float(cells[2]) if cells[3] else None,
            cells[3],
        )
    ),
    min_size=1,
    max_size=8,
).filter(lambda rows: all(row[1] or row[3] for row in rows))


def slow_value(rows: Sequence[Row], grades: dict[int, float], arm: str, depth: int) -> float:
    """The page cut and ranked with plain loops."""
    first = 0 if arm == "lexical" else 2
    page = []
    for ordinal, row in enumerate(rows):
        cells = list(row)
        rank = cells[first + 1]
        if rank is not None and rank > depth:
            cells[first] = cells[first + 1] = None
        if cells[1] is None and cells[3] is None:
            continue
        page.append((-((cells[0] or 0) + (cells[2] or 0)), ordinal))
    return min(1.0, sum(grades.get(o, 0.0) / place for place, (_, o) in enumerate(sorted(page), start=1)))


@pytest.mark.slow
@settings(max_examples=150)
@given(
    rows_of_heads,
    st.sampled_from(("lexical", "dense")),
    st.lists(st.sampled_from((0.0, 0.3, 1.0)), min_size=8, max_size=8),
)
def test_differences_agree_with_plain_loops(rows: list[Row], arm: str, graded: list[float]) -> None:
    grades = {i: grade for i, grade in enumerate(graded) if grade and i < len(rows)}
    found = difference_rewards(head(rows, grades), {"lexical": 200, "dense": 200}, SumOfScores())[arm]
    without = slow_value(rows, grades, arm, 0)
    assert found == pytest.approx([slow_value(rows, grades, arm, depth) - without for depth in DEPTHS], abs=1e-6)


@settings(max_examples=100)
@given(rows_of_heads, st.sampled_from((10, 50)))
def test_a_deep_choice_shows_what_a_shallow_one_would_have_shown(rows: list[Row], depth: int) -> None:
    grades = {0: 1.0}
    deep = head(rows, grades)
    limited, kept = deep.rows.without("dense", depth)
    rows_left = FeatureRows(limited.layout, limited.values[kept])
    shallow = RankedHead(ordinals=deep.ordinals[kept], rows=rows_left, grades=deep.grades[kept])
    seen = difference_rewards(shallow, {"dense": depth}, SumOfScores())["dense"]
    assert seen == pytest.approx(difference_rewards(deep, {"dense": 200}, SumOfScores())["dense"][: len(seen)])


def test_depth_labels_by_hand() -> None:
    decision = ArmDecision(arm="dense", depth=50, propensity=0.2, probabilities=(0.4, 0.3, 0.2, 0.1))
    labels = depth_labels(decision, (0.0, 0.0, 0.5), cost_weight=0.01, cost=BUILT_IN.modelled_cost)
    assert [(label.depth_index, label.reward, label.probability) for label in labels] == [
        (0, 0.0, pytest.approx(1.0)),
        (1, pytest.approx(-0.063), pytest.approx(0.6)),
        (2, pytest.approx(0.5 - 0.063), pytest.approx(0.3)),
    ]


def test_a_skipped_arm_teaches_only_that_skipping_is_free() -> None:
    decision = ArmDecision(arm="dense", depth=0, propensity=0.4, probabilities=(0.4, 0.3, 0.2, 0.1))
    assert depth_labels(decision, (0.0,), cost_weight=1.0, cost=BUILT_IN.modelled_cost) == [
        DepthLabel(arm="dense", depth_index=0, reward=0.0, probability=1.0)
    ]


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_weighted_labels_are_right_on_average(weights: list[float], differences: list[float]) -> None:
    """Over all choices c with probability p(c), the label of depth d weighted by 1 / P(c >= d) averages to r(d)."""
    probabilities = tuple(weight / sum(weights) for weight in weights)
    truth = (0.0, *differences)
    average = [0.0] * 4
    for index, chance in enumerate(probabilities):
        decision = ArmDecision(arm="trigram", depth=DEPTHS[index], propensity=chance, probabilities=probabilities)
        for label in depth_labels(decision, truth[: index + 1], cost_weight=0.0, cost=BUILT_IN.modelled_cost):
            average[label.depth_index] += chance * label.reward / label.probability
    assert average == pytest.approx(truth, abs=1e-9)


SEEN = (("bias", 1.0),)


def impression(*arms: ArmDecision, outcomes: tuple[RetrieverOutcome, ...] = ()) -> Impression:
    features = matrix(EXCLUSIVE)
    return Impression(
        query=Query(id="q", text="x", normalized="x"),
        decision=Decision(policy="bandit", version="1", arms=arms),
        outcomes=outcomes,
        entity_ids=("a", "b", "c"),
        ordinals=np.array([70, 80, 90], np.int32),
        scores=np.zeros(3, np.float32),
        features=features,
        feature_names=NAMES,
        shown=3,
    )


def test_a_search_teaches_about_the_arms_that_were_weighed() -> None:
    logged = impression(
        ArmDecision(arm="lexical", depth=200),
        ArmDecision(arm="dense", depth=50, propensity=0.5, probabilities=(0.5, 0, 0.5, 0), context=SEEN),
    )
    labels = impression_labels(logged, {90: 1.0}, SumOfScores(), cost_weight=0.0, cost=BUILT_IN.modelled_cost)
    assert [(label.arm, label.reward, label.probability) for label in labels] == [
        ("dense", 0.0, 1.0),
        ("dense", 0.0, 0.5),
        ("dense", 0.5, 0.5),
    ]


def test_a_search_that_pleased_nobody_teaches_what_it_cost() -> None:
    logged = impression(ArmDecision(arm="dense", depth=10, propensity=0.25, probabilities=(0.25,) * 4, context=SEEN))
    labels = impression_labels(logged, {}, SumOfScores(), cost_weight=0.1, cost=BUILT_IN.modelled_cost)
    assert [label.reward for label in labels] == pytest.approx([0.0, -0.63])


def test_an_arm_that_failed_teaches_nothing() -> None:
    logged = impression(
        ArmDecision(arm="dense", depth=10, context=SEEN),
        outcomes=(RetrieverOutcome(retriever="dense", status="failed"),),
    )
    assert impression_labels(logged, {90: 1.0}, SumOfScores(), cost_weight=0.1, cost=BUILT_IN.modelled_cost) == []


def recorded(pages):
    """Pages of two expensive arms by who played, as letters; ordinals of the impression are their places in "abc"."""
    arms = ("trigram", "dense")
    return Ablation(
        query_id="q", retrievers=arms, pages={frozenset(k): v for k, v in pages.items()}, context=(), hit_rates={}
    )


def searched(**depths):
    decisions = tuple(ArmDecision(arm=arm, depth=depth, context=(("bias", 1.0),)) for arm, depth in depths.items())
    return Impression(
        query=Query(id="q", text="x", normalized="x"), decision=Decision(policy="bandit", version="1", arms=decisions),
        outcomes=(), entity_ids=("a", "b", "c"), ordinals=np.arange(3, dtype=np.int32),
        scores=np.zeros(3, np.float32), features=np.zeros((3, 0), np.float32), feature_names=(), shown=3,
    )  # fmt: skip


PAGES = {(): ("b", "c"), ("trigram",): ("b", "a"), ("dense",): ("a", "b"), ("trigram", "dense"): ("a", "b", "c")}


def test_a_record_gives_the_exact_difference():
    both = recorded_differences(recorded(PAGES), searched(trigram=200, dense=200), {0: 1.0})
    assert both == {"trigram": 0.0, "dense": 0.5}
    assert recorded_differences(recorded(PAGES), searched(trigram=200, dense=0), {0: 1.0}) == {"trigram": 0.5}
    assert recorded_differences(recorded(PAGES), searched(trigram=200, dense=200), {0: 0.5, 1: 0.5}) == {
        "trigram": 0.0,
        "dense": 0.0,
    }


def test_a_record_says_nothing_of_smaller_depths_nor_of_who_was_not_satisfied():
    assert recorded_differences(recorded(PAGES), searched(trigram=50, dense=200), {0: 1.0}) == {}
    assert recorded_differences(recorded(PAGES), searched(trigram=200), {}) == {}
    assert recorded_differences(recorded(PAGES), searched(trigram=200), {9: 1.0}) == {}
