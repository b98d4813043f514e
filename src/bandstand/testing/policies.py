"""The one contract that every policy keeps: derive a test class from `PolicyContract`, say how yours is made."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, RetrieverSpec

CONTEXT = Context((("bias", 1.0), ("lexical_exact", 0.3)))
CONTEXTS = (Context(), CONTEXT, Context((("bias", 1.0), ("lexical_exact", -1.0), ("words", 5.0))))
DRAWS = (0.0, 0.004, 0.25, 0.5, 0.9999, math.nextafter(1.0, 0.0))


class PolicyContract:
    """Tests that every policy passes. ``retrievers`` are those that it decides about."""

    retrievers: Sequence[RetrieverSpec] = (*BUILT_IN, RetrieverSpec("invented"))

    def make(self) -> Policy:
        """The policy."""
        raise NotImplementedError("say how your policy is made: def make(self): return MyPolicy()")

    @pytest.mark.parametrize("context", CONTEXTS, ids=["empty", "usual", "extreme"])
    @pytest.mark.parametrize("u", DRAWS)
    def test_a_decision_says_how_likely_it_was(self, contract_policy: Policy, context: Context, u: float) -> None:
        """A whole distribution with the chosen depth's probability in it, or a decision that is certain."""
        for retriever in self.retrievers:
            decision = contract_policy.decide(retriever, context, u)
            assert decision.arm == retriever.name
            assert decision.depth in DEPTHS
            if decision.probabilities:
                assert len(decision.probabilities) == len(DEPTHS)
                assert math.isclose(sum(decision.probabilities), 1.0, abs_tol=1e-9)
                assert min(decision.probabilities) > 0
                assert decision.propensity == decision.probabilities[DEPTHS.index(decision.depth)]
                assert decision.context == context.features
            else:
                assert decision.propensity == 1.0
                assert decision.context == ()

    def test_the_same_number_gives_the_same_decision_and_deciding_learns_nothing(self, contract_policy: Policy) -> None:
        """All luck is in the number that the caller draws."""
        draws = [(retriever, random.Random(7).random()) for retriever in self.retrievers] * 3
        first, second = ([contract_policy.decide(spec, CONTEXT, u) for spec, u in draws] for _ in range(2))
        assert first == second

    def test_depths_come_as_often_as_their_propensities_say(self, contract_policy: Policy) -> None:
        """Hoeffding: all 4 frequencies of n draws are within sqrt(ln(8 / d) / 2n) with probability 1 - d; d = 1e-9."""
        n, rng = 2_000, random.Random(20)
        drawn = [contract_policy.decide(self.retrievers[-1], CONTEXT, rng.random()) for _ in range(n)]
        expected = drawn[0].probabilities or tuple(float(depth == drawn[0].depth) for depth in DEPTHS)
        counts = Counter(decision.depth for decision in drawn)
        bound = math.sqrt(math.log(8 / 1e-9) / (2 * n))
        assert all(abs(counts[depth] / n - p) <= bound for depth, p in zip(DEPTHS, expected, strict=True))

    def test_threads_decide_as_one_does(self, contract_policy: Policy) -> None:
        """It is asked by several threads at once."""
        rng = random.Random(3)
        draws = [(rng.choice(self.retrievers), rng.choice(CONTEXTS), rng.random()) for _ in range(200)]
        alone = [contract_policy.decide(*one) for one in draws]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda one: contract_policy.decide(*one), draws)) == alone

    def test_it_names_itself(self, contract_policy: Policy) -> None:
        """By a name, a version, and whether its decisions need an order."""
        assert contract_policy.name
        assert contract_policy.version
        assert isinstance(contract_policy.sequential, bool)
