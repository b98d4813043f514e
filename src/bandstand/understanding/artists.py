"""The artists of a catalogue by number: whoever an entity is credited to first, and artists that are entities."""

from __future__ import annotations

import numpy as np

from bandstand.catalog.builder import artist_key_of
from bandstand.catalog.text import normalize
from bandstand.types import Entity, Ordinals


class Artists:
    """Numbers given to normalised artists' names for the life of the process; ``counts`` of live entities behind each.

    ``keys`` are those of `Columns.artist_key`; ``popularity`` is the largest that was seen, in [0, 1].
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.keys: list[int] = []
        self.popularity: list[float] = []
        self.counts: list[int] = []
        self._numbers: dict[str, int] = {}
        self._of = np.full(0, -1, np.int32)

    def of(self, ordinals: Ordinals) -> Ordinals:
        """Whose the entities are, (n,): numbers, -1 where they are nobody's or unknown."""
        known = ordinals < len(self._of)
        found = np.full(len(ordinals), -1, np.int32)
        found[known] = self._of[ordinals[known]]
        return found

    def assign(self, ordinal: int, entity: Entity | None) -> str | None:
        """Say whose an entity is now, or nobody's when it is gone; return the artist's name as written if new."""
        if ordinal >= len(self._of):
            self._of = np.concatenate([self._of, np.full(ordinal + 1, -1, np.int32)])
        if (before := int(self._of[ordinal])) >= 0:
            self.counts[before] -= 1
            self._of[ordinal] = -1
        written = _owner(entity)
        name = normalize(written) if written else ""
        if entity is None or not name:
            return None
        number, new = self._numbered(name)
        self._of[ordinal] = number
        self.counts[number] += 1
        self.popularity[number] = max(self.popularity[number], entity.popularity)
        return written if new else None

    def _numbered(self, name: str) -> tuple[int, bool]:
        number = self._numbers.setdefault(name, len(self.names))
        new = number == len(self.names)
        if new:
            self.names.append(name)
            self.keys.append(artist_key_of(name))
            self.popularity.append(0.0)
            self.counts.append(0)
        return number, new


def _owner(entity: Entity | None) -> str | None:
    if entity is None:
        return None
    if entity.kind == "artist":
        return entity.title
    return entity.artists[0] if entity.artists else None
