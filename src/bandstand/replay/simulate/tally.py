"""What is kept of every search of a closed loop: a few numbers each in columns, and the row of any replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import modelled_cost
from bandstand.engine.search import Answer
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Columnar, Row
from bandstand.replay.simulate.costs import Oracle, played, price
from bandstand.replay.simulate.world import Need
from bandstand.replay.stream import Judge, query_digest
from bandstand.types import ARMS, DEPTHS, Decision

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Columnar):
    """n searches under one policy, in order, all of shape (n,) unless said otherwise.

    ``classes`` are names, ``keys`` numbers of the distinct query behind each. ``ranks`` are places of the first right
    hit from 1, 0 where none is on the page. ``cost_ms`` is modelled, ``real_ms`` what the arms took here, ``search_ms``
    the whole search. ``depths`` (n, len(ARMS)). ``exploring_ms`` is what the draw of depths costs beyond the most
    likely ones, by expectation. ``regret`` is in units of reciprocal rank, NaN where it was not looked at.
    ``satisfied`` says whose need the first page met. ``relabelled`` is with what weight a failed search was credited
    with a later goal, below 0 where that was not what was wanted, and 0 where it was not.
    """

    remedy = "delete it, and the policy is played again"

    classes: NDArray[np.str_]
    keys: NDArray[np.int64]
    ranks: NDArray[np.int64]
    cost_ms: Floats
    real_ms: Floats
    search_ms: Floats
    depths: NDArray[np.int64]
    exploring_ms: Floats
    regret: Floats
    oracle_ms: Floats
    retried: NDArray[np.bool_]
    satisfied: NDArray[np.bool_]
    relabelled: Floats

    def __len__(self) -> int:
        return len(self.ranks)

    @property
    def reciprocal_ranks(self) -> Floats:
        """1 / rank, 0 where nothing right was on the page: every search counts."""
        return np.divide(1.0, self.ranks, out=np.zeros(len(self)), where=self.ranks > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One search; fields as in `Tally`, in the singular."""

    query_class: str
    key: int
    rank: int
    cost_ms: float
    real_ms: float
    search_ms: float
    depths: tuple[int, ...]
    exploring_ms: float
    regret: float
    oracle_ms: float
    retried: bool
    satisfied: bool = False
    relabelled: float = 0.0


def tally_of(lines: list[Line]) -> Tally:
    """Lines as columns."""
    return Tally(
        classes=np.array([line.query_class for line in lines], np.str_),
        keys=np.array([line.key for line in lines], np.int64),
        ranks=np.array([line.rank for line in lines], np.int64),
        cost_ms=np.array([line.cost_ms for line in lines], np.float64),
        real_ms=np.array([line.real_ms for line in lines], np.float64),
        search_ms=np.array([line.search_ms for line in lines], np.float64),
        depths=np.array([line.depths for line in lines], np.int64),
        exploring_ms=np.array([line.exploring_ms for line in lines], np.float64),
        regret=np.array([line.regret for line in lines], np.float64),
        oracle_ms=np.array([line.oracle_ms for line in lines], np.float64),
        retried=np.array([line.retried for line in lines], np.bool_),
        satisfied=np.array([line.satisfied for line in lines], np.bool_),
        relabelled=np.array([line.relabelled for line in lines], np.float64),
    )


_PAGE = 10


def row_of(answer: Answer, need: Need, judge: Judge, labels: dict[str, str]) -> Row:
    """The search as every replay keeps it."""
    impression = answer.impression
    depths = {decision.arm: decision.depth for decision in impression.decision.arms}
    believed = impression.features[:_PAGE, impression.feature_names.index("memory.score")].tolist()
    right = judge.right(impression.ordinals[:_PAGE]).tolist()
    return Row(
        id=answer.query.id,
        time=answer.query.time,
        user=answer.query.actor or answer.query.id,
        query=query_digest(need.text).hex(),
        labels=labels,
        found=judge.found(impression.ordinals),
        grades=judge.grades,
        cost_ms=sum(price(played(impression)).values()),
        real_ms=sum(outcome.took_ms for outcome in impression.outcomes),
        depths=[depths.get(arm, 0) for arm in ARMS],
        claims=[(round(score, 3), int(hit)) for score, hit in zip(believed, right, strict=True) if not isnan(score)],
    )


def line_of(answer: Answer, need: Need, row: Row, *, audit: tuple[float, float] | None, retried: bool) -> Line:
    """The search as the curves read it; ``audit`` as from `audited`."""
    regret, oracle_ms = audit or (nan, nan)
    first = min((rank for rank, _ in row.found), default=0)
    return Line(
        query_class=need.query_class,
        key=need.key,
        rank=first if first <= _PAGE else 0,
        cost_ms=row.cost_ms,
        real_ms=row.real_ms,
        search_ms=answer.impression.took_ms,
        depths=tuple(row.depths),
        exploring_ms=exploring_ms(answer.impression.decision),
        regret=regret,
        oracle_ms=oracle_ms,
        retried=retried,
    )


def audited(environment: ReplayEnvironment, answer: Answer, row: Row, judge: Judge) -> tuple[float, float]:
    """How far the search stayed behind the oracle, in reciprocal rank, and what the oracle would have spent, ms.

    Its milliseconds cost both what they cost the bandit. The oracle looks at the logged head alone: where the search
    did better than that, it stayed behind by nothing.
    """
    weight = environment.settings.cost_weight
    oracle = Oracle(environment.home.engine, replace(answer.query, id=f"{answer.query.id}/audit"), judge)
    utility, spent = oracle.best(environment.home.serving().scorer, weight=weight)
    own = max((1 / rank for rank, _ in row.found if rank <= _PAGE), default=0.0) - weight * row.cost_ms
    return max(utility - own, 0.0), spent


def exploring_ms(decision: Decision) -> float:
    """What drawing the depths costs beyond taking the likeliest: Σ over arms of E[cost] - cost(likeliest depth)."""
    extra = 0.0
    for arm in decision.arms:
        if arm.probabilities:
            cost = modelled_cost(arm.arm, DEPTHS[-1])
            likeliest = max(range(len(DEPTHS)), key=arm.probabilities.__getitem__)
            extra += cost * (1 - arm.probabilities[0] - (likeliest > 0))
    return extra
