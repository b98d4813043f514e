"""Which arms are worth an early start: slow ones that will probably be chosen."""

from __future__ import annotations

from bandstand.bandit.cost import ArmStats
from bandstand.engine.serving import EARLY_FROM_MS, ServingModels
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.scorers import PlainScorer
from bandstand.retrievers.registry import BUILT_IN

ENCODING = ("rephrase", "dense")


class Estimate:
    """Says the same of every search; `asked` is whether it was asked early."""

    version = "1"
    arms = BUILT_IN.expensive

    def __init__(self, **p_useful):
        self._helps, self.asked = {**dict.fromkeys(BUILT_IN.expensive, 0.0), **p_useful}, []

    def p_useful(self, _context, _yields, *, early=False):
        self.asked.append(early)
        return self._helps


def serving(estimate, stats=None):
    return ServingModels(
        scorer=PlainScorer(FeatureSet(BUILT_IN)), policies={}, stats=stats or ArmStats(BUILT_IN), bandit_version="1",
        gate=estimate, worth=dict.fromkeys(BUILT_IN.expensive, 0.2),
    )  # fmt: skip


def test_slow_arms_that_reach_their_threshold_are_begun():
    estimate = Estimate(dense=0.3, rephrase=0.1, trigram=0.9)
    assert serving(estimate).likely((), ENCODING) == ["dense"]  # trigram's millisecond is not worth a thread
    assert estimate.asked == [True]


def test_an_arm_that_computes_in_the_interpreter_is_not_begun_however_slow_it_is():
    stats = ArmStats(BUILT_IN)
    stats.record_cost("trigram", 200, 10 * EARLY_FROM_MS)
    assert serving(Estimate(trigram=0.9), stats).likely((), ENCODING) == []


def test_an_arm_that_is_quicker_than_it_was_modelled_is_not_begun():
    stats, estimate = ArmStats(BUILT_IN), Estimate(dense=0.9, rephrase=0.9)
    stats.record_cost("rephrase", 200, EARLY_FROM_MS / 2)
    assert serving(estimate, stats).likely((), ENCODING) == ["dense"]
    stats.record_cost("dense", 200, EARLY_FROM_MS / 2)
    assert serving(estimate, stats).likely((), ENCODING) == []
    assert len(estimate.asked) == 1


def test_without_an_estimate_nothing_is_begun():
    assert serving(None).likely((), ENCODING) == []
