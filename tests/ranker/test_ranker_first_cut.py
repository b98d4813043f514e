"""The first cut: the first ten of every retriever, then what is best by what is known early."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandstand.ranker.features import FeatureSet, RankingFeature
from bandstand.ranker.first_cut import EACH, FirstCut
from bandstand.ranker.page import rank, union
from bandstand.ranker.scorers import PlainScorer
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates

FEATURES = FeatureSet(BUILT_IN)
LEXICAL, DENSE = (FEATURES.names.index(f"{name}.rr") for name in ("lexical", "dense"))
COVERAGE, SLOT = (FEATURES.names.index(name) for name in ("token_coverage", "slot_match"))


def rows(m):
    return np.full((m, len(FEATURES.names)), np.nan, np.float32)


def test_what_fits_stays_whole():
    assert FirstCut(FEATURES, most=3).rows(rows(3)).tolist() == [0, 1, 2]


def test_by_hand():
    matrix = rows(4)
    matrix[:, LEXICAL] = [1 / 20, 1 / 30, 1 / 40, 1 / 50]
    matrix[3, DENSE] = 1 / 20  # two retrievers bring it: before all that only one brings
    assert FirstCut(FEATURES, most=2).rows(matrix).tolist() == [0, 3]
    matrix[2, SLOT] = 1.0  # as asked for
    assert FirstCut(FEATURES, most=2).rows(matrix).tolist() == [2, 3]


def test_what_is_compared_late_decides_nothing():
    matrix = rows(3)
    matrix[:, LEXICAL] = [1 / 20, 1 / 30, 1 / 40]
    matrix[2, COVERAGE] = 1.0
    assert FirstCut(FEATURES, most=1).rows(matrix).tolist() == [0]


@given(st.permutations(range(40)), st.permutations(range(40)), st.integers(2 * EACH, 40))
def test_the_first_ten_of_every_retriever_stay(lexical, dense, most):
    matrix = rows(40)
    matrix[lexical, LEXICAL] = 1 / np.arange(1, 41)
    matrix[dense, DENSE] = 1 / np.arange(1, 41)
    kept = FirstCut(FEATURES, most=most).rows(matrix)
    assert len(kept) == most
    assert (np.diff(kept) > 0).all()
    assert {*lexical[:EACH], *dense[:EACH]} <= set(kept.tolist())


def test_late_features_are_computed_for_what_is_left_and_early_ones_for_all(ask, answer, columns):
    seen = {}

    def feature(name, early):
        return RankingFeature(name, lambda pairs: seen.setdefault(name, len(pairs.ordinals)), early=early)

    features = FeatureSet(BUILT_IN, [feature("quick", early=True), feature("slow", early=False)])
    found: Candidates = answer("lexical", [0, 1, 2, 3, 4])
    ranking = rank(
        ask("halo"), union([found], BUILT_IN), columns, features, PlainScorer(features), cut=FirstCut(features, most=2)
    )
    assert seen == {"quick": 5, "slow": 2}
    assert len(ranking.whole.ordinals) == 2
