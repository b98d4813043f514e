"""What came of one search, as a row of any replay, and as a line with what only a closed loop knows."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

from bandstand.bandit.cost import modelled_cost
from bandstand.engine.search import Answer
from bandstand.replay.behaviour import query_digest
from bandstand.replay.judge import Judge
from bandstand.replay.rows import Row
from bandstand.replay.simulate.oracle import Oracle
from bandstand.replay.simulate.prices import played, price
from bandstand.replay.simulate.tally import Line
from bandstand.replay.simulate.world import Need
from bandstand.replay.stage import Stage
from bandstand.types import ARMS, DEPTHS, Decision

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


def audited(stage: Stage, answer: Answer, row: Row, judge: Judge) -> tuple[float, float]:
    """How far the search stayed behind the oracle, in reciprocal rank, and what the oracle would have spent, ms.

    Its milliseconds cost both what they cost the bandit. The oracle looks at the logged head alone: where the search
    did better than that, it stayed behind by nothing.
    """
    weight = stage.settings.cost_weight
    oracle = Oracle(stage.home.engine, replace(answer.query, id=f"{answer.query.id}/audit"), judge)
    utility, spent = oracle.best(stage.home.brains().scorer, weight=weight)
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
