"""Logged searches as `Feedback`: the evaluation policy is asked again, arm by arm, in the context that was logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput
from bandstand.feedback.formats.dsjson import DsDecision
from bandstand.feedback.joined import Joined
from bandstand.replay.ope.checks import Floats, Ints, taken
from bandstand.replay.ope.rounds import Feedback
from bandstand.types import ARMS, DEPTHS, ArmDecision

Singles = NDArray[np.float32]

_ROUNDING = 1e-6
_NOT_CHOSEN = (1.0,) + (0.0,) * (len(DEPTHS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One search as evaluation needs it: its decisions in order, what it earned in [0, 1], milliseconds by arm."""

    id: str
    reward: float
    arms: tuple[ArmDecision, ...]
    actor: str | None = None
    cost_ms: Mapping[str, float] = field(default_factory=dict)


def log_to_feedback(searches: Iterable[Joined], policy: Policy) -> Feedback:
    """The searches of a log, with what ``policy`` would have done in each context that was logged.

    The reward is the whole page's (`SearchOutcome.reward`), the cost each arm's measured time. Rounds of one actor
    form a cluster. Streams; holds about 0.5 kB and the arms' contexts (float32) of each search.

    Raises:
        BadInput: No search can be used; the message counts the reasons.
    """
    return rounds_to_feedback((_round(search) for search in searches), policy)


def decisions_to_feedback(decisions: Iterable[DsDecision], policy: Policy) -> Feedback:
    """The same from VW's dsjson as `write_dsjson` wrote it: consecutive lines of one search are one round.

    The format holds choices only: on arms that were never a choice, both policies are taken to agree.

    Raises:
        BadInput: As `log_to_feedback`.
    """
    searches = groupby(decisions, key=lambda line: line.event_id.rpartition("/")[0])
    return rounds_to_feedback((_ds_round(name, tuple(lines)) for name, lines in searches), policy)


def rounds_to_feedback(rounds: Iterable[Round], policy: Policy) -> Feedback:
    """Rounds as arrays; those that cannot be used are left out and counted by reason.

    Raises:
        BadInput: None can be used.
    """
    table = _Table()
    for each in rounds:
        reason = table.refusal(each) or table.add(each, policy)
        if reason:
            table.left_out[reason] += 1
    return table.feedback()


def distribution_of(decision: ArmDecision) -> tuple[float, ...]:
    """The distribution over `DEPTHS` that a decision was drawn from: all on its depth where none was logged."""
    return decision.probabilities or tuple(float(depth == decision.depth) for depth in DEPTHS)


