"""Quality against cost as thresholds rise, the thresholds that reach a target, how often decisions were right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandstand.errors import BadInput, NotFound
from bandstand.replay.selective.audit import (
    Audits,
    Plays,
    by_threshold,
    costs,
    fixed,
    missed_alone,
    reciprocal_ranks,
    truth,
)
from bandstand.replay.summary import Json, figure
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import ClusterBootstrap, calibration_error, reliability
from bandstand.types import DEPTHS

PRICES: tuple[float, ...] = (0.0, *np.geomspace(1e-4, 1.0, 33).tolist())
"""The sweep, from everything that may help at all to next to nothing: reciprocal rank that a millisecond must earn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting of the thresholds: MRR@10 and modelled milliseconds a search, and its share of always-on's."""

    price: float
    thresholds: Mapping[str, float]
    quality: float
    cost_ms: float
    cost_share: float


@dataclass(frozen=True, slots=True)
class Target:
    """``quality``: the cheapest with so large a share of always-on's MRR. ``cost``: the best within that share."""

    what: Literal["quality", "cost"]
    share: float


def parse_target(text: str) -> Target:
    """``quality=0.99`` or ``cost=0.1``.

    Raises:
        BadInput: it is neither.
    """
    name, _, number = text.partition("=")
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if name not in {"quality", "cost"} or not 0 < share <= 2:
        raise BadInput(f"{text!r} is no target: write quality=0.99 or cost=0.1", field="target")
    return Target("quality" if name == "quality" else "cost", share)


def sweep(audits: Audits, gains: Mapping[str, float], prices: Sequence[float] = PRICES) -> list[Point]:
    """One point for each price; ``gains`` are the mean gains of the retrievers where they help, as in `thresholds`."""
    always = float(costs(fixed(audits, play=True)).mean())
    points = []
    for each in prices:
        worth = thresholds_at(each, gains)
        plays = by_threshold(audits, worth)
        spent = float(costs(plays).mean())
        points.append(
            Point(
                price=each,
                thresholds=worth,
                quality=float(reciprocal_ranks(audits, plays).mean()),
                cost_ms=spent,
                cost_share=spent / always,
            )
        )
    return points


def thresholds_at(each: float, gains: Mapping[str, float]) -> dict[str, float]:
    """By retriever, p_useful from which it is worth its modelled time at a price a millisecond; at most 1."""
    return {
        name: min(1.0, each * BUILT_IN.modelled_cost(name, DEPTHS[-1]) / gains[name]) for name in BUILT_IN.expensive
    }


def find(points: Sequence[Point], always: float, target: Target) -> Point:
    """The point of a curve that reaches a target.

    Raises:
        NotFound: none does.
    """
    if target.what == "quality":
        enough = [point for point in points if point.quality >= target.share * always]
        best = min(enough, key=lambda point: point.cost_ms, default=None)
    else:
        cheap = [point for point in points if point.cost_share <= target.share]
        best = max(cheap, key=lambda point: point.quality, default=None)
    if best is None:
        raise NotFound(f"no thresholds reach {target.what}={target.share:g} here: give another target")
    return best


def accuracy(audits: Audits, plays: Plays, bootstrap: ClusterBootstrap) -> Json:
    """The share of decisions that played a retriever where it helped and left it out where not; all, by each, by class.

    ``helped_played`` is the share of helpful calls that were made, ``idle_skipped`` that of useless ones not made.
    """
    right = plays == truth(audits)
    everywhere = right.mean(axis=1)
    return {
        "all": figure(everywhere, bootstrap),
        "by_arm": {
            retriever: {**figure(right[:, at].astype(np.float64), bootstrap), **_kinds(audits, plays, at)}
            for at, retriever in enumerate(BUILT_IN.expensive)
        },
        "by_class": {
            name: {
                **figure(everywhere, bootstrap, audits.classes == name),
                "by_arm": {
                    each: float(right[audits.classes == name, at].mean()) for at, each in enumerate(BUILT_IN.expensive)
                },
            }
            for name in np.unique(audits.classes).tolist()
        },
    }


def wasted(audits: Audits, bootstrap: ClusterBootstrap) -> Json:
    """The share of always-on's expensive calls that did not help: after the cheaper ones that did, and beside all."""
    ordered, alone = ~truth(audits), ~missed_alone(audits)
    return {
        "all": figure(ordered.mean(axis=1), bootstrap),
        "beside_all_others": figure(alone.mean(axis=1), bootstrap),
        "by_arm": {
            each: figure(ordered[:, at].astype(np.float64), bootstrap) for at, each in enumerate(BUILT_IN.expensive)
        },
    }


def calibration(audits: Audits) -> Json:
    """By retriever: the reliability curve of the estimates, and the expected calibration error."""
    useful, found = truth(audits), {}
    for at, retriever in enumerate(BUILT_IN.expensive):
        curve = reliability(audits.p_useful[:, at], useful[:, at])
        found[retriever] = {"ece": calibration_error(curve), "bins": [tuple(each) for each in curve]}
    return found


def _kinds(audits: Audits, plays: Plays, at: int) -> Json:
    useful, played = truth(audits)[:, at], plays[:, at]
    return {
        "helped": float(useful.mean()),
        "played": float(played.mean()),
        "helped_played": float(played[useful].mean()) if useful.any() else None,
        "idle_skipped": float((~played[~useful]).mean()) if not useful.all() else None,
    }
