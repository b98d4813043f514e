"""Ranking metrics by hand, over empties, and what must hold for any ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.ranker.metrics import mean, mrr_at, ndcg_at

LOG3 = np.log2(3)


def measure(metric, k, *queries):
    """Each query is a list of (score, grade)."""
    rows = [row for query in queries for row in query]
    scores = np.array([score for score, _ in rows], np.float32)
    grades = np.array([grade for _, grade in rows], np.int32)
    return metric(k, scores, grades, np.array([len(query) for query in queries], np.int32)).tolist()


def test_ndcg_by_hand():
    swapped = [(0.9, 0), (0.8, 2), (0.1, 1)]  # gains 0, 3, 1
    ideal = 3 + 1 / LOG3
    assert measure(ndcg_at, 10, swapped) == [pytest.approx((3 / LOG3 + 1 / 2) / ideal)]
    assert measure(ndcg_at, 2, swapped) == [pytest.approx((3 / LOG3) / ideal)]
    assert measure(ndcg_at, 1, swapped) == [0]


def test_mrr_by_hand():
    assert measure(mrr_at, 10, [(0.9, 0), (0.8, 2)], [(0.5, 1)], [(3, 0), (2, 0), (1, 1)]) == [
        0.5,
        1,
        pytest.approx(1 / 3),
    ]
    assert measure(mrr_at, 2, [(3, 0), (2, 0), (1, 1)]) == [0]


def test_equal_scores_count_against_the_model():
    assert measure(mrr_at, 10, [(1, 1), (1, 0), (1, 0)]) == [pytest.approx(1 / 3)]


@pytest.mark.parametrize("metric", [ndcg_at, mrr_at])
def test_a_query_without_relevant_candidates_has_no_value_and_does_not_move_the_mean(metric):
    values = measure(metric, 10, [(1, 0), (2, 0)], [(2, 1), (1, 0)])
    assert np.isnan(values[0])
    assert values[1] == 1
    assert mean(np.array(values)) == 1


@pytest.mark.parametrize("metric", [ndcg_at, mrr_at])
def test_no_queries_no_values_no_mean(metric):
    assert measure(metric, 10) == []
    assert np.isnan(mean(np.array([])))


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8), min_size=1, max_size=5)
)
def test_queries_are_measured_apart_and_the_ideal_order_gets_one(queries):
    for metric in (ndcg_at, mrr_at):
        alone = [measure(metric, 3, query)[0] for query in queries]
        np.testing.assert_allclose(measure(metric, 3, *queries), alone)
        ideal = measure(metric, 3, *([(grade, grade) for _, grade in query] for query in queries))
        judged = [any(grade for _, grade in query) for query in queries]
        np.testing.assert_allclose(ideal, np.where(judged, 1.0, np.nan))
