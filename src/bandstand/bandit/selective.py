"""The selective policy: an expensive retriever plays where it is likely enough to help; one threshold each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bandstand.bandit.context import P_USEFUL, Context
from bandstand.bandit.gate import RetrievalGate
from bandstand.bandit.policy import FULL_DEPTH, draw
from bandstand.errors import BadInput
from bandstand.types import DEPTHS, ArmDecision, RetrieverSpec, Roster

EXPLORES = 0.25
"""The policy's floor of exploration beside the bandit's. It learns from pages made with and without, whoever played;
its own draws only keep its log usable for off-policy estimates, and each costs a call of an expensive arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveSettings:
    """``cost_weight``: reciprocal rank that a millisecond must earn; ``thresholds``: set ones, which come first."""

    cost_weight: float = 0.01
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectivePolicy:
    """Free arms play always; an expensive one where p_useful reaches its threshold, but for a floor of exploration.

    An arm without a threshold always plays: before anything is learned, quality comes first.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    epsilon: float = 0.02
    version: str = "untrained"
    name: str = "selective"
    sequential: bool = True

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:
        """See `Policy.decide`; free arms play with propensity 1."""
        if not arm.expensive:
            return ArmDecision(arm=arm.name, depth=FULL_DEPTH)
        likely = self.likely(arm.name, context)
        shares = tuple(self.epsilon / len(DEPTHS) + (1 - self.epsilon) * share for share in likely)
        return draw(arm.name, shares, context, u)

    def likely(self, arm: str, context: Context) -> tuple[float, ...]:
        """The choice as a distribution over `DEPTHS` without exploration: all on full depth, or all on none."""
        plays = arm not in self.thresholds or dict(context.features).get(P_USEFUL, 1.0) >= self.thresholds[arm]
        return tuple(float(depth == (FULL_DEPTH if plays else 0)) for depth in DEPTHS)


def thresholds(gate: RetrievalGate, *, cost_weight: float, cost: Callable[[str], float]) -> dict[str, float]:
    """By arm that the gate knows, p_useful from which it is worth its time: cost_weight · cost / gain, at most 1.

    Args:
        gate: Knows by how much the reciprocal rank rises where an arm helps.
        cost_weight: lambda, the reciprocal rank that one millisecond must earn.
        cost: Milliseconds by arm.
    """
    return {arm: min(1.0, cost_weight * cost(arm) / max(gate.gain(arm), 1e-9)) for arm in gate.arms}


def parse_thresholds(text: str | None, roster: Roster) -> dict[str, float]:
    """Thresholds as they are set: ``dense=0.2,rephrase=0.1``; empty or None for none.

    One of an arm that is not in the roster is kept: it takes effect again once the plug-in with that arm is back.

    Raises:
        BadInput: an arm that is not expensive, or a number outside [0, 1].
    """
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, (text or "").split(","))):
        arm, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if arm in roster.free or not arm.isidentifier() or not 0.0 <= value <= 1.0:
            raise BadInput(
                f"{part!r} is no threshold: write {'=0.1,'.join(roster.expensive)}=0.1, each in [0, 1]",
                field="thresholds",
            )
        found[arm] = value
    return found


def unused_thresholds(thresholds: Mapping[str, float], roster: Roster) -> str:
    """What to say of thresholds of arms that are not in the roster, and what to do about them; empty without any."""
    unknown = [arm for arm in thresholds if arm not in roster]
    if not unknown:
        return ""
    return (
        f"there is no retriever {', '.join(unknown)}: install the plug-in that brings it, or take its threshold out of"
        " selective_thresholds"
    )
