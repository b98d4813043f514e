"""What was done on one search, in order, and the numbers in which a reward model reads it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bandstand.feedback.attribution import Attribution, position_of
from bandstand.feedback.rewards import ends_well
from bandstand.types import Event, Impression, Matrix
from bandstand.types.actions import ACTIONS

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


class Interaction(NamedTuple):
    """One action on a hit: its row in the logged head, seconds since the search, seconds played (None: not said).

    ``weight`` in [0, 1] is what the actor's budget left of it.
    """

    row: int
    action: str
    after: float
    played: float | None = None
    weight: float = 1.0


def interaction_of(impression: Impression, event: Event, weight: float = 1.0) -> Interaction | None:
    """The event as an action on a hit of this search; None where it teaches nothing or names no hit of it.

    A clock that runs backwards counts as one that stands still: no action comes before its search.
    """
    place = position_of(impression, event) if event.action in ACTIONS else None
    if place is None:
        return None
    after = max(event.time - impression.query.time, 0.0)
    return Interaction(place - 1, event.action, after, event.play_seconds, weight)


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


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was done on a search so far, and on one hit of it: what the features of both are computed from."""

    impression: Impression
    interactions: Sequence[Interaction]
    row: int = -1

    @property
    def own(self) -> list[Interaction]:
        return [interaction for interaction in self.interactions if interaction.row == self.row]

    @property
    def others(self) -> list[Interaction]:
        return [interaction for interaction in self.interactions if interaction.row != self.row]

    @property
    def order(self) -> list[int]:
        """The rows that were touched, in that order."""
        return list(dict.fromkeys(interaction.row for interaction in self.interactions))

    @property
    def later(self) -> int:
        """Actions on other hits since the last one on this."""
        last = max((interaction.after for interaction in self.own), default=0.0)
        return sum(interaction.after > last for interaction in self.others)

    def best(self, name: str) -> float:
        """The best value of a logged fact on the page."""
        facts = logged_facts(self.impression)[: max(self.impression.shown, 1), LOGGED.index(name)]
        return float(np.fmax.reduce(facts, initial=np.nan))


_Feature = Callable[[_Seen], float]
_COUNTED_BY_NAME = ("click", "play", "save", "skip")
"""Actions whose counts stand among the features where the first reward models had them; those of others come last."""


def _counted(action: str, *, on_the_hit: bool) -> _Feature:
    return lambda seen: _count(seen.own if on_the_hit else seen.interactions, action)


_MORE = [action for action in ACTIONS if action not in _COUNTED_BY_NAME]

_HIT: Mapping[str, _Feature] = {
    "place": lambda seen: seen.row + 1,
    "clicks": lambda seen: _count(seen.own, "click"),
    "plays": lambda seen: _count(seen.own, "play"),
    "longest_s": lambda seen: _longest(seen.own),
    "skipped": lambda seen: _count(seen.own, "skip"),
    "first_s": lambda seen: min((interaction.after for interaction in seen.own), default=math.nan),
    "order": lambda seen: seen.order.index(seen.row) + 1 if seen.row in seen.order else math.nan,
    "touched": lambda seen: len(seen.order),
    "later": lambda seen: seen.later,
    "rival_s": lambda seen: _longest(seen.others),
    "rival_saved": lambda seen: _count(seen.others, "save"),
    **{f"{action}_count": _counted(action, on_the_hit=True) for action in _MORE},
}
"""One touched hit: its place from 1; clicks, plays and longest play on it; whether it was skipped; seconds from the
search to its first action; the how-manieth hit it was to be touched, of how many; actions on others since its last one;
the longest play and a save on another hit."""

_SEARCH: Mapping[str, _Feature] = {
    "shown": lambda seen: seen.impression.shown,
    "touched": lambda seen: len(seen.order),
    "clicks": lambda seen: _count(seen.interactions, "click"),
    "plays": lambda seen: _count(seen.interactions, "play"),
    "longest_s": lambda seen: _longest(seen.interactions),
    "saved": lambda seen: _count(seen.interactions, "save"),
    "skips": lambda seen: _count(seen.interactions, "skip"),
    "first_s": lambda seen: min((interaction.after for interaction in seen.interactions), default=math.nan),
    "last_s": lambda seen: max((interaction.after for interaction in seen.interactions), default=math.nan),
    "lowest": lambda seen: max((interaction.row + 1 for interaction in seen.interactions), default=0),
    "best_name": lambda seen: seen.best("name_ratio"),
    "query_words": lambda seen: len(seen.impression.query.normalized.split()),
    "known": lambda seen: seen.best("memory.score"),
    **{f"{action}_count": _counted(action, on_the_hit=False) for action in _MORE},
}
"""A search: hits shown; hits touched, clicks, plays, longest play, saves and skips; seconds to first and last action;
the lowest place touched; the best ``name_ratio`` and ``memory.score`` of the page, and words of the query."""

HIT_FEATURES = (*_HIT, *LOGGED)
SEARCH_FEATURES = tuple(_SEARCH)


def hit_features(impression: Impression, interactions: Sequence[Interaction], rows: Sequence[int]) -> Matrix:
    """Touched hits by what was done so far, float32 (len(rows), len(HIT_FEATURES)); nothing later is known."""
    seen = (_Seen(impression, interactions, row) for row in rows)
    done = np.array([[feature(one) for feature in _HIT.values()] for one in seen], np.float32).reshape(-1, len(_HIT))
    return np.hstack([done, logged_facts(impression)[list(rows)]])


def search_features(impression: Impression, interactions: Sequence[Interaction]) -> Matrix:
    """The search by what was done so far, float32 (1, len(SEARCH_FEATURES))."""
    seen = _Seen(impression, interactions)
    return np.array([[feature(seen) for feature in _SEARCH.values()]], np.float32)


def logged_facts(impression: Impression) -> Matrix:
    """`LOGGED` of the hits with features, float32 (m, len(LOGGED)); NaN where the search logged no such feature."""
    known = {name: column for column, name in enumerate(impression.feature_names)}
    found = np.full((len(impression.features), len(LOGGED)), np.nan, np.float32)
    for at, name in enumerate(LOGGED):
        if name in known:
            found[:, at] = impression.features[:, known[name]]
    return found


def _count(interactions: Sequence[Interaction], action: str) -> int:
    return sum(interaction.action == action for interaction in interactions)


def _longest(interactions: Sequence[Interaction]) -> float:
    return max((each.played for each in interactions if each.played is not None), default=math.nan)
