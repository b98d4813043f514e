"""The sentence about an entity that the encoder reads: what it is, whose, how it sounds, what else it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bandstand.catalog.text import normalize, romanize
from bandstand.types import Attribute, Entity

_GENRES = frozenset({"genre", "subgenre"})
_MAX_GENRES = 3
_MAX_VALUES = 10
_MAX_NAMES = 5


def entity_sentence(entity: Entity) -> str:
    """Return one English sentence, most telling first, since an encoder cuts a long text at its end.

    For example ``Halo by Beyoncé, a pop and soul track from I Am... Sasha Fierce (2008), romantic, english`` or
    ``Кино, a rock artist, russian, also known as Kino``. Attributes come by confidence. Names in other scripts are
    repeated romanised, since the encoder's vocabulary is English.
    """
    ranked = sorted(entity.attributes, key=lambda attribute: -attribute.confidence)
    genres = _values(a for a in ranked if a.name in _GENRES)[:_MAX_GENRES]
    other = [value for value in _values(a for a in ranked if a.name not in _GENRES) if value not in genres]
    names = _other_names(entity)
    parts = [
        f"{entity.title} by {', '.join(entity.artists)}" if entity.artists else entity.title,
        _description(entity, genres),
        *other[:_MAX_VALUES],
        *([f"also known as {', '.join(names)}"] if names else []),
    ]
    return ", ".join(parts)


def _values(attributes: Iterable[Attribute]) -> list[str]:
    return list(dict.fromkeys(attribute.value for attribute in attributes))


def _description(entity: Entity, genres: Sequence[str]) -> str:
    """Return e.g. "an r&b and soul track from Voodoo (2000)"."""
    what = f"{_listed(genres)} {entity.kind}" if genres else entity.kind
    article = "an" if what[0].lower() in "aeio" else "a"
    album = f" from {entity.album}" if entity.album and entity.album != entity.title else ""
    year = f" ({entity.year})" if entity.year else ""
    return f"{article} {what}{album}{year}"


def _listed(values: Sequence[str]) -> str:
    return f"{', '.join(values[:-1])} and {values[-1]}" if len(values) > 1 else values[0]


def _other_names(entity: Entity) -> list[str]:
    """Return the aliases, and the romanised names that none of them spells already."""
    known = {normalize(name) for name in (entity.title, *entity.artists, *entity.aliases)}
    own = (normalize(name) for name in (entity.title, *entity.artists))
    romanized = [romanize(name) for name in own if not name.isascii()]
    return [*entity.aliases[:_MAX_NAMES], *dict.fromkeys(name for name in romanized if name and name not in known)]
