"""The union of answers: layout, known rows, a slow oracle, empties, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.errors import BadInput
from bandstand.ranker.page import union
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates, Roster

NAN = np.nan
COLUMNS = [f"{spec.name}.{name}" for spec in BUILT_IN for name in spec.columns]


def test_two_arms_by_hand(answer):
    found = union(
        [answer("lexical", [7, 3], [4.0, 2.0]), answer("trigram", [3, 5], [0.5, 0.25], similarity=[1.0, 0.75])],
        Roster((BUILT_IN["trigram"], BUILT_IN["lexical"])),
    )
    assert found.retrievers == ("trigram", "lexical")
    assert found.ordinals.tolist() == [3, 5, 7]
    np.testing.assert_array_equal(found.ranks, np.array([[1, 2], [2, NAN], [NAN, 1]], np.float32))
    np.testing.assert_array_equal(found.scores, np.array([[0.5, 2], [0.25, NAN], [NAN, 4]], np.float32))
    np.testing.assert_array_equal(found.columns["trigram.similarity"], np.array([1, 0.75, NAN], np.float32))
    assert (found.ordinals.dtype, found.ranks.dtype, found.scores.dtype) == (np.int32, np.float32, np.float32)


def test_columns_that_no_feature_reads_are_left_out_and_missing_ones_are_nan(answer):
    found = union([answer("memory", [1], clicks=[3.0], unheard_of=[1.0])], BUILT_IN)
    assert list(found.columns) == COLUMNS
    assert found.columns["memory.clicks"].tolist() == [3.0]
    assert np.isnan(found.columns["memory.plays"]).all()


@pytest.mark.parametrize(
    "candidates",
    [[], [Candidates.empty("dense")], [Candidates.empty(arm) for arm in BUILT_IN.names]],
    ids=["no answer", "one empty answer", "all empty"],
)
def test_empties(candidates):
    found = union(candidates, BUILT_IN)
    assert len(found) == 0
    assert found.ordinals.dtype == np.int32
    assert found.ranks.shape == found.scores.shape == (0, len(BUILT_IN.names))
    assert {name: column.shape for name, column in found.columns.items()} == dict.fromkeys(COLUMNS, (0,))


def test_refused(answer):
    with pytest.raises(BadInput, match="hybrid"):
        union([answer("hybrid", [1])], BUILT_IN)
    with pytest.raises(BadInput, match="once"):
        union([answer("dense", [1]), answer("dense", [2])], BUILT_IN)


@st.composite
def answers(draw):
    found = []
    for arm in draw(st.lists(st.sampled_from(BUILT_IN.names), unique=True)):
        ordinals = draw(st.lists(st.integers(0, 30), unique=True, max_size=12))
        numbers = st.lists(st.floats(-5, 5, width=32), min_size=len(ordinals), max_size=len(ordinals))
        given_columns = draw(st.lists(st.sampled_from(BUILT_IN[arm].columns or ("none",)), unique=True))
        found.append(
            Candidates(
                retriever=arm,
                ordinals=np.array(ordinals, np.int32),
                scores=np.array(sorted(draw(numbers), reverse=True), np.float32),
                columns={name: np.array(draw(numbers), np.float32) for name in given_columns},
            )
        )
    return found


@settings(deadline=None)
@given(answers())
def test_equals_a_dictionary_of_rows(candidates):
    rows = {}
    for found in candidates:
        for index, ordinal in enumerate(found.ordinals.tolist()):
            row = rows.setdefault(ordinal, {})
            row[found.retriever] = (index + 1, float(found.scores[index]))
            row |= {f"{found.retriever}.{name}": float(column[index]) for name, column in found.columns.items()}
    union_ = union(candidates, BUILT_IN)
    assert union_.ordinals.tolist() == sorted(rows)
    for number, ordinal in enumerate(sorted(rows)):
        row = rows[ordinal]
        expected = [row.get(arm, (NAN, NAN)) for arm in BUILT_IN.names]
        np.testing.assert_array_equal(union_.ranks[number], [rank for rank, _ in expected])
        np.testing.assert_array_equal(union_.scores[number], [score for _, score in expected])
        for name in COLUMNS:
            np.testing.assert_equal(float(union_.columns[name][number]), row.get(name, NAN))
