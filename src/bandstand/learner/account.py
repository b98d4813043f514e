"""What one settled search adds to the ledger: outcomes, time spent, what the policy was sure of, what it learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bandstand.bandit.reward import DepthLabel
from bandstand.types import DEPTHS, ArmDecision, Impression

QUERY_CLASSES = ("remembered", "named", "described", "long", "other")
"""Kinds of queries by what was known before the bandit decided, see `query_class`."""

BELIEF_BINS = 10
SATISFIED = 0.5
"""The grade from which a search counts as satisfied: more than a click, less than a whole play."""

_POSITIONS = 10
_PLAYED = frozenset({"ok", "late", "failed", "rescue"})
_NAMED = 0.9
_LONG = 0.75  # the context counts words in quarters: three words


def account(
    impression: Impression, grades: Mapping[int, float], labels: Sequence[DepthLabel], *, acted: bool
) -> dict[str, float]:
    """Sums by name of one search, all of them additive.

    ``grades`` maps ordinals to satisfaction in (0, 1], ``labels`` are what the bandit learned from, ``acted`` says
    whether anything was done on the page at all.
    """
    reward = max(grades.values(), default=0.0)
    empty = not len(impression.ordinals)
    counts = {
        "searches": 1.0,
        "clicked": float(reward > 0),
        "satisfied": float(reward >= SATISFIED),
        "abandoned": float(not acted and not empty),
        "empty": float(empty),
        "reward": reward,
        "regret": regret(impression, labels),
        "rr": _reciprocal_rank(impression, grades),
        "cost_ms": sum(outcome.took_ms for outcome in impression.outcomes),
    }
    for who in _served_by(impression):
        for name in ("searches", "clicked", "satisfied", "reward", "rr", "cost_ms"):
            counts[f"{who}/{name}"] = counts[name]
    for rows in (_arms(impression), _choices(impression), _beliefs(impression, grades), _positions(impression, grades)):
        for name, value in rows:
            counts[name] = counts.get(name, 0.0) + value
    return {name: value for name, value in counts.items() if value}


def regret(impression: Impression, labels: Sequence[DepthLabel]) -> float:
    """What better depths would have earned, in page value: for each arm, the best known label less the chosen one's.

    Going to a depth shows what every smaller depth would have earned and nothing about deeper ones, so that this is a
    lower bound of the regret against the best depths in hindsight; 0 where nothing was learned.
    """
    chosen = {arm.arm: DEPTHS.index(arm.depth) for arm in impression.decision.arms}
    total = 0.0
    for arm, depth in chosen.items():
        known = {label.depth_index: label.reward for label in labels if label.arm == arm}
        if depth in known:
            total += max(known.values()) - known[depth]
    return total


def query_class(arms: Sequence[ArmDecision]) -> str | None:
    """What kind of query it was, by the last context that the bandit saw; None where it did not decide.

    ``remembered``: the memory holds clicks on it; ``named``: a title or name is spelt like it; ``described``: it names
    a genre, a mood, a year; ``long``: three words or more.
    """
    context = next((dict(arm.context) for arm in reversed(arms) if arm.context), None)
    if context is None:
        return None
    if context.get("memory_clicks", 0.0) > 0:
        return "remembered"
    if context.get("lexical_exact", 0.0) >= _NAMED:
        return "named"
    if any(value > 0 for name, value in context.items() if name.startswith("slot_")):
        return "described"
    return "long" if context.get("words", 0.0) >= _LONG else "other"


def _served_by(impression: Impression) -> Iterator[str]:
    """The policy and the models that made the page."""
    yield f"policy/{impression.decision.policy}"
    for model, version in impression.models.items():
        yield f"{model}/{version}"


def _reciprocal_rank(impression: Impression, grades: Mapping[int, float]) -> float:
    """1 / the position of the first hit that satisfied at all; 0 where none did."""
    ranks = (place for place, ordinal in enumerate(impression.ordinals.tolist(), start=1) if grades.get(ordinal, 0) > 0)
    return 1.0 / next(ranks, np.inf)


def _arms(impression: Impression) -> Iterator[tuple[str, float]]:
    for outcome in impression.outcomes:
        yield f"arm/{outcome.arm}/{outcome.status}", 1.0
        if outcome.status in _PLAYED:
            yield f"arm/{outcome.arm}/ms", outcome.took_ms


def _choices(impression: Impression) -> Iterator[tuple[str, float]]:
    """P(chosen) of each weighed arm by the query's class; and whether a depth was drawn that was not the likeliest."""
    weighed = [arm for arm in impression.decision.arms if arm.context and arm.probabilities]
    kind = query_class(weighed)
    if kind is None:
        return
    yield "weighed", 1.0
    yield "explored", float(any(arm.propensity < max(arm.probabilities) for arm in weighed))
    yield f"class/{kind}", 1.0
    for arm in weighed:
        yield f"chosen/{arm.arm}/{kind}", 1.0 - arm.probabilities[0]
        yield f"asked/{arm.arm}/{kind}", 1.0


def _beliefs(impression: Impression, grades: Mapping[int, float]) -> Iterator[tuple[str, float]]:
    """How sure the memory was of its best hit on the page, and whether that one was chosen, in ten bins."""
    if "memory.score" not in impression.feature_names or not grades:
        return  # nobody chose anything: that says nothing about which hit was right
    scores = impression.features[: impression.shown, impression.feature_names.index("memory.score")]
    if not len(scores) or np.isnan(scores).all():
        return
    best = int(np.nanargmax(scores))
    belief = min(max(float(scores[best]), 0.0), 1.0)
    at = min(int(belief * BELIEF_BINS), BELIEF_BINS - 1)
    yield f"belief/{at}/n", 1.0
    yield f"belief/{at}/believed", belief
    yield f"belief/{at}/chosen", float(grades.get(int(impression.ordinals[best]), 0.0) > 0)


def _positions(impression: Impression, grades: Mapping[int, float]) -> Iterator[tuple[str, float]]:
    for place, ordinal in enumerate(impression.ordinals[: min(impression.shown, _POSITIONS)].tolist(), start=1):
        yield f"position/{place}/shown", 1.0
        yield f"position/{place}/clicked", float(grades.get(ordinal, 0.0) > 0)
