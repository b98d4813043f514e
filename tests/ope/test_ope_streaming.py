"""What keeps long logs in bounds: rows on disk, sums in blocks, resamples of groups; each against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.replay.ope import value_model as reward_model
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.feedback import BLOCK, ContextSpool, Spool
from bandstand.replay.ope.intervals import bootstrap, student
from bandstand.replay.ope.value_model import fit_values
from bandstand.statistics import GROUPS
from bench.decision_worlds import World, random_policy


def test_rows_come_back_as_they_went_and_narrow_ones_with_zeros():
    spool = Spool(np.float64)
    for block in (np.array([[1.0], [2.0]]), np.array([[3.0, 4.0, 5.0]]), np.empty((2, 0))):
        spool.append(block)
    assert spool.array().tolist() == [[1, 0, 0], [2, 0, 0], [3, 4, 5], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("rows", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_contexts_of_any_number_of_rows(rows):
    spool = ContextSpool()
    for row in range(rows):
        spool.add((("a", float(row)),) if row % 2 else (("b", 1.0), ("a", float("nan"))))
    found = spool.array()
    assert len(found) == rows
    if rows > 1:
        assert found[:2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
        assert found[-1].tolist() == ([0.0, rows - 1] if rows % 2 == 0 else [1.0, 0.0])


def test_a_search_without_a_context_is_a_row_of_zeros():
    spool = ContextSpool()
    spool.add(())
    assert spool.array().shape == (1, 0)
    spool.add((("a", 2.0),))
    assert spool.array().tolist() == [[0.0], [2.0]]


def test_the_reward_model_is_a_ridge_whatever_the_blocks(monkeypatch):
    """The last arm's predictions of a held fold, against the normal equations written out."""
    log = World.of(6).log(500, random_policy(1, 0.5), random_policy(2, 0.5), 3)
    whole = fit_values(log, seed=1)
    monkeypatch.setattr(reward_model, "_BLOCK", 37)
    parts = fit_values(log, seed=1)
    np.testing.assert_allclose(parts.predicted, whole.predicted, atol=1e-9)
    fold = np.random.default_rng(1).permutation(500) % 3
    context = np.asarray(log.context[2], float)
    rows = np.column_stack([np.ones(500), (context - context.mean(axis=0)) / context.std(axis=0)])
    seen, held = fold != 0, fold == 0
    width = rows.shape[1]

    def ridge(x, y):
        return np.linalg.solve(x.T @ x + width * np.eye(width), x.T @ y)

    mean = log.reward[seen].mean()
    shared = mean + rows @ ridge(rows[seen], log.reward[seen] - mean)
    table = np.stack(
        [
            shared + rows @ ridge(rows[mine], (log.reward - shared)[mine])
            for option in range(4)
            for mine in [seen & (log.choice[:, 2] == option)]
        ],
        axis=1,
    )
    expected = np.clip(table[np.arange(500), log.choice[:, 2]], 0.0, 1.0)
    np.testing.assert_allclose(whole.predicted[held, 2], expected[held], atol=1e-9)


def test_resamples_of_groups_are_as_wide_as_those_of_rounds():
    terms = np.random.default_rng(4).exponential(size=3 * GROUPS)
    estimate = Estimate.mean(terms)
    found, expected = bootstrap({"v": estimate}, seed=1, resamples=1000)["v"], student(estimate)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.08)
    assert found.low < estimate.value < found.high


def test_expanded_intervals_by_hand():
    """Two values have kurtosis 1, for which nothing widens; one heavy round in a hundred leaves about two freedoms."""
    even = Estimate.mean(np.tile([0.0, 1.0], 50))
    heavy = Estimate.mean(np.concatenate([np.zeros(99), [100.0]]))
    for estimate, wider in ((even, False), (heavy, True)):
        plain, expanded = (
            bootstrap({"v": estimate}, seed=1, resamples=4000, expanded=wanted)["v"] for wanted in (False, True)
        )
        assert (expanded.high > plain.high) == wider
        assert expanded.low <= plain.low
