"""Queries that an entity will be searched by, from its metadata: what fills the memory before any click."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, islice

import numpy as np

from bandstand.catalog.spoken import spoken
from bandstand.catalog.store import Change
from bandstand.catalog.text import fold_title, normalize, romanize
from bandstand.memory_index.batch import MemoryBatch
from bandstand.memory_index.keys import query_key
from bandstand.memory_index.memory import Memory
from bandstand.types import KIND_SPECS, Entity, Kind, Place

LONGEST_PHRASE = 80

_ORDER = ("mood", "era", "language", "genre", "subgenre")
"""Attributes that people search by, in the order in which they are said: happy 80s korean pop."""

_MOST_VALUES = 6


def predicted_queries(entity: Entity) -> list[tuple[str, float]]:
    """Normalised queries and scores in (0, 1), best first, each once, written and `spoken`.

    A template instead of a trained model in the place of doc2query (Nogueira et al. 2019): names, names with their
    artist, aliases, album, and phrases of attributes. The score says how likely the entity satisfies who types that:
    lower for what names many (an artist, a genre), higher with popularity and with an attribute's confidence.
    """
    best: dict[str, float] = {}
    for raw, score in _phrases(entity):
        phrase = (
            " ".join(raw.split()) if raw.replace(" ", "").isalnum() else normalize(raw)
        )  # "!!! yadnus" is asked as "yadnus"
        for form in dict.fromkeys((phrase, spoken(phrase))):
            if 0 < len(form) <= LONGEST_PHRASE and score > best.get(form, 0.0):
                best[form] = score
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))


def _phrases(entity: Entity) -> Iterator[tuple[str, float]]:
    popularity = min(max(entity.popularity, 0.0), 1.0)
    artists = [] if entity.kind == "artist" else [name for artist in entity.artists if (name := _clean(artist))]
    own = KIND_SPECS[entity.kind].own_name
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
    return [phrase, *(f"{phrase} {word}" for word in KIND_SPECS[kind].described_by if not phrase.endswith(word))]


def _decade(year: int) -> str:
    """80s for 1984, 2010s for 2013: as people write them."""
    return f"{year % 100 // 10 * 10:02d}s" if 1900 <= year < 2000 else f"{year // 10 * 10}s"


@lru_cache(maxsize=65_536)
def _clean(text: str) -> str:
    return normalize(text)


@lru_cache(maxsize=65_536)
def _folded(text: str) -> str:
    return fold_title(text)


__all__ = ["Predict", "PredictedQueries", "predict_catalogue", "predicted_queries"]

Predict = Callable[[Entity], list[tuple[str, float]]]
"""Normalised queries of an entity with scores in (0, 1), best first, each once."""

_CHUNK = 50_000
_SEQ = b"memory_index/predicted/seq"


def predict_catalogue(
    batch: MemoryBatch,
    entities: Iterable[tuple[int, Entity | None]],
    *,
    limit: int = 200,
    predict: Predict = predicted_queries,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Replace the predictions of entities, given as (ordinal, entity or None when deleted); how many phrases.

    A phrase of many entities keeps the ``limit`` best by score. Running again with the same entities changes nothing;
    with changed ones, only theirs. Memory is bounded by working through 50,000 entities at a time.
    """
    phrases, done = 0, 0
    for chunk in _chunks(entities):
        phrases += _predict(batch, chunk, limit, predict)
        done += len(chunk)
        if progress is not None:
            progress(done)
    return phrases


def _predict(batch: MemoryBatch, chunk: Sequence[tuple[int, Entity | None]], limit: int, predict: Predict) -> int:
    found: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for ordinal, entity in chunk:
        phrases = [] if entity is None else predict(entity)
        batch.retract(ordinal, keep={phrase for phrase, _ in phrases})
        for phrase, score in phrases:
            found[phrase].append((-score, ordinal))
    for phrase in sorted(found, key=query_key):  # in the order of the keys, so that pages are written once
        best = sorted(found[phrase])[:limit]
        ordinals = np.array([ordinal for _, ordinal in best], np.int32)
        batch.predict(phrase, ordinals, np.array([-score for score, _ in best], np.float32))
    return len(found)


def _chunks(entities: Iterable[tuple[int, Entity | None]]) -> Iterator[list[tuple[int, Entity | None]]]:
    source = iter(entities)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


class PredictedQueries:
    """The memory's predictions as a follower of the catalogue; deleted entities leave the memory altogether.

    ``predict`` is asked for when there are changes: it may be another one by then.
    """

    name = "predicted"

    def __init__(self, memory: Memory, predict: Callable[[], Predict] = lambda: predicted_queries) -> None:
        self._memory = memory
        self._predict = predict

    @property
    def seq(self) -> int:
        """The newest change that is durably part of the memory."""
        return self.place.number

    @property
    def place(self) -> Place:
        """The same with its chapter in the catalogue's history."""
        number, _, chapter = (self._memory.state(_SEQ) or b"0").decode().partition(" ")
        return Place(int(number), chapter)

    def begin_anew(self) -> None:
        """Take in every change again: the place belongs to another history of the catalogue."""
        with self._memory.batch() as batch:
            batch.delete(_SEQ)

    def follow(self, changes: Sequence[Change]) -> None:
        """Take in changes, ascending by number; durable on return, and harmless when repeated."""
        if not changes:
            return
        with self._memory.batch() as batch:
            predict_catalogue(
                batch,
                ((change.ordinal, change.entity) for change in changes),
                limit=self._memory.settings.max_pairs_per_query,
                predict=self._predict(),
            )
            for change in changes:
                if change.entity is None:
                    batch.forget_entity(change.ordinal)
            batch.put(_SEQ, b"%d %s" % (changes[-1].seq, changes[-1].chapter.encode()))
