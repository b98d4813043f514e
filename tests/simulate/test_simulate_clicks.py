"""The click models: what they draw against what their formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.replay.simulate.experiments import Cascade, DynamicBayesian, PositionBased

MODELS = [PositionBased(), PositionBased(decay=1.0), Cascade(), DynamicBayesian(), DynamicBayesian(perseverance=0.5)]
ATTRACTION = np.array([0.01, 0.8, 0.3, 0.01, 0.5, 0.8])
SATISFACTION = np.array([0.0, 0.9, 0.1, 0.0, 0.5, 0.9])


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_what_is_drawn_is_what_the_formula_says(model):
    rng, counts, n = np.random.default_rng(3), np.zeros(6), 20_000
    for _ in range(n):
        counts[model.clicks(ATTRACTION, SATISFACTION, rng.random((3, 10)))] += 1
    expected = model.probabilities(ATTRACTION, SATISFACTION)
    spread = 4.5 * np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(counts / n - expected) < spread).all()


def test_position_based_by_hand():
    examined = 2**-0.6
    expected = [0.8, (1 - 0.8) * examined * 0.5]
    np.testing.assert_allclose(PositionBased().probabilities(np.array([0.8, 0.5]), np.zeros(2)), expected)


def test_cascade_by_hand():
    found = Cascade().probabilities(np.array([0.5, 0.5, 0.5]), np.zeros(3))
    np.testing.assert_allclose(found, [0.5, 0.25, 0.125])


def test_dynamic_bayesian_by_hand():
    found = DynamicBayesian(perseverance=0.9).probabilities(np.array([0.8, 0.5]), np.array([0.5, 1.0]))
    np.testing.assert_allclose(found, [0.8, 0.9 * (1 - 0.8 * 0.5) * 0.5])


def test_a_dynamic_bayesian_reader_who_is_never_satisfied_nor_tired_clicks_whatever_attracts():
    model = DynamicBayesian(perseverance=1.0)
    assert model.clicks(np.ones(4), np.zeros(4), np.zeros((3, 10))) == [0, 1, 2, 3]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_an_empty_page_gets_no_click(model):
    nothing = np.empty(0)
    assert model.clicks(nothing, nothing, np.zeros((3, 10))) == []
    assert model.probabilities(nothing, nothing).shape == (0,)


@pytest.mark.parametrize("make", [lambda: PositionBased(decay=-1), lambda: DynamicBayesian(perseverance=0)])
def test_impossible_readers_are_refused(make):
    with pytest.raises(BadInput):
        make()
