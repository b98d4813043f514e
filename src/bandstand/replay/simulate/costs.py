"""Modelled milliseconds for measured ones, so that learning is the same on every machine; the oracle's choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.policy import Teacher
from bandstand.engine.ablation import without
from bandstand.engine.search import Answer, Engine
from bandstand.ranker.scorers import Scorer
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Extra, Row
from bandstand.replay.stream import Judge
from bandstand.replay.table import PAGE
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, Decision, Impression, Mask, Matrix, Query


def price(retrievers: Collection[str]) -> dict[str, float]:
    """Modelled milliseconds of each retriever that plays; the query is encoded once."""
    prices, encoded = {}, False
    for spec in BUILT_IN:
        if spec.name in retrievers:
            prices[spec.name] = 0.0 if encoded and spec.encodes else BUILT_IN.modelled_cost(spec.name, DEPTHS[-1])
            encoded |= spec.encodes
    return prices


def played(impression: Impression) -> tuple[str, ...]:
    """The retrievers that were asked, rescues included."""
    return tuple(outcome.retriever for outcome in impression.outcomes if outcome.status != "skipped")


def with_modelled_times(impression: Impression) -> Impression:
    """The impression with the modelled time of every retriever that played."""
    prices = price(played(impression))
    outcomes = tuple(replace(outcome, took_ms=prices.get(outcome.retriever, 0.0)) for outcome in impression.outcomes)
    return replace(impression, outcomes=outcomes)


Choice = frozenset[str]
"""The expensive retrievers that play; the free ones always do."""


class Oracle:
    """The reciprocal rank that each choice of retrievers would have given one search, all else equal.

    Each is asked at full depth once; a choice is that page's logged head without the features and candidates of the
    others, ranked again. What lay below the head and would have moved up is not seen.
    """

    def __init__(self, engine: Engine, query: Query, judge: Judge) -> None:
        """Ask every retriever."""
        impression = engine.answer(query, Teacher()).impression
        self._rows = impression.rows
        self._right = judge.right(impression.ordinals)
        self.useful = tuple(name for name in BUILT_IN.expensive if not np.isnan(self._rows.rank(name)).all())

    def reciprocal_ranks(self, choices: Sequence[Choice], scorer: Scorer) -> NDArray[np.float64]:
        """Of each choice, (len(choices),); 0 where nothing right is among the first ten."""
        if not self._right.any():
            return np.zeros(len(choices))
        pages = [self._page(choice) for choice in choices]
        scores = scorer.score(np.concatenate([features for features, _ in pages])).reshape(len(pages), -1)
        kept = np.stack([rows for _, rows in pages])
        scores = np.where(kept, scores, -np.inf)
        best = np.where(self._right & kept, scores, -np.inf).max(axis=1)
        places = 1 + (scores > best[:, None]).sum(axis=1)
        found: NDArray[np.float64] = np.where(np.isfinite(best) & (places <= PAGE), 1.0 / places, 0.0)
        return found

    def best(self, scorer: Scorer, *, weight: float) -> tuple[float, float]:
        """The largest reciprocal rank less ``weight`` a millisecond, and the milliseconds that it costs."""
        choices = [frozenset(some) for n in range(len(self.useful) + 1) for some in combinations(self.useful, n)]
        costs = np.array([cost_of(choice) for choice in choices])
        utilities = self.reciprocal_ranks(choices, scorer) - weight * costs
        at = int(np.argmax(utilities))
        return float(utilities[at]), float(costs[at])

    def _page(self, choice: Choice) -> tuple[Matrix, Mask]:
        page = without(self._rows, [name for name in BUILT_IN.expensive if name not in choice])
        return page.values, page.brought()


def cost_of(choice: Collection[str]) -> float:
    """Modelled milliseconds of a search in which these expensive retrievers play, beside the free ones."""
    return sum(price({*BUILT_IN.free, *choice}).values())


def audited(environment: ReplayEnvironment, answer: Answer, row: Row, judge: Judge) -> Extra:
    """``regret``, how far the search stayed behind the oracle in reciprocal rank, and ``oracle_ms``, what that spends.

    Its milliseconds cost both what they cost the bandit. The oracle looks at the logged head alone: where the search
    did better than that, it stayed behind by nothing.
    """
    weight = environment.settings.cost_weight
    oracle = Oracle(environment.home.engine, replace(answer.query, id=f"{answer.query.id}/audit"), judge)
    utility, spent = oracle.best(environment.home.serving().scorer, weight=weight)
    own = max((1 / rank for rank, _ in row.found if rank <= PAGE), default=0.0) - weight * row.cost_ms
    return {"regret": max(utility - own, 0.0), "oracle_ms": spent}


def exploring_ms(decision: Decision) -> float:
    """What drawing the depths costs beyond taking the likeliest: Σ over arms of E[cost] - cost(likeliest depth)."""
    extra = 0.0
    for arm in decision.arms:
        if arm.probabilities and arm.arm in BUILT_IN:
            cost = BUILT_IN.modelled_cost(arm.arm, DEPTHS[-1])
            likeliest = max(range(len(DEPTHS)), key=arm.probabilities.__getitem__)
            extra += cost * (1 - arm.probabilities[0] - (likeliest > 0))
    return extra
