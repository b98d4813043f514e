"""Words that somebody is still typing: the retriever that compares beginnings plays, whatever the policy would save."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.types import ArmDecision

COMPARES_BEGINNINGS = "trigram"
DEPTH = 50


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A learning policy for a search that is not logged: it learned from whole words, which have an end to look up.

    Its decisions have no propensity to speak of where it plays on its own: nothing is learned from them.
    """

    whole: Policy

    @property
    def name(self) -> str:
        """That of the policy."""
        return self.whole.name

    @property
    def version(self) -> str:
        """That of the policy."""
        return self.whole.version

    @property
    def sequential(self) -> bool:
        """As the policy."""
        return self.whole.sequential

    def decide(self, arm: str, context: Context, u: float) -> ArmDecision:
        """The policy's decision, but `COMPARES_BEGINNINGS` never less deep than `DEPTH`."""
        decided = self.whole.decide(arm, context, u)
        if arm == COMPARES_BEGINNINGS and decided.depth < DEPTH:
            return ArmDecision(arm=arm, depth=DEPTH)
        return decided
