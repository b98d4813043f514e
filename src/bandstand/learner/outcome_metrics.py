"""What came of finalized searches: what each adds, summed by the minute in which it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from bandstand.bandit.reward import DepthLabel
from bandstand.learner.open_searches import KeyValue
from bandstand.types import DEPTHS, ArmDecision, Impression
from bandstand.types.times import DAY_S, HOUR_S, MINUTE_S

KEPT_MINUTES_S, KEPT_HOURS_S = 2 * DAY_S, 90 * DAY_S
"""How long single minutes are kept before they become hours, and how long hours are."""

Counts = dict[str, float]
"""Sums by name; what is not there is 0."""

_MINUTES, _HOURS = b"ledger/m/", b"ledger/h/"


class _Sums(msgspec.Struct, frozen=True, tag_field="version", tag=2):
    """What is stored of a minute or an hour; version 1 were the counts alone."""

    counts: Counts


class OutcomeMetrics:
    """Adds finalized searches up; part of the learner's transaction, so that each search counts exactly once.

    Sums are held by minute for two days, then by hour for ninety. Each number is added to the stored sum by itself, so
    that how the log is cut into batches makes no difference, not even in the last digit.
    """

    def __init__(self, state: KeyValue) -> None:
        self._state = state
        self._open: dict[bytes, Counts] = {}

    def add(self, time: float, counts: Mapping[str, float]) -> None:
        """Add the counts of a search that was made at ``time``, in seconds since 1970."""
        key = _key(_MINUTES, time, MINUTE_S)
        if key not in self._open:
            self._open[key] = _loaded(self._state.get(key))
        _add(self._open[key], counts.items())

    def flush(self) -> None:
        """Put the sums into the transaction."""
        for key, sums in self._open.items():
            self._state.put(key, msgspec.json.encode(_Sums(sums)))
        self._open.clear()

    def housekeep(self, now: float) -> None:
        """Turn minutes that are old into hours, and drop hours that are."""
        self.flush()
        before = _key(_MINUTES, now - KEPT_MINUTES_S, HOUR_S)
        for key, raw in self._state.scan(_MINUTES):
            if key < before:
                self._fold(_key(_HOURS, _time(key), HOUR_S), _loaded(raw))
                self._state.delete(key)
        for key, _ in self._state.scan(_HOURS):
            if key < _key(_HOURS, now - KEPT_HOURS_S, HOUR_S):
                self._state.delete(key)

    def _fold(self, key: bytes, sums: Counts) -> None:
        hour = _loaded(self._state.get(key))
        _add(hour, sums.items())
        self._state.put(key, msgspec.json.encode(_Sums(hour)))


def _add(sums: Counts, counts: Iterable[tuple[str, float]]) -> None:
    for name, value in counts:
        sums[name] = sums.get(name, 0.0) + value


def read_outcomes(
    scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]], *, since: float
) -> Iterator[tuple[float, Counts]]:
    """Sums from a time on, with the moment (seconds since 1970) at which their minute or hour began; oldest first.

    ``scan`` gives the stored pairs under a prefix, e.g. `Memory.scan`.
    """
    for prefix in (_HOURS, _MINUTES):
        for key, raw in scan(prefix):
            if _time(key) >= since:
                yield _time(key), _loaded(raw)


def _key(prefix: bytes, time: float, step: int) -> bytes:
    """Keys sort as times do; a time before 1970 counts as then."""
    return prefix + b"%012x" % (max(int(time), 0) // step * step)


def _time(key: bytes) -> float:
    return float(int(key[-12:], 16))


def _loaded(raw: bytes | None) -> Counts:
    if not raw:
        return {}
    found = msgspec.json.decode(raw)
    return msgspec.convert(found, _Sums).counts if "version" in found else msgspec.convert(found, Counts)


QUERY_CLASSES = ("remembered", "named", "described", "long", "other")
"""Kinds of queries by what was known before the bandit decided, see `query_class`."""

BELIEF_BINS = 10
SATISFIED = 0.5
"""The grade from which a search counts as satisfied: more than a click, less than a whole play."""

_POSITIONS = 10
_PLAYED = frozenset({"ok", "late", "failed", "rescue"})
_NAMED = 0.9
_LONG = 0.75  # the context counts words in quarters: three words


def count_outcome(
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
        _add(counts, rows)
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
    if not grades:
        return 0.0
    ranks = (place for place, ordinal in enumerate(impression.ordinals.tolist(), start=1) if grades.get(ordinal, 0) > 0)
    return 1.0 / next(ranks, np.inf)


def _arms(impression: Impression) -> Iterator[tuple[str, float]]:
    for outcome in impression.outcomes:
        yield f"arm/{outcome.retriever}/{outcome.status}", 1.0
        if outcome.status in _PLAYED:
            yield f"arm/{outcome.retriever}/ms", outcome.took_ms


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
