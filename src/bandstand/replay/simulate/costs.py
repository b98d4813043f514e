"""Modelled milliseconds for measured ones, so that learning is the same on every machine; the oracle's choice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from bandstand.engine.ablation import pages_by_choice
from bandstand.engine.search import Answer
from bandstand.feedback.ablation import reciprocal
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Extra, Row
from bandstand.replay.stream import Judge
from bandstand.replay.table import PAGE
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, Decision, Impression, Mask


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


def cost_of(choice: Collection[str]) -> float:
    """Modelled milliseconds of a search in which these expensive retrievers play, beside the free ones."""
    return sum(price({*BUILT_IN.free, *choice}).values())


def first_place(right: Mask) -> int:
    """The position from 1 of the first right hit of a page; 0 where there is none."""
    places = np.flatnonzero(right)
    return int(places[0]) + 1 if len(places) else 0


def audited(environment: ReplayEnvironment, answer: Answer, row: Row, judge: Judge) -> Extra:
    """``regret``, how far the search stayed behind the oracle in reciprocal rank, and ``oracle_ms``, what that spends.

    The oracle knows of every choice of expensive retrievers what it would have shown; its milliseconds cost both what
    they cost the bandit.
    """
    weight = environment.settings.cost_weight
    _, pages = pages_by_choice(environment.home.engine, answer.query)
    spent = {choice: cost_of(choice) for choice in pages}
    ranks = {choice: first_place(judge.right(page)) for choice, page in pages.items()}
    utility, cost = max((reciprocal(ranks[choice]) - weight * ms, -ms) for choice, ms in spent.items())
    own = max((1 / rank for rank, _ in row.found if rank <= PAGE), default=0.0) - weight * row.cost_ms
    return {"regret": max(utility - own, 0.0), "oracle_ms": -cost}


def exploring_ms(decision: Decision) -> float:
    """What drawing the depths costs beyond taking the likeliest: Σ over arms of E[cost] - cost(likeliest depth)."""
    extra = 0.0
    for arm in decision.arms:
        if arm.probabilities and arm.arm in BUILT_IN:
            cost = BUILT_IN.modelled_cost(arm.arm, DEPTHS[-1])
            likeliest = max(range(len(DEPTHS)), key=arm.probabilities.__getitem__)
            extra += cost * (1 - arm.probabilities[0] - (likeliest > 0))
    return extra
