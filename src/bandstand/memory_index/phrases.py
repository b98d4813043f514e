"""Queries that an entity will be searched by, written from its metadata with a score for each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from bandstand.catalog.text import fold_title, normalize, romanize
from bandstand.types import Entity, Kind

LONGEST_PHRASE = 80

_WORDS: dict[Kind, tuple[str, ...]] = {
    "track": ("songs", "music"),
    "artist": ("artists", "music"),
    "album": ("albums",),
    "playlist": ("playlist", "songs"),
    "station": ("radio",),
    "podcast": ("podcast",),
}
_ORDER = ("mood", "era", "language", "genre", "subgenre")
"""Attributes that people search by, in the order in which they are said: happy 80s korean pop."""

_MOST_VALUES = 6


def predicted_queries(entity: Entity) -> list[tuple[str, float]]:
    """Normalised queries and scores in (0, 1), best first, each once.

    A template instead of a trained model in the place of doc2query (Nogueira et al. 2019): names, names with their
    artist, aliases, album, and phrases of attributes. The score says how likely the entity satisfies who types that:
    lower for what names many (an artist, a genre), higher with popularity and with an attribute's confidence.
    """
    best: dict[str, float] = {}
    for raw, score in _phrases(entity):
        phrase = (
            " ".join(raw.split()) if raw.replace(" ", "").isalnum() else normalize(raw)
        )  # "!!! yadnus" is asked as "yadnus"
        if 0 < len(phrase) <= LONGEST_PHRASE and score > best.get(phrase, 0.0):
            best[phrase] = score
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))


def _phrases(entity: Entity) -> Iterator[tuple[str, float]]:
    popularity = min(max(entity.popularity, 0.0), 1.0)
    artists = [] if entity.kind == "artist" else [name for artist in entity.artists if (name := _clean(artist))]
    own = 0.75 if entity.kind in ("artist", "playlist", "station", "podcast") else 0.5
    for name, weight in _names(entity):
        yield name, weight * (own + 0.2 * popularity)
        for artist in artists[:2]:
            yield f"{artist} {name}", weight * (0.8 + 0.15 * popularity)
            yield f"{name} {artist}", weight * (0.8 + 0.15 * popularity)
    for place, artist in enumerate(artists):
        yield artist, (0.2 + 0.4 * popularity) / (1 + 0.5 * place)
        yield romanize(artist), (0.2 + 0.4 * popularity) / (1 + 0.5 * place)
    if entity.album and entity.kind == "track":
        album = _folded(entity.album)
        yield album, 0.15 + 0.3 * popularity
        for artist in artists[:1]:
            yield f"{artist} {album}", 0.2 + 0.3 * popularity
    yield from _described(entity, 0.1 + 0.35 * popularity)


def _names(entity: Entity) -> list[tuple[str, float]]:
    """What the entity is called, in its own script and in Latin letters, with weights."""
    names = [(_clean(entity.title), 1.0), (fold_title(entity.title), 0.95)]
    names += [(_clean(alias), 0.9) for alias in entity.aliases[:8]]
    names += [(romanize(name), 0.9 * weight) for name, weight in names if not name.isascii()]
    return [(name, weight) for name, weight in names if name]


def _described(entity: Entity, scale: float) -> Iterator[tuple[str, float]]:
    """Phrases of one or two attribute values, bare and with the words for the entity's kind."""
    held = [(a.name, _clean(a.value), a.confidence) for a in entity.attributes if a.name in _ORDER][:_MOST_VALUES]
    if entity.year is not None and not any(name == "era" for name, _, _ in held):
        held.append(("era", _decade(entity.year), 1.0))
    held.sort(key=lambda value: _ORDER.index(value[0]))
    for _, value, confidence in held:
        for phrase in _with_words(value, entity.kind):
            yield phrase, scale * confidence
    for (first, a, sure), (second, b, too) in combinations(held, 2):
        if first != second and a not in b and b not in a:
            for phrase in _with_words(f"{a} {b}", entity.kind):
                yield phrase, 1.2 * scale * sure * too


def _with_words(phrase: str, kind: Kind) -> list[str]:
    return [phrase, *(f"{phrase} {word}" for word in _WORDS[kind] if not phrase.endswith(word))]


def _decade(year: int) -> str:
    """80s for 1984, 2010s for 2013: as people write them."""
    return f"{year % 100 // 10 * 10:02d}s" if 1900 <= year < 2000 else f"{year // 10 * 10}s"


@lru_cache(maxsize=65_536)
def _clean(text: str) -> str:
    return normalize(text)


@lru_cache(maxsize=65_536)
def _folded(text: str) -> str:
    return fold_title(text)
