"""What a retrieval policy is, and the policies that need no learning: fixed tables and uniform exploration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bandstand.bandit.context import Context
from bandstand.errors import BadInput
from bandstand.types import DEPTHS, ArmDecision, RetrieverSpec

FULL_DEPTH = DEPTHS[-1]

FIXED_ARMS: Mapping[str, tuple[str, ...] | None] = {
    "all": None,
    "lexical": ("lexical",),
    "dense": ("dense",),
    "memory": ("memory",),
    "hybrid": ("lexical", "dense"),
}
"""The policies that always take part in comparison, and the arms that each plays at full depth; None for every one."""


class Policy(Protocol):
    """Decides how deep each retriever goes. Deciding never learns and draws no random numbers of its own.

    ``sequential`` says whether an arm's decision reads what earlier arms found: where False, every decision can be
    taken (and every arm started) at once. ``decide`` must be safe to call from several threads.
    """

    @property
    def name(self) -> str:
        """What a caller asks for it by."""

    @property
    def version(self) -> str:
        """Changes whenever the same context may be decided differently."""

    @property
    def sequential(self) -> bool:
        """Whether decisions must be taken one after another in the order of the roster."""

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:
        """The depth of one arm, with its propensity; ``u`` is a uniform number in [0, 1) drawn by the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPolicy:
    """Plays every arm of ``depths`` to its depth, and all ``others`` to theirs, with propensity 1.

    The decision logs no context and no distribution, since none was looked at.
    """

    name: str
    depths: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    version: str = "fixed"
    sequential: bool = False

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:  # noqa: ARG002  needs neither
        """The table's depth."""
        return ArmDecision(arm=arm.name, depth=self.depths.get(arm.name, self.others))


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSubsetPolicy:
    """Draws every depth with equal probability, independently for each arm: exploration to train and evaluate on.

    The arms of ``always`` play at full depth with propensity 1. It is sequential so that it logs the same context
    as the bandit would see: what it logs can train the bandit.
    """

    name: str = "random"
    version: str = "uniform"
    sequential: bool = True
    always: Collection[str] = ()

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:
        """One of `DEPTHS`, each with probability 1 / len(DEPTHS)."""
        if arm.name in self.always:
            return ArmDecision(arm=arm.name, depth=FULL_DEPTH)
        return draw(arm.name, (1 / len(DEPTHS),) * len(DEPTHS), context, u)


@dataclass(frozen=True, slots=True)
class Teacher:
    """Plays every arm at full depth, and logs the context in which the bandit would have decided."""

    name: str = "teacher"
    version: str = "1"
    sequential: bool = True

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:  # noqa: ARG002  the Policy interface
        """Full depth, certainly."""
        return ArmDecision(
            arm=arm.name,
            depth=FULL_DEPTH,
            propensity=1.0,
            probabilities=(*(0.0 for _ in DEPTHS[:-1]), 1.0),
            context=context.features,
        )


def fixed_policies() -> dict[str, FixedPolicy]:
    """The fixed policies by name, in the order in which comparisons list them."""
    return {name: playing(name, arms) for name, arms in FIXED_ARMS.items()}


def playing(name: str, arms: Iterable[str] | None) -> FixedPolicy:
    """The policy that plays these arms, or every one, at full depth."""
    if arms is None:
        return FixedPolicy(name=name, others=FULL_DEPTH)
    return FixedPolicy(name=name, depths=dict.fromkeys(arms, FULL_DEPTH))


def draw(arm: str, probabilities: Sequence[float], context: Context, u: float) -> ArmDecision:
    """Choose a depth by inverse transform: the first depth whose cumulative probability exceeds ``u``.

    Args:
        arm: The arm that is decided about.
        probabilities: One for each of `DEPTHS`, positive, summing to 1.
        context: What was seen; logged with the decision.
        u: Uniform in [0, 1). A rounding gap at the upper end belongs to the deepest.

    Raises:
        BadInput: ``u`` is outside [0, 1).
    """
    if not 0.0 <= u < 1.0:
        raise BadInput(f"u must be in [0, 1), got {u}: draw it with random() of a seeded generator", field="u")
    chosen, cumulative = 0, probabilities[0]
    while u >= cumulative and chosen < len(DEPTHS) - 1:
        chosen += 1
        cumulative += probabilities[chosen]
    return ArmDecision(
        arm=arm,
        depth=DEPTHS[chosen],
        propensity=probabilities[chosen],
        probabilities=tuple(probabilities),
        context=context.features,
    )


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

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:
        """The policy's decision, but `COMPARES_BEGINNINGS` never less deep than `DEPTH`."""
        decided = self.whole.decide(arm, context, u)
        if arm.name == COMPARES_BEGINNINGS and decided.depth < DEPTH:
            return ArmDecision(arm=arm.name, depth=DEPTH)
        return decided
