"""The named numbers that a retriever's decision is taken on: the query, what earlier ones found, its own cost."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

from bandstand.types import KINDS, Candidates, Query, RetrieverSpec, Roster
from bandstand.types.times import DAY_S

SCRIPTS = ("latin", "cyrillic", "cjk", "arabic", "other")

_HEAD = 64
"""Characters looked at: enough to tell, and bounded whatever is typed."""

_SCRIPT_OF = {
    "LATIN": "latin",
    "CYRILLIC": "cyrillic",
    "ARABIC": "arabic",
    **dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "HANGUL"), "cjk"),
}
"""By the first word of a letter's Unicode name; ``cjk`` includes kana and Hangul."""


def script_of(text: str) -> str:
    """The script of most letters among the first 64 characters; ``other`` when there are none.

    Ties go to the script that comes first in `SCRIPTS`.
    """
    head = text[:_HEAD]
    if head.isascii():
        return "latin" if any(map(str.isalpha, head)) else "other"
    counts = dict.fromkeys(SCRIPTS, 0)
    for character in head:
        if character.isalpha():
            counts[_SCRIPT_OF.get(unicodedata.name(character, "").partition(" ")[0], "other")] += 1
    return max(SCRIPTS, key=lambda name: counts[name]) if any(counts.values()) else "other"


Features = tuple[tuple[str, float], ...]

LOW, HIGH = -1.0, 5.0
"""Every feature lies between these; linear learning is easier when scales are alike."""

PARTS = 4096
"""Every feature is a whole number of such parts of 1: finer differences tell nobody anything, and 16 bits hold it, so
that what is logged is exactly what was seen."""

SLOT_NAMES = (
    *KINDS,
    *("genre", "mood", "language", "era", "year", "kind", "version", "intent", "text"),
)
"""Slots with a feature of their own; all others share ``slot_other``, so that the layout never changes."""

_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday, counted from Monday = 0."""


COUNT = "count_"
"""Every retriever of a roster has a feature of this name and its own: how much it brought."""

P_USEFUL = "helps"
"""The feature that carries the gate's estimate to the arm's own decision."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a policy sees for one decision: names without spaces, colons or bars; finite values in [-1, 5]."""

    features: Features = ()


class ContextBuilder:
    """Builds the contexts of one search: what is known of the query at once, of each answer as it comes.

    Names and order of the features are the same for every query and arm of a roster; what is absent or unknown is 0.
    """

    def __init__(self, query: Query, roster: Roster, *, has_history: bool) -> None:
        self._roster = roster
        self._query = query_features(query, has_history=has_history)
        self._found: dict[str, Candidates] = {}
        self._facts = {spec.name: tuple(_answer_features(spec, None)) for spec in roster}
        self._counts = {name: (COUNT + name, 0.0) for name in roster.names}

    def add(self, arm: str, found: Candidates) -> None:
        """An arm of this search has answered."""
        self._found[arm] = found
        self._facts[arm] = tuple(_answer_features(self._roster[arm], found))
        self._counts[arm] = (COUNT + arm, _counted(len(found)))

    def build(self, *, cost_ms: float, past_yield: float, lexical_exact: float = 0.0, p_useful: float = 0.0) -> Context:
        """The context of the next arm's decision, given the answers until now.

        Args:
            cost_ms: The arm's measured cost in milliseconds.
            past_yield: The share of searches in which the arm was of use, in [0, 1].
            lexical_exact: The best text similarity of the lexical head to the query, in [0, 1].
            p_useful: p_useful where that is estimated, see `bandstand.bandit.gate`.
        """
        last = (
            *self._counts.values(),
            ("candidates", _counted(sum(map(len, self._found.values())))),
            ("lexical_exact", _bounded(lexical_exact)),
            ("agreement", _agreement(self._found.get("lexical"), self._found.get("memory"))),
            ("arm_cost", _bounded(math.log1p(max(cost_ms, 0.0)))),
            ("arm_yield", _bounded(past_yield)),
            (P_USEFUL, _bounded(p_useful)),
        )
        return Context((*self._query, *chain.from_iterable(self._facts.values()), *last))


def query_features(query: Query, *, has_history: bool) -> Features:
    """What is known before any arm has answered; the names are the same for every query."""
    features = (
        *_text_features(query),
        *_slot_features(query),
        *_time_features(query.time),
        ("history", float(has_history)),
        ("filtered", float(any((query.kinds, query.filters, query.conditions)))),
        ("corrected", query.correction.confidence if query.correction is not None else 0.0),
    )
    return tuple((name, _bounded(value)) for name, value in features)


def answer_names(roster: Roster, arms: Collection[str]) -> frozenset[str]:
    """The names of the features that are about the answers of these arms."""
    return frozenset(
        name
        for spec in roster
        if spec.name in arms
        for name in (COUNT + spec.name, *(f"{spec.name}_{feature.name}" for feature in spec.context))
    )


def _bounded(value: float) -> float:
    """``value`` within [LOW, HIGH] to the nearest of `PARTS`; what is not a number counts as unknown, 0."""
    return round(min(max(value, LOW), HIGH) * PARTS) / PARTS if value == value else 0.0  # noqa: PLR0124  NaN != itself


def _text_features(query: Query) -> Iterator[tuple[str, float]]:
    text = query.normalized
    words = text.count(" ") + 1 if text else 0
    yield "bias", 1.0
    yield "chars", math.log1p(len(text)) / 2
    yield "words", words / 4
    yield "one_word", float(words == 1)
    yield "digits", sum(map(str.isdigit, text[:64])) / max(min(len(text), 64), 1)
    script = script_of(text)
    for name in SCRIPTS:
        yield f"script_{name}", float(name == script)


def _slot_features(query: Query) -> Iterator[tuple[str, float]]:
    strongest = dict.fromkeys((*SLOT_NAMES, "other"), 0.0)
    for slot in query.slots:
        name = slot.name if slot.name in strongest else "other"
        strongest[name] = max(strongest[name], slot.confidence)
    for name, confidence in strongest.items():
        yield f"slot_{name}", confidence


def _time_features(time: float) -> Iterator[tuple[str, float]]:
    """Hour and weekday (UTC) as points on a circle, so that Sunday night is near Monday morning."""
    days = time / DAY_S
    hour = 2 * math.pi * (days % 1)
    weekday = 2 * math.pi * ((days + _EPOCH_WEEKDAY) % 7) / 7
    yield "hour_sin", math.sin(hour)
    yield "hour_cos", math.cos(hour)
    yield "weekday_sin", math.sin(weekday)
    yield "weekday_cos", math.cos(weekday)


def _answer_features(spec: RetrieverSpec, found: Candidates | None) -> Iterator[tuple[str, float]]:
    """What a retriever's spec reads of its answer; 0 where it brought nothing."""
    for feature in spec.context:
        yield f"{spec.name}_{feature.name}", _bounded(feature.read(found)) if found is not None and len(found) else 0.0


def _counted(count: int) -> float:
    """How much an arm brought, or all together, as log1p / 2: 200 candidates are 2.65."""
    return _bounded(math.log1p(count) / 2)


def _agreement(lexical: Candidates | None, memory: Candidates | None) -> float:
    """The share of lexical's first ten that memory also holds."""
    if lexical is None or memory is None or not len(lexical) or not len(memory):
        return 0.0
    head = lexical.ordinals[:10].tolist()
    return _bounded(len(set(head).intersection(memory.ordinals.tolist())) / len(head))
