"""Lessons before any click: the platform poses itself queries whose answer the catalogue knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.policy import Teacher
from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import normalize, terms
from bandstand.engine.request import SearchRequest
from bandstand.engine.search import Engine
from bandstand.learner.lesson import ALSO_GRADE, TARGET_GRADE, Curriculum, Lesson
from bandstand.learner.remembered import remembered
from bandstand.memory_index.generator import Generator
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.phrases import predicted_queries
from bandstand.types import Entity, Impression

NAMED_SHARE, PREDICTED_SHARE = 0.4, 0.35
"""Share of lessons that are posed by title or artist and title, and by any predicted query. The rest are posed in loose
words: without them the ranker would only know whole names."""

LOOSE = 0.25
"""Share of lessons that templates pose beside a generator: what nobody has asked for yet must not become unknown."""

REMEMBERED = 0.5
"""Share of lessons of which a copy with clicks in the memory is added."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LONG = 9
"""From more letters than this on, a misspelt query has two slips."""


class SelfPlay:
    """Poses queries that the catalogue can answer to the engine itself, as people would type them.

    A ``generator`` poses them as people were seen to; without one, templates do.
    """

    def __init__(self, *, engine: Engine, catalog: Catalog, memory: Memory, generator: Generator | None = None) -> None:
        self._generator = generator
        self._engine = engine
        self._catalog = catalog
        self._memory = memory

    def curriculum(self, count: int, *, seed: int, progress: Callable[[int], None] | None = None) -> Curriculum:
        """`lessons`, and copies of half of them with clicks in the memory."""
        posed = tuple(self.lessons(count, seed=seed, progress=progress))
        copies = remembered(posed, np.random.default_rng(seed), share=REMEMBERED, settings=self._memory.settings)
        return Curriculum(posed=posed, remembered=tuple(copies))

    def lessons(self, count: int, *, seed: int, progress: Callable[[int], None] | None = None) -> Iterator[Lesson]:
        """At most ``count`` lessons in which something right was found; entities are drawn by popularity."""
        rng = np.random.default_rng(seed)
        teacher = Teacher()
        for number, ordinal in enumerate(self._sample(count, rng).tolist()):
            if progress is not None:
                progress(number + 1)
            entity = self._catalog.entities(np.array([ordinal], np.int32))[0]
            phrase, text = self._posed(entity, rng)
            answer = self._engine.answer(self._engine.query(SearchRequest(query=text)), teacher)
            grades = self._grades(answer.impression, phrase, ordinal)
            if grades.any():
                yield Lesson(impression=answer.impression, grades=grades)

    def _posed(self, entity: Entity, rng: np.random.Generator) -> tuple[str, str]:
        """What is meant, and how it is typed; a share of `LOOSE` by the templates."""
        if self._generator is not None and rng.random() >= LOOSE:
            return self._generator.pose(entity, rng)
        phrase = pose(entity, rng)
        return phrase, distort(phrase, rng)

    def _sample(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        columns = self._catalog.columns
        weights = np.where(columns.live, 0.3 + columns.popularity, 0.0).astype(np.float64)
        if not weights.sum():
            return np.empty(0, np.int64)
        return rng.choice(columns.n, size=count, p=weights / weights.sum())

    def _grades(self, impression: Impression, phrase: str, target: int) -> NDArray[np.int32]:
        """By duplicate group: another release of the same recording is as right as the one that was drawn."""
        keys = self._catalog.columns.fold_key
        also = [row.ordinal for row in self._memory.query_rows(phrase, now=impression.query.time) if row.predicted]
        also = [ordinal for ordinal in also if ordinal < len(keys)]
        found = keys[impression.ordinals]
        grades = np.where(np.isin(found, keys[np.array(also, np.intp)]), ALSO_GRADE, 0)
        return np.where(found == keys[target], TARGET_GRADE, grades).astype(np.int32)


def distort(phrase: str, rng: np.random.Generator) -> str:
    """The phrase as people type it: as it is, misspelt (1 edit, 2 when long), or without its end."""
    draw = rng.random()
    if draw < 0.45 or len(phrase) < 4:
        return phrase
    if draw < 0.8:
        return misspell(phrase, 2 if len(phrase) > _LONG else 1, rng)
    cut = int(rng.integers(max(3, len(phrase) // 2), len(phrase)))
    return phrase[:cut].strip()


def misspell(text: str, edits: int, rng: np.random.Generator) -> str:
    """Random single-character edits: leave out, double, swap with the next, or put a letter in its place."""
    for _ in range(edits):
        place = int(rng.integers(0, max(len(text) - 1, 1)))
        kind = int(rng.integers(0, 4))
        letter = _LETTERS[int(rng.integers(0, len(_LETTERS)))]
        middle = ("", text[place] * 2, text[place : place + 2][::-1], letter)[kind]
        text = text[:place] + middle + text[place + (2 if kind == 2 else 1) :]
    return text


def pose(entity: Entity, rng: np.random.Generator) -> str:
    """A query for the entity: its name, another that was predicted for it, or words that describe it, in any order."""
    draw = rng.random()
    names = [normalize(entity.title), *(normalize(f"{artist} {entity.title}") for artist in entity.artists[:1])]
    if draw < NAMED_SHARE:
        return names[int(rng.integers(0, len(names)))]
    phrases = predicted_queries(entity)
    if phrases and draw < NAMED_SHARE + PREDICTED_SHARE:
        weights = np.array([score for _, score in phrases], np.float64)
        return phrases[int(rng.choice(len(phrases), p=weights / weights.sum()))][0]
    values = [attribute.value for attribute in entity.attributes]
    text = " ".join([entity.title, *entity.artists, entity.album or "", *values, str(entity.year or "")])
    words = list(dict.fromkeys(terms(text)))
    count = min(len(words), int(rng.integers(2, 5)))
    return " ".join(words[place] for place in rng.choice(len(words), size=count, replace=False).tolist())
