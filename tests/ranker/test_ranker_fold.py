"""Folding of duplicates: by hand, and what must hold for any input."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandstand.ranker.page import dedupe

ROW = st.tuples(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), st.integers(0, 4))


def arrays(rows):
    ordinals = np.arange(10, 10 + len(rows), dtype=np.int32)
    return ordinals, np.array([s for s, _ in rows], np.float32), np.array([k for _, k in rows], np.int64)


def test_the_best_of_each_recording_ties_by_ordinal():
    ordinals = np.array([9, 4, 6, 2], np.int32)
    scores = np.array([0.7, 0.7, 0.9, 0.1], np.float32)
    assert dedupe(ordinals, scores, np.array([1, 1, 2, 3])).tolist() == [2, 1, 3]
    assert dedupe(ordinals, scores, np.array([1, 2, 3, 3])).tolist() == [2, 1, 0]


def test_nothing_folds_to_nothing():
    assert dedupe(*arrays([])).tolist() == []


def test_nan_comes_last():
    assert dedupe(*arrays([(float("nan"), 1), (-1e9, 2)])).tolist() == [1, 0]


@given(st.lists(ROW, max_size=30))
def test_one_row_a_key_none_better_left_out_and_best_first(rows):
    ordinals, scores, keys = arrays(rows)
    kept = dedupe(ordinals, scores, keys).tolist()
    assert sorted(keys[kept].tolist()) == sorted(set(keys.tolist()))

    def worth(row):
        return (-np.inf if np.isnan(scores[row]) else scores[row], -ordinals[row])

    assert kept == sorted(kept, key=worth, reverse=True)
    for row in range(len(rows)):
        (winner,) = (other for other in kept if keys[other] == keys[row])
        assert worth(winner) >= worth(row)
