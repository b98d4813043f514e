"""How probable each slot and each of its values is before the words are looked at, and what clicks change in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp

import numpy as np

from bandstand.catalog.builder import AttributeKey, Posting
from bandstand.catalog.columns import Columns
from bandstand.types import KINDS
from bandstand.understanding.records import TEXT

SLOTS: Mapping[str, float] = {
    "track": 0.35,
    "artist": 0.25,
    "album": 0.05,
    "playlist": 0.02,
    "station": 0.02,
    "podcast": 0.02,
    "genre": 0.06,
    "mood": 0.05,
    "kind": 0.05,
    "year": 0.04,
    "version": 0.03,
    "intent": 0.03,
    "language": 0.02,
    TEXT: 0.1,
}
"""P(slot) of a span: round numbers, not fitted; clicks correct them phrase by phrase."""

OTHER_SLOT = 0.01

_STEEP = 6.0
"""Queries grow with popularity like exp(6 p): the most popular is asked for 400 times as often as the least."""

_CLOSED = {"kind": 1 / 6, "version": 1 / 10, "intent": 1 / 3, "year": 1 / 20}


def mass(popularity: float) -> float:
    """How often an entity is asked for, relative to others of its kind."""
    return exp(_STEEP * popularity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """P(slot) · P(value | slot) for one state of the catalogue."""

    kinds: Sequence[float] = (1.0,) * len(KINDS)
    attributes: Mapping[str, int] = field(default_factory=dict)
    words: float = 1.0

    @classmethod
    def of(cls, columns: Columns, *, artists: Sequence[float], words: float) -> Priors:
        """Add up the catalogue: ``artists`` are their popularities, ``words`` the weight of all words."""
        masses = np.exp(_STEEP * columns.popularity[columns.live].astype(np.float64))
        kinds = np.bincount(columns.kind[columns.live], masses, len(KINDS))
        kinds[KINDS.index("artist")] = np.exp(_STEEP * np.asarray(artists, np.float64)).sum()
        return cls(kinds=np.maximum(kinds, 1.0).tolist(), attributes=_sizes(columns.postings), words=max(words, 1.0))

    def entity(self, kind: int, masses: float) -> float:
        """Of entities of a kind, given their summed `mass`."""
        return SLOTS[KINDS[kind]] * min(masses / self.kinds[kind], 1.0)

    def attribute(self, name: str, count: int) -> float:
        """Of an attribute value that ``count`` entities have."""
        return SLOTS.get(name, OTHER_SLOT) * count / max(self.attributes.get(name, count), 1)

    def closed(self, name: str) -> float:
        """Of a value of a slot with a few fixed ones."""
        return SLOTS[name] * _CLOSED[name]

    def word(self, weight: float) -> float:
        """Of a loose word of some weight; one that is unknown has a little."""
        return SLOTS[TEXT] * (weight + 0.05) / self.words


def _sizes(postings: Mapping[AttributeKey, Posting]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for (name, _), posting in postings.items():
        sizes[name] = sizes.get(name, 0) + len(posting.ordinals)
    return sizes
