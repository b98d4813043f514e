"""The test that may be watched: by hand, against the other implementation, and peeked at after every visitor."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from bandstand.bandit.experiment import SequentialTest, Split
from bandstand.errors import BadInput
from bandstand.statistics import LowerBound


def played(rewards, in_b, *, share=0.5, alpha=0.05):
    """The test after visitors with these rewards."""
    test = SequentialTest.begin(share=share, alpha=alpha)
    for reward, second in zip(rewards, in_b, strict=True):
        test = test.with_visitor(float(reward), in_b=bool(second))
    return test


class TestLowerBound:
    def test_the_first_value_by_hand(self):
        # mean 1/2, variance 1/4, log(1 / 0.05) = 2.9957; the bet is min(0.5, sqrt(2 * 2.9957 / (0.25 * log 2))) = 0.5,
        # the penalty (1 - 0.5)^2 (log 2 - 0.5) = 0.0483: (0.5 - 2.9957 - 0.0483) / 0.5 < 0, and so the bound stays 0.
        bound = LowerBound(alpha=0.05).with_value(1.0)
        assert (bound.n, bound.bets, bound.won, bound.low) == (1, 0.5, 0.5, 0.0)
        assert bound.penalty == pytest.approx(0.25 * (math.log(2) - 0.5))

    def test_it_is_the_sequence_of_the_off_policy_estimators(self):
        values = np.random.default_rng(3).beta(2, 3, 400)
        bound, lows = LowerBound(alpha=0.025), []
        for value in values.tolist():
            bound = bound.with_value(value)
            lows.append(bound.low)
        assert lows == pytest.approx(LowerBound(alpha=0.025).following(values)[1].tolist())


class TestDifference:
    def test_nobody_knows_anything_before_anybody_came(self):
        test = SequentialTest.begin(share=0.5, alpha=0.05)
        assert test.interval == (-1.0, 1.0)
        assert (test.better, test.a.mean, test.b.mean) == (None, None, None)

    @pytest.mark.parametrize("share", [0.5, 0.2])
    def test_a_clear_difference_is_found_and_the_interval_holds_it(self, share):
        rng = np.random.default_rng(5)
        in_b = rng.random(4_000) < share
        rewards = rng.random(4_000) < np.where(in_b, 0.7, 0.4)
        test = played(rewards, in_b, share=share)
        low, high = test.interval
        assert test.better == "b"
        assert 0.0 < low <= 0.3 <= high
        mirrored = played(rewards, ~in_b, share=1 - share)
        assert mirrored.better == "a"
        assert mirrored.interval == pytest.approx((-high, -low))

    def test_it_survives_json(self):
        test = played([1.0, 0.0, 0.3], [True, False, True])
        assert msgspec.json.decode(msgspec.json.encode(test), type=SequentialTest) == test

    def test_peeking_after_every_visitor_finds_nothing_among_equals(self):
        """200 experiments without a difference, watched at each of 150 visitors: at most alpha of them ever speak."""
        alpha, false_alarms = 0.1, 0
        rng = np.random.default_rng(7)
        for _ in range(200):
            test = SequentialTest.begin(share=0.5, alpha=alpha)
            for reward, in_b in zip(rng.random(150) < 0.4, rng.random(150) < 0.5, strict=True):
                test = test.with_visitor(float(reward), in_b=bool(in_b))
            false_alarms += test.better is not None  # the interval never takes back what it excluded once
        assert false_alarms / 200 <= alpha


class TestSplit:
    def test_a_visitor_always_gets_the_same_and_shares_are_kept(self):
        split = Split(id="x", a="bandit", b="all", share=0.2)
        assigned = [split.assign(f"visitor-{n}") for n in range(10_000)]
        assert assigned == [split.assign(f"visitor-{n}") for n in range(10_000)]
        in_b = [one for one in assigned if one.policy == "all"]
        assert {one.probability for one in in_b} == {0.2}
        assert {one.probability for one in assigned if one.policy == "bandit"} == {0.8}
        assert len(in_b) == pytest.approx(2_000, abs=160)  # four standard deviations

    def test_another_experiment_deals_anew(self):
        one, other = (Split(id=name, a="bandit", b="all") for name in ("one", "other"))
        same = sum(one.assign(str(n)).policy == other.assign(str(n)).policy for n in range(1_000))
        assert 400 < same < 600

    @pytest.mark.parametrize(
        ("field", "values"), [("b", {"b": "bandit"}), ("share", {"share": 0.0}), ("alpha", {"alpha": 1.0})]
    )
    def test_what_makes_no_sense_is_refused(self, field, values):
        with pytest.raises(BadInput) as refused:
            Split(**{"id": "x", "a": "bandit", "b": "all", **values})
        assert refused.value.field == field
