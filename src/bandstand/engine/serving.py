"""The learned parts that serve at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bandstand.bandit.context import Features
from bandstand.bandit.cost import ArmStats
from bandstand.bandit.gate import RetrievalGate
from bandstand.bandit.policy import Policy
from bandstand.ranker.scorers import Scorer

EARLY_FROM_MS = 2.0
"""Retrievers that take less, and those that encode nothing, are not begun early. An encoder runs outside the
interpreter; the others compute in it, and side by side with the free ones each waits for the other's lock: with every
expensive one begun early the median search took 9.1 instead of 7.6 ms, with trigrams alone 7.2 instead of 6.8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingModels:
    """Swapped as a whole when new versions are published; ``gate`` is None until the first one is.

    ``worth`` is, by expensive retriever, p_useful from which it is worth its time.
    """

    scorer: Scorer
    policies: Mapping[str, Policy]
    stats: ArmStats
    bandit_version: str
    gate: RetrievalGate | None = None
    worth: Mapping[str, float] = field(default_factory=dict)

    def p_useful(self, context: Features, *, early: bool = False) -> Mapping[str, float]:
        """p_useful of each expensive retriever that the gate knows, see `RetrievalGate`; empty where there is none."""
        if self.gate is None:
            return {}
        hit_rates = {name: self.stats.past_yield(name) for name in self.gate.arms}
        return self.gate.p_useful(context, hit_rates, early=early)

    def likely(self, context: Features, encoding: Iterable[str]) -> list[str]:
        """Those that are worth an early start among the ``encoding``, by what is known after the memory's answer."""
        slow = [name for name in encoding if self.stats.cost(name) >= EARLY_FROM_MS]
        p_useful = self.p_useful(context, early=True) if slow else {}
        return [name for name in slow if p_useful.get(name, 0.0) >= self.worth.get(name, 1.0)]