class _Table:
    """Rows in the making; arms in the order of `ARMS`, which is that of the decisions."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._clusters: dict[str, int] = {}
        self._rewards: list[float] = []
        self._cluster: list[int] = []
        self._logged: list[Floats] = []
        self._target: list[Floats] = []
        self._choice: list[list[int]] = []
        self._cost: list[list[float]] = []
        self._contexts: list[dict[str, tuple[tuple[str, ...], Singles]]] = []
        self._layouts: dict[tuple[str, ...], tuple[str, ...]] = {}

    def refusal(self, each: Round) -> str | None:
        """Why a round's own log cannot be used; None where it can."""
        if each.id in self._ids:
            return "repeated query id"
        if not 0.0 <= each.reward <= 1.0:
            return "reward outside [0, 1]"
        for arm in each.arms:
            if reason := _flaw(arm):
                return reason
        return None

    def add(self, each: Round, policy: Policy) -> str | None:
        """Take a round in, or say why the policy cannot be asked about it."""
        logged = {arm.arm: arm for arm in each.arms}
        target = {name: policy.decide(name, Context(arm.context), 0.0) for name, arm in logged.items()}
        for name, decision in target.items():
            if decision.probabilities and not logged[name].context:
                return "no context was logged for a policy that needs one"
        self._ids.add(each.id)
        self._rewards.append(each.reward)
        self._cluster.append(self._clusters.setdefault(each.actor or f"search:{each.id}", len(self._clusters)))
        self._logged.append(_distributions(logged))
        self._target.append(_distributions(target))
        self._choice.append([DEPTHS.index(logged[arm].depth) if arm in logged else 0 for arm in ARMS])
        self._cost.append([each.cost_ms.get(arm, 0.0) for arm in ARMS])
        self._contexts.append({name: self._packed(arm) for name, arm in logged.items() if arm.context})
        return None

    def feedback(self) -> Feedback:
        """Everything taken in; arms on which nothing was ever at stake are dropped."""
        if not self._rewards:
            reasons = ", ".join(f"{count} with {reason}" for reason, count in self.left_out.items()) or "it is empty"
            raise BadInput(f"no search of the log can be used ({reasons})", field="log")
        choice, logged_all, target_all = np.array(self._choice), np.array(self._logged), np.array(self._target)
        logged, target = taken(logged_all, choice), taken(target_all, choice)
        kept = np.flatnonzero(((logged != 1.0) | (target != 1.0)).any(axis=0))
        kept = kept if len(kept) else np.array([0])
        return Feedback(
            arms=tuple(ARMS[at] for at in kept),
            reward=np.array(self._rewards),
            choice=choice[:, kept],
            logged=logged[:, kept],
            target=target[:, kept],
            logged_all=logged_all[:, kept],
            target_all=target_all[:, kept],
            context=tuple(self._context(ARMS[at]) for at in kept),
            cost=np.array(self._cost)[:, kept],
            clusters=self._cluster_numbers(),
            left_out=dict(self.left_out),
        )

    def _cluster_numbers(self) -> Ints:
        return np.array(self._cluster, np.int64)

    def _packed(self, arm: ArmDecision) -> tuple[tuple[str, ...], Singles]:
        """An arm's context as one layout, shared by all rows that have it, and its values."""
        names = tuple(name for name, _ in arm.context)
        values = np.array([value for _, value in arm.context], np.float32)
        return self._layouts.setdefault(names, names), np.nan_to_num(values)

    def _context(self, arm: str) -> Singles:
        """The arm's contexts (n, d) over all names that it ever had; 0 where it had not."""
        rows = [context.get(arm) for context in self._contexts]
        layouts = {packed[0] for packed in rows if packed is not None}
        place = {name: at for at, name in enumerate(sorted({name for layout in layouts for name in layout}))}
        columns = {layout: [place[name] for name in layout] for layout in layouts}
        table = np.zeros((len(rows), len(place)), np.float32)
        for at, packed in enumerate(rows):
            if packed is not None:
                table[at, columns[packed[0]]] = packed[1]
        return table


def _round(search: Joined) -> Round:
    impression = search.impression
    return Round(
        id=impression.query.id,
        reward=search.outcome().reward,
        arms=impression.decision.arms,
        actor=impression.query.actor,
        cost_ms={outcome.arm: outcome.took_ms for outcome in impression.outcomes},
    )


def _ds_round(name: str, lines: tuple[DsDecision, ...]) -> Round:
    arms = tuple(
        ArmDecision(
            arm=line.arm,
            depth=line.depth,
            propensity=line.propensity,
            probabilities=line.probabilities,
            context=tuple(line.context.items()),
        )
        for line in lines
    )
    return Round(id=name, reward=lines[0].reward, arms=arms)


def _flaw(arm: ArmDecision) -> str | None:
    if arm.arm not in ARMS:
        return "unknown arm"
    if arm.depth not in DEPTHS:
        return "unknown depth"
    if not 0.0 < arm.propensity <= 1.0:
        return "propensity outside (0, 1]"
    chances = distribution_of(arm)
    if len(chances) != len(DEPTHS) or min(chances) < 0.0 or abs(sum(chances) - 1.0) > _ROUNDING:
        return "probabilities that are no distribution over the depths"
    if abs(chances[DEPTHS.index(arm.depth)] - arm.propensity) > _ROUNDING:
        return "propensity that is not its depth's probability"
    return None


def _distributions(arms: Mapping[str, ArmDecision]) -> Floats:
    """(arms, depths); an arm that was not there could only be left out."""
    return np.array([distribution_of(arms[arm]) if arm in arms else _NOT_CHOSEN for arm in ARMS])
