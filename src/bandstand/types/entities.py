"""What can be found: entities and their attributes."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.types.kinds import Kind


@dataclass(frozen=True, slots=True)
class Attribute:
    """One descriptive fact about an entity, e.g. ``genre=jazz``, held with confidence in (0, 1]."""

    name: str
    value: str
    confidence: float = 1.0


FieldValue = str | int | float | bool | tuple[str, ...]
"""What a free field may hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """A fact that is kept, returned and filtered by, and means nothing else here, e.g. ``bpm=120``."""

    name: str
    value: FieldValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something that can be found.

    ``popularity`` is in [0, 1]. ``released`` is an ISO date, possibly only its year or year-month.
    ``members`` are ids of the entities that a playlist or an album holds, in order; they are not indexed as text.
    ``url`` is where it can be played or read about, ``image`` a picture of it (both http or https), ``duration`` is in
    seconds, and ``fields`` are free, each name once. None of these four is searched by words.
    """

    id: str
    kind: Kind
    title: str
    artists: tuple[str, ...] = ()
    album: str | None = None
    aliases: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    popularity: float = 0.0
    released: str | None = None
    members: tuple[str, ...] = ()
    url: str | None = None
    image: str | None = None
    duration: float | None = None
    fields: tuple[Field, ...] = ()

    @property
    def year(self) -> int | None:
        """The year of release, or None when unknown."""
        return int(self.released[:4]) if self.released else None
