"""Kinds mixed by likelihood: by hand, and what must hold for any ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.ranker.diversity import kind_likelihoods, mixed_order
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
    # Six tracks of likelihood 1/8 each (3/4 together), then two artists of 1/8 each: seats at 1/(3/4), 3/(3/4), ...
    # so 0 (the first keeps its place), 4, 6.7, 9.3, ... for tracks and 4, 12 for artists.
    scores, kinds = np.zeros(8, np.float32), np.array([TRACK] * 6 + [ARTIST] * 2, np.int8)
    assert mixed_order(scores, kinds).tolist() == [0, 1, 6, 2, 3, 4, 7, 5]


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
def test_each_place_goes_to_the_kind_that_lacks_most(rows):
    """The seats of Sainte-Laguë one after another: the next one to the highest P(kind) / (2 · seats held + 1)."""
    scores, kinds = arrays(rows)
    likelihoods = kind_likelihoods(scores, kinds)
    left, held = np.bincount(kinds, minlength=len(KINDS)), np.zeros(len(KINDS))
    for place, kind in enumerate(kinds[mixed_order(scores, kinds)].tolist()):
        claims = np.where(left > 0, np.maximum(likelihoods, np.finfo(float).tiny) / (2 * held + 1), 0.0)
        assert place == 0 or claims[kind] >= claims.max() * (1 - 1e-9)
        left[kind] -= 1
        held[kind] += 1


def test_one_kind_stays_as_it_is():
    scores = np.array([3.0, 2.0, 1.0], np.float32)
    assert mixed_order(scores, np.full(3, ALBUM, np.int8)).tolist() == [0, 1, 2]
