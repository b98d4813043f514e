"""How raw hits become candidates: masks, repeats, order and depth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.retrievers.base import finish, inside, permitted
from bandstand.types import Query

HITS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0, 2.5])))


def arrays(hits):
    return np.array([o for o, _ in hits], np.int32), np.array([s for _, s in hits], np.float32)


def query(allowed=None):
    return Query(id="q", text="", normalized="", allowed=None if allowed is None else np.array(allowed, bool))


def test_best_first_ties_by_ordinal_repeats_keep_their_best():
    found = finish("x", *arrays([(3, 1.0), (1, 2.0), (2, 1.0), (3, 5.0)]), mask=np.ones(4, bool), depth=10)
    assert found.ordinals.tolist() == [3, 1, 2]
    assert found.scores.tolist() == [5.0, 2.0, 1.0]


def test_columns_follow_their_hit():
    ordinals, scores = arrays([(3, 1.0), (1, 2.0), (3, 5.0)])
    found = finish("x", ordinals, scores, mask=None, depth=10, columns={"similarity": np.array([0.1, 0.2, 0.3])})
    assert found.columns["similarity"].tolist() == pytest.approx([0.3, 0.2])
    assert found.columns["similarity"].dtype == np.float32


@given(HITS, st.integers(-1, 12), st.lists(st.booleans(), max_size=10))
def test_finish_agrees_with_the_obvious_way(hits, depth, mask):
    best = {o: max(s for p, s in hits if p == o) for o, _ in hits if o < len(mask) and mask[o]}
    expected = sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))[: max(depth, 0)]
    found = finish("x", *arrays(hits), mask=np.array(mask, bool), depth=depth)
    assert list(zip(found.ordinals.tolist(), found.scores.tolist(), strict=True)) == expected


def test_inside_is_false_beyond_the_mask():
    assert inside(np.array([-1, 0, 1, 2, 9]), np.array([True, False, True])).tolist() == [
        False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("allowed", "live", "expected"),
    [
        (None, [True, False], [True, False]),
        ([True, True], [True, False], [True, False]),
        ([False, True], [True, True, True], [False, True]),
        ([True, True, True], [True], [True]),
        ([], [True], []),
    ],
)
def test_permitted_is_live_and_allowed_as_far_as_both_know(allowed, live, expected):
    assert permitted(query(allowed), np.array(live, bool)).tolist() == expected
