"""Modelled milliseconds for measured ones, so that learning is the same on every machine; the oracle's choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import ENCODING_ARMS, EXPENSIVE, FREE, modelled_cost
from bandstand.bandit.policy import Teacher
from bandstand.engine.search import Engine
from bandstand.ranker.features import limit_arm
from bandstand.ranker.scorers import Scorer
from bandstand.replay.stream import Judge
from bandstand.types import ARMS, DEPTHS, Impression, Mask, Matrix, Query


def price(arms: Collection[str]) -> dict[str, float]:
    """Modelled milliseconds of each arm that plays; the query is encoded once."""
    prices, encoded = {}, False
    for arm in ARMS:
        if arm in arms:
            prices[arm] = 0.0 if encoded and arm in ENCODING_ARMS else modelled_cost(arm, DEPTHS[-1])
            encoded |= arm in ENCODING_ARMS
    return prices


def played(impression: Impression) -> tuple[str, ...]:
    """The arms that were asked, rescues included."""
    return tuple(outcome.retriever for outcome in impression.outcomes if outcome.status != "skipped")


def with_modelled_times(impression: Impression) -> Impression:
    """The impression with the modelled time of every arm that played."""
    prices = price(played(impression))
    outcomes = tuple(replace(outcome, took_ms=prices.get(outcome.retriever, 0.0)) for outcome in impression.outcomes)
    return replace(impression, outcomes=outcomes)


_PAGE = 10

Choice = frozenset[str]
"""The expensive arms that play; the free ones always do."""


class Oracle:
    """The reciprocal rank that each choice of arms would have given one search, all else equal.

    Every arm is asked at full depth once; a choice is that page's logged head without the features and candidates of
    the other arms, ranked again. What lay below the head and would have moved up is not seen.
    """

    def __init__(self, engine: Engine, query: Query, judge: Judge) -> None:
        """Ask every arm."""
        impression = engine.answer(query, Teacher()).impression
        self._features, self._names = impression.features, impression.feature_names
        self._right = judge.right(impression.ordinals)
        brought = self._features[:, [self._names.index(f"{arm}.rr") for arm in EXPENSIVE]]
        self.useful = tuple(arm for arm, column in zip(EXPENSIVE, brought.T, strict=True) if (column > 0).any())

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
        found: NDArray[np.float64] = np.where(np.isfinite(best) & (places <= _PAGE), 1.0 / places, 0.0)
        return found

    def best(self, scorer: Scorer, *, weight: float) -> tuple[float, float]:
        """The largest reciprocal rank less ``weight`` a millisecond, and the milliseconds that it costs."""
        choices = [frozenset(some) for n in range(len(self.useful) + 1) for some in combinations(self.useful, n)]
        costs = np.array([cost_of(choice) for choice in choices])
        utilities = self.reciprocal_ranks(choices, scorer) - weight * costs
        at = int(np.argmax(utilities))
        return float(utilities[at]), float(costs[at])

    def _page(self, choice: Choice) -> tuple[Matrix, Mask]:
        features, kept = self._features, np.ones(len(self._features), np.bool_)
        for arm in EXPENSIVE:
            if arm not in choice:
                features, kept = limit_arm(features, self._names, arm)
        return features, kept


def cost_of(choice: Collection[str]) -> float:
    """Modelled milliseconds of a search in which these expensive arms play, beside the free ones."""
    return sum(price({*FREE, *choice}).values())
