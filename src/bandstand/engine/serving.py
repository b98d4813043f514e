"""The learned parts that serve at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bandstand.bandit.context import Features
from bandstand.bandit.cost import ENCODING_ARMS, EXPENSIVE, ArmStats
from bandstand.bandit.gate import RetrievalGate
from bandstand.bandit.policy import Policy
from bandstand.ranker.scorers import Scorer

EARLY_FROM_MS = 2.0
"""Arms that take less, and those that encode nothing, are not begun early. An encoder runs outside the interpreter; the
others compute in it, and side by side with the free arms each waits for the other's lock: with every expensive arm
begun early the median search took 9.1 instead of 7.6 ms, with trigrams alone 7.2 instead of 6.8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingModels:
    """Swapped as a whole when new versions are published; ``gate`` is None until the first one is.

    ``worth`` is, by expensive arm, p_useful from which it is worth its time.
    """

    scorer: Scorer
    policies: Mapping[str, Policy]
    stats: ArmStats
    bandit_version: str
    gate: RetrievalGate | None = None
    worth: Mapping[str, float] = field(default_factory=dict)

    def p_useful(self, context: Features, *, early: bool = False) -> Mapping[str, float]:
        """p_useful of each expensive arm, see `RetrievalGate.helps`; empty where nothing is known of that."""
        if self.gate is None:
            return {}
        hit_rates = {arm: self.stats.past_yield(arm) for arm in EXPENSIVE}
        return self.gate.p_useful(context, hit_rates, early=early)

    def likely(self, context: Features) -> list[str]:
        """Arms worth an early start that will probably be chosen, by what is known when the memory has answered."""
        slow = [arm for arm in ENCODING_ARMS if self.stats.cost(arm) >= EARLY_FROM_MS]
        p_useful = self.p_useful(context, early=True) if slow else {}
        return [arm for arm in slow if p_useful.get(arm, 0.0) >= self.worth.get(arm, 1.0)]
