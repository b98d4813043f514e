"""How scores are made into frequencies, and how well they part two classes: by hand, and as scikit-learn says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.feedback.classifier import auc
from bandstand.statistics import isotonic

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.floats(-2.0, 2.0, width=16), st.floats(0.125, 4.0, width=16)),
    min_size=1,
    max_size=40,
)


def test_neighbours_that_fall_share_their_mean():
    fitted = isotonic([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 0.0, 0.0, 1.0])
    assert fitted.scores == (1.0, 2.0, 4.0, 5.0)
    assert fitted.frequencies == pytest.approx((0.0, 1 / 3, 1 / 3, 1.0))


def test_equal_scores_share_their_mean_by_weight():
    fitted = isotonic([2.0, 1.0, 2.0], [1.0, 0.0, 0.0], [3.0, 1.0, 1.0])
    assert fitted.scores == (1.0, 2.0)
    assert fitted.frequencies == pytest.approx((0.0, 0.75))


@given(ROWS)
def test_it_is_what_scikit_learn_fits(rows):
    from sklearn.isotonic import IsotonicRegression

    scores, outcomes, weights = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    asked = np.linspace(-1.0, 10.0, 45)
    expected = IsotonicRegression(out_of_bounds="clip").fit(scores, outcomes, weights).predict(asked)
    assert isotonic(scores, outcomes, weights)(asked) == pytest.approx(expected, abs=1e-9)


def test_half_of_a_tie_counts():
    scores, labels = np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, True, False, True])
    assert auc(scores, labels) == (0.5 + 3.0) / 4
    assert auc(-scores, labels) == (0.5 + 0.0) / 4


@pytest.mark.parametrize("labels", [[True, True], [False, False], []])
def test_one_class_alone_is_not_parted(labels):
    assert math.isnan(auc(np.arange(float(len(labels))), np.array(labels, np.bool_)))
