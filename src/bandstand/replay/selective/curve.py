"""Quality against cost as the thresholds rise, and the thresholds that reach a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandstand.bandit.cost import EXPENSIVE, modelled_cost
from bandstand.errors import BadInput, NotFound
from bandstand.replay.selective.audit import Audits
from bandstand.replay.selective.choice import by_threshold, costs, fixed, reciprocal_ranks
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
    """One point for each price; ``gains`` are the mean gains of the arms where they help, as in `thresholds`."""
    always = float(costs(fixed(audits, play=True)).mean())
    points = []
    for each in prices:
        worth = worth_at(each, gains)
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


def worth_at(each: float, gains: Mapping[str, float]) -> dict[str, float]:
    """By arm, P(helps) from which it is worth its modelled time at a price a millisecond; at most 1."""
    return {arm: min(1.0, each * modelled_cost(arm, DEPTHS[-1]) / gains[arm]) for arm in EXPENSIVE}


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
