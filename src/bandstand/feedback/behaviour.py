"""What was done on one search, in order, and the numbers in which a reward model reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bandstand.feedback.attribution import Attribution, position_of
from bandstand.feedback.rewards import LEARNED_ACTIONS, ends_well
from bandstand.types import Event, Impression, Matrix

MOST_INTERACTIONS = 50
"""Actions of one search that are looked at: nobody does more on one page, and a bot's thousand weigh like these."""

LOGGED = (
    "title_ratio",
    "name_ratio",
    "token_coverage",
    "popularity",
    "query_words",
    "memory.score",
    "memory.clicks",
    "memory.plays",
    "memory.impressions",
)
"""Facts of a hit that the search itself logged, before anybody did anything with it; NaN where it logged none."""

HIT_FEATURES = (
    "place", "clicks", "plays", "longest_s", "skipped", "first_s", "order", "touched", "later", "rival_s",
    "rival_saved", *LOGGED,
)  # fmt: skip
"""One touched hit: its place from 1; clicks, plays and longest play on it; whether it was skipped; seconds from the
search to its first action; the how-manieth hit it was to be touched, of how many; actions on others since its last one;
the longest play and a save on another hit; and what is `LOGGED`."""

SEARCH_FEATURES = (
    "shown", "touched", "clicks", "plays", "longest_s", "saved", "skips", "first_s", "last_s", "lowest", "best_name",
    "query_words", "known",
)  # fmt: skip
"""A search: hits shown; hits touched, clicks, plays, longest play, saves and skips; seconds to first and last action;
the lowest place touched; the best ``name_ratio`` and ``memory.score`` of the page, and words of the query."""


class Interaction(NamedTuple):
    """One action on a hit: its row in the logged head, seconds since the search, seconds played (NaN: not said).

    ``weight`` in [0, 1] is what the actor's budget left of it.
    """

    row: int
    action: str
    after: float
    played: float = math.nan
    weight: float = 1.0


def interaction_of(impression: Impression, event: Event, weight: float = 1.0) -> Interaction | None:
    """The event as an action on a hit of this search; None where it teaches nothing or names no hit of it.

    A clock that runs backwards counts as one that stands still: no action comes before its search.
    """
    place = position_of(impression, event) if event.action in LEARNED_ACTIONS else None
    if place is None:
        return None
    after = max(event.time - impression.query.time, 0.0)
    return Interaction(
        place - 1, event.action, after, math.nan if event.play_seconds is None else event.play_seconds, weight
    )


def interactions_of(
    impression: Impression, events: Iterable[Event], attribution: Attribution
) -> tuple[Interaction, ...]:
    """What was done on a search by order of time, at most `MOST_INTERACTIONS`."""
    found = (interaction_of(impression, event) for event in events if attribution.in_window(impression, event))
    interactions = sorted(
        (interaction for interaction in found if interaction is not None),
        key=lambda interaction: (interaction.after, interaction.row),
    )
    return tuple(interactions[:MOST_INTERACTIONS])


def is_strong(interaction: Interaction) -> bool:
    """See `ends_well`."""
    return ends_well(interaction.action, interaction.played)


def hit_features(impression: Impression, interactions: Sequence[Interaction], rows: Sequence[int]) -> Matrix:
    """Touched hits by what was done so far, float32 (len(rows), len(HIT_FEATURES)); nothing later is known."""
    found = np.full((len(rows), len(HIT_FEATURES)), np.nan, np.float32)
    order = list(dict.fromkeys(interaction.row for interaction in interactions))
    for at, row in enumerate(rows):
        own = [interaction for interaction in interactions if interaction.row == row]
        others = [interaction for interaction in interactions if interaction.row != row]
        last = max((interaction.after for interaction in own), default=0.0)
        found[at, : -len(LOGGED)] = (
            row + 1,
            _count(own, "click"),
            _count(own, "play"),
            _longest(own),
            _count(own, "skip"),
            min((interaction.after for interaction in own), default=math.nan),
            order.index(row) + 1 if row in order else math.nan,
            len(order),
            sum(interaction.after > last for interaction in others),
            _longest(others),
            _count(others, "save"),
        )
    found[:, -len(LOGGED) :] = logged_facts(impression)[list(rows)]
    return found


def search_features(impression: Impression, interactions: Sequence[Interaction]) -> Matrix:
    """The search by what was done so far, float32 (1, len(SEARCH_FEATURES))."""
    facts = logged_facts(impression)[: max(impression.shown, 1)]
    best = {name: _most(facts[:, LOGGED.index(name)]) for name in ("name_ratio", "memory.score")}
    row = (
        impression.shown,
        len({interaction.row for interaction in interactions}),
        _count(interactions, "click"),
        _count(interactions, "play"),
        _longest(interactions),
        _count(interactions, "save"),
        _count(interactions, "skip"),
        min((interaction.after for interaction in interactions), default=math.nan),
        max((interaction.after for interaction in interactions), default=math.nan),
        max((interaction.row + 1 for interaction in interactions), default=0),
        best["name_ratio"],
        len(impression.query.normalized.split()),
        best["memory.score"],
    )
    return np.array([row], np.float32)


def logged_facts(impression: Impression) -> Matrix:
    """`LOGGED` of every hit of the head, float32 (n, len(LOGGED)); NaN where the search logged no such feature."""
    known = {name: column for column, name in enumerate(impression.feature_names)}
    found = np.full((len(impression.ordinals), len(LOGGED)), np.nan, np.float32)
    for at, name in enumerate(LOGGED):
        if name in known:
            found[:, at] = impression.features[:, known[name]]
    return found


def _count(interactions: Sequence[Interaction], action: str) -> int:
    return sum(interaction.action == action for interaction in interactions)


def _longest(interactions: Sequence[Interaction]) -> float:
    return max((interaction.played for interaction in interactions if interaction.played >= 0), default=math.nan)


def _most(values: Matrix) -> float:
    return float(np.fmax.reduce(values, initial=np.nan))
