"""Reciprocal-rank fusion against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import RetrievalError
from bandstand.retrievers.fusion import ReciprocalRankFusion, rrf
from bandstand.types import Candidates, Query

A, B, C = 7, 2, 5


def fused(rankings, k=60.0):
    ordinals, scores = rrf(rankings, k)
    return dict(zip(ordinals.tolist(), scores.tolist(), strict=True))


class Fixed:
    """A retriever that always answers the same ranking."""

    def __init__(self, *ordinals):
        self.name = "fixed"
        self._ordinals = np.array(ordinals, np.int32)

    def retrieve(self, query, depth):  # noqa: ARG002
        ordinals = self._ordinals[:depth]
        scores = -np.arange(len(ordinals), dtype=np.float32)
        return Candidates(retriever=self.name, ordinals=ordinals, scores=scores)


class Broken(Fixed):
    def retrieve(self, query, depth):  # noqa: ARG002
        raise RetrievalError("no")


QUERY = Query(id="q", text="", normalized="")


def test_known_answers():
    assert fused([[A, B], [B]]) == {B: 1 / 62 + 1 / 61, A: 1 / 61}
    assert fused([[A], [A], [A]], k=1.0) == {A: 3 / 2}


@pytest.mark.parametrize("rankings", [[], [[]], [[], []]])
def test_of_nothing_is_nothing(rankings):
    assert fused(rankings) == {}


@given(st.lists(st.lists(st.integers(0, 30), unique=True)), st.floats(0.5, 100))
def test_agrees_with_the_formula(rankings, k):
    expected = {o: sum(1 / (k + r.index(o) + 1) for r in rankings if o in r) for r in rankings for o in r}
    assert fused(rankings, k) == pytest.approx(expected)


def test_orders_by_fused_score():
    found = ReciprocalRankFusion([Fixed(A, B), Fixed(B, C)]).retrieve(QUERY, 10)
    assert found.ordinals.tolist() == [B, A, C]  # 1/62 + 1/61, 1/61, 1/62
    np.testing.assert_allclose(found.scores, [1 / 62 + 1 / 61, 1 / 61, 1 / 62], rtol=1e-6)


def test_a_rank_below_the_wanted_depth_still_counts():
    found = ReciprocalRankFusion([Fixed(A, B), Fixed(C, B)]).retrieve(QUERY, 1)
    assert found.ordinals.tolist() == [B]  # 2/62 beats 1/61, though no member has it first


def test_a_fusion_may_be_fused():
    inner = ReciprocalRankFusion([Fixed(A), Fixed(A, B)])
    assert ReciprocalRankFusion([inner, Fixed(B)]).retrieve(QUERY, 10).ordinals.tolist() == [B, A]


def test_a_broken_member_breaks_it():
    with pytest.raises(RetrievalError):
        ReciprocalRankFusion([Fixed(A), Broken()]).retrieve(QUERY, 10)
