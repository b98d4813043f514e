"""Logged searches as `Feedback`: the evaluation policy is asked again, arm by arm, in the context that was logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput
from bandstand.feedback.formats.dsjson import DsDecision
from bandstand.feedback.joined import Joined
from bandstand.replay.ope.estimate import Floats, Ints, taken
from bandstand.replay.ope.feedback import BLOCK, ContextSpool, Feedback, Spool
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, ArmDecision, Roster
from bandstand.types.hashing import digest

_Distributions = list[tuple[float, ...]]

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


def log_to_feedback(searches: Iterable[Joined], policy: Policy, roster: Roster = BUILT_IN) -> Feedback:
    """The searches of a log, with what ``policy`` would have done in each context that was logged.

    The reward is the whole page's (`Joined.reward`: by the grader that learning uses), the cost each arm's measured
    time. Rounds of one actor form a cluster. Streams: contexts and distributions wait in temporary files, memory holds
    about 0.5 kB a search. A search in which a retriever that is not of the ``roster`` took part cannot be used. Those
    that were imported are counted in ``unused``.

    Raises:
        BadInput: No search can be used; the message counts the reasons.
    """
    unused = Counter[str]()

    def rounds() -> Iterator[Round]:
        for search in searches:
            if search.impression.decision.known:
                yield _round(search)
            else:
                unused[_IMPORTED] += 1

    return replace(rounds_to_feedback(rounds(), policy, roster), unused=dict(unused))


_IMPORTED = "imported from another system's log, where nobody knows with which probability a page was made"


def decisions_to_feedback(decisions: Iterable[DsDecision], policy: Policy, roster: Roster = BUILT_IN) -> Feedback:
    """The same from VW's dsjson as `write_dsjson` wrote it: consecutive lines of one search are one round.

    The format holds choices only: on arms that were never a choice, both policies are taken to agree.

    Raises:
        BadInput: As `log_to_feedback`.
    """
    searches = groupby(decisions, key=lambda line: line.event_id.rpartition("/")[0])
    return rounds_to_feedback((_ds_round(name, tuple(lines)) for name, lines in searches), policy, roster)


def rounds_to_feedback(rounds: Iterable[Round], policy: Policy, roster: Roster = BUILT_IN) -> Feedback:
    """Rounds as arrays; those that cannot be used are left out and counted by reason.

    Raises:
        BadInput: None can be used.
    """
    table = _Table(roster)
    for each in rounds:
        reason = table.refusal(each) or table.add(each, policy)
        if reason:
            table.left_out[reason] += 1
    return table.feedback()


def distribution_of(decision: ArmDecision) -> tuple[float, ...]:
    """The distribution over `DEPTHS` that a decision was drawn from: all on its depth where none was logged."""
    return decision.probabilities or tuple(float(depth == decision.depth) for depth in DEPTHS)


class _Row(NamedTuple):
    """One usable round, by the roster and `DEPTHS`, until its block is full."""

    reward: float
    cluster: int
    choice: list[int]
    cost: list[float]
    logged: _Distributions
    target: _Distributions


class _Table:
    """Rows in the making; arms in the order of the roster, which is that of the decisions. Wide rows wait on disk."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.left_out: Counter[str] = Counter()
        self._ids: set[bytes] = set()
        self._actors: dict[bytes, int] = {}
        self._clusters = 0
        self._waiting: list[_Row] = []
        self._narrow: list[tuple[Floats, Ints, NDArray[np.int8], Floats]] = []
        self._logged, self._target = Spool(np.float64), Spool(np.float64)
        self._contexts = [ContextSpool() for _ in roster.names]

    def refusal(self, each: Round) -> str | None:
        """Why a round's own log cannot be used; None where it can."""
        if digest(each.id) in self._ids:
            return "repeated query id"
        if not 0.0 <= each.reward <= 1.0:
            return "reward outside [0, 1]"
        for arm in each.arms:
            if reason := "unknown arm" if arm.arm not in self._roster else _flaw(arm):
                return reason
        return None

    def add(self, each: Round, policy: Policy) -> str | None:
        """Take a round in, or say why the policy cannot be asked about it."""
        logged = {arm.arm: arm for arm in each.arms}
        target = {name: policy.decide(self._roster[name], Context(arm.context), 0.0) for name, arm in logged.items()}
        for name, decision in target.items():
            if decision.probabilities and not logged[name].context:
                return "no context was logged for a policy that needs one"
        self._ids.add(digest(each.id))
        for arm, spool in zip(self._roster.names, self._contexts, strict=True):
            spool.add(logged[arm].context if arm in logged else ())
        self._waiting.append(
            _Row(
                reward=each.reward,
                cluster=self._cluster(each.actor),
                choice=[DEPTHS.index(logged[arm].depth) if arm in logged else 0 for arm in self._roster.names],
                cost=[each.cost_ms.get(arm, 0.0) for arm in self._roster.names],
                logged=self._distributions(logged),
                target=self._distributions(target),
            )
        )
        if len(self._waiting) == BLOCK:
            self._flush()
        return None

    def feedback(self) -> Feedback:
        """Everything taken in; arms on which nothing was ever at stake are dropped."""
        self._flush()
        if not self._narrow:
            reasons = ", ".join(f"{count} with {reason}" for reason, count in self.left_out.items()) or "it is empty"
            raise BadInput(f"no search of the log can be used ({reasons})", field="log")
        rewards, clusters, choices, costs = (np.concatenate(columns) for columns in zip(*self._narrow, strict=True))
        shape = (len(rewards), len(self._roster), len(DEPTHS))
        logged_all, target_all = self._logged.array().reshape(shape), self._target.array().reshape(shape)
        choice = choices.astype(np.int64)
        logged, target = taken(logged_all, choice), taken(target_all, choice)
        kept = np.flatnonzero(((logged != 1.0) | (target != 1.0)).any(axis=0))
        kept = kept if len(kept) else np.array([0])
        return Feedback(
            arms=tuple(self._roster.names[at] for at in kept),
            reward=rewards,
            choice=choice[:, kept],
            logged=logged[:, kept],
            target=target[:, kept],
            logged_all=np.asarray(logged_all[:, kept]),
            target_all=np.asarray(target_all[:, kept]),
            context=tuple(self._contexts[at].array() for at in kept),
            cost=costs[:, kept],
            clusters=clusters,
            left_out=dict(self.left_out),
        )

    def _distributions(self, arms: Mapping[str, ArmDecision]) -> _Distributions:
        """One for each arm; one that was not there could only be left out."""
        return [distribution_of(arms[arm]) if arm in arms else _NOT_CHOSEN for arm in self._roster.names]

    def _cluster(self, actor: str | None) -> int:
        """The number of the actor's cluster; one of its own for a search that nobody is known to have made."""
        fresh = self._clusters
        number = fresh if actor is None else self._actors.setdefault(digest(actor), fresh)
        self._clusters += number == fresh
        return number

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            narrow = (
                np.array([row.reward for row in rows]),
                np.array([row.cluster for row in rows], np.int64),
                np.array([row.choice for row in rows], np.int8),
                np.array([row.cost for row in rows], np.float64),
            )
            self._narrow.append(narrow)
            self._logged.append(np.array([row.logged for row in rows]).reshape(len(rows), -1))
            self._target.append(np.array([row.target for row in rows]).reshape(len(rows), -1))


def _round(search: Joined) -> Round:
    impression = search.impression
    return Round(
        id=impression.query.id,
        reward=search.reward(),
        arms=impression.decision.arms,
        actor=impression.query.actor,
        cost_ms={outcome.retriever: outcome.took_ms for outcome in impression.outcomes},
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
