"""Kinds mixed by likelihood: by hand, and what must hold for any ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.ranker.page import kind_likelihoods, mixed_order
from bandstand.types import KINDS

TRACK, ARTIST, ALBUM = range(3)


def arrays(rows):
    ordered = sorted(rows, key=lambda row: -row[0])
    return np.array([s for s, _ in ordered], np.float32), np.array([k for _, k in ordered], np.int8)


def test_likelihoods_are_top_one_probabilities():
    scores, kinds = np.log(np.array([4, 2, 1, 1], np.float32)), np.array([TRACK, ARTIST, TRACK, ALBUM], np.int8)
    assert kind_likelihoods(scores, kinds).tolist() == pytest.approx([5 / 8, 2 / 8, 1 / 8, 0, 0, 0])


@pytest.mark.parametrize("scores", [[], [float("nan")]])
def test_without_candidates_nothing_is_likely(scores):
    kinds = np.zeros(len(scores), np.int8)
    assert kind_likelihoods(np.array(scores, np.float32), kinds).tolist() == [0.0] * len(KINDS)
    assert mixed_order(np.array(scores, np.float32), kinds).tolist() == list(range(len(scores)))


def test_places_are_given_as_seats_are():
    # Six tracks of likelihood 1/8 each, then two artists of 1/8 each. By score tracks stand at 1, 3, 5, 7, 9, 11 and
    # artists at 13, 15; the seats of artists are at 1 / (2/8) = 4 and, without the first, at 3 / (1/8) = 24.
    scores, kinds = np.zeros(8, np.float32), np.array([TRACK] * 6 + [ARTIST] * 2, np.int8)
    assert mixed_order(scores, kinds).tolist() == [0, 1, 6, 2, 3, 4, 5, 7]


def test_one_that_is_surely_meant_brings_nobody_else_of_its_kind_forward():
    # "beyonce": the artist, her songs, and other artists that are merely popular.
    scores = np.array([9, 3, 3, 3, 3, 0, 0, 0], np.float32)
    kinds = np.array([ARTIST, *[TRACK] * 4, *[ARTIST] * 3], np.int8)
    assert mixed_order(scores, kinds).tolist() == list(range(8))


def test_a_kind_that_is_unlikely_keeps_what_its_score_gave_it():
    scores = np.array([6, 3, 2, 2, 2, 2], np.float32)
    kinds = np.array([TRACK, ARTIST, TRACK, TRACK, TRACK, TRACK], np.int8)
    assert mixed_order(scores, kinds).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_clear_answer_leaves_the_page_as_it_was():
    scores = np.array([9.0, 1.0, 1.0, 1.0, 1.0, 0.9], np.float32)
    kinds = np.array([TRACK] * 5 + [ARTIST], np.int8)
    assert mixed_order(scores, kinds).tolist() == list(range(6))


ROWS = st.lists(st.tuples(st.floats(-20, 20, width=32), st.integers(0, len(KINDS) - 1)), max_size=40)


@settings(deadline=None)
@given(ROWS)
def test_what_holds_for_any_ranking(rows):
    scores, kinds = arrays(rows)
    order = mixed_order(scores, kinds)
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert order[:1].tolist() == [0][: len(rows)]  # the best answer keeps its place
    for kind in range(len(KINDS)):
        own = order[kinds[order] == kind]
        assert (np.diff(own) > 0).all()  # and so does the order within a kind


@settings(deadline=None)
@given(ROWS)
def test_every_kind_has_its_share_or_what_its_score_gave_it(rows):
    """Nobody stands behind more candidates than have a seat, or a score, before theirs."""
    scores, kinds = arrays(rows)
    odds = np.exp(scores.astype(np.float64) - float(max(scores, default=0)))
    due = []
    for rank, kind in enumerate(kinds.tolist()):
        earlier = int((kinds[:rank] == kind).sum())
        left = float((odds / odds.sum())[rank:][kinds[rank:] == kind].sum())
        due.append(min((2 * earlier + 1) / left if left > 0 else np.inf, 2 * rank + 1))
    order = mixed_order(scores, kinds).tolist()
    assert [due[row] for row in order] == pytest.approx(sorted(due))


def test_one_kind_stays_as_it_is():
    scores = np.array([3.0, 2.0, 1.0], np.float32)
    assert mixed_order(scores, np.full(3, ALBUM, np.int8)).tolist() == [0, 1, 2]
