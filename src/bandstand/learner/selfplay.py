"""Synthetic examples before any click: queries whose answer the catalogue knows, some with a memory of that answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.policy import Teacher
from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import normalize, terms
from bandstand.engine.request import SearchRequest
from bandstand.engine.search import Engine
from bandstand.memory_index.generator import Generator
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.posterior import posterior_mean
from bandstand.memory_index.predicted import predicted_queries
from bandstand.memory_index.settings import MemorySettings
from bandstand.memory_index.typos import LETTERS, most_typos, with_typo
from bandstand.types import ArmDecision, Entity, Impression, Matrix

TARGET_GRADE, ALSO_GRADE = 2, 1
"""LambdaMART grades of the entity that the query was made from, and of others for which it was predicted too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticExample:
    """One posed query as it was answered with every retriever; ``grades`` int32 (n,) judge the ranking's head."""

    impression: Impression
    grades: NDArray[np.int32]

    def feedback(self) -> Mapping[int, float]:
        """The example as feedback to the bandit: the wanted entity satisfies fully, else the next best by half."""
        best = self.impression.ordinals[self.grades == self.grades.max()][:1]
        satisfied = 1.0 if self.grades.max() == TARGET_GRADE else 0.5
        return {int(ordinal): satisfied for ordinal in best}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curriculum:
    """Synthetic examples as the platform answered them, and copies of some in which the memory already holds clicks."""

    sampled: tuple[SyntheticExample, ...] = ()
    remembered: tuple[SyntheticExample, ...] = ()


LIKELY_RIGHT = 0.5
"""Share of copies in which the clicks are on the right answer. In the others they are on some other candidate, which
then is the right one: a nickname, that no words could have told."""

_MOST_CLICKS = 6


def remembered(
    examples: Iterable[SyntheticExample], rng: np.random.Generator, *, share: float, settings: MemorySettings
) -> Iterator[SyntheticExample]:
    """Copies of a ``share`` of the synthetic examples as they would look after one to six clicks on one candidate.

    The clicked candidate is the right answer. It stands first in the memory with the posterior that those clicks give,
    half of them followed by plays; other candidates keep what was predicted for them, one place further down. What the
    bandit saw of the memory changes accordingly.
    """
    for example in examples:
        if rng.random() < share:
            right = rng.random() < LIKELY_RIGHT
            row = int(np.argmax(example.grades)) if right else int(rng.integers(0, len(example.grades)))
            yield _copy(example, row, rng, settings)


def _copy(example: SyntheticExample, row: int, rng: np.random.Generator, settings: MemorySettings) -> SyntheticExample:
    impression = example.impression
    column = {name: place for place, name in enumerate(impression.feature_names)}
    evidence = _evidence(float(impression.features[row, column["memory.predicted"]]), rng, settings)
    features = _behind(impression.features, column["memory.rr"])
    for name, value in evidence.items():
        features[row, column[name]] = value
    grades = np.zeros_like(example.grades)
    grades[row] = TARGET_GRADE
    return SyntheticExample(impression=_seen(replace(impression, features=features), evidence), grades=grades)


def _behind(features: Matrix, reciprocal_rank: int) -> Matrix:
    """A copy in which everything that the memory holds is one place further down: 1/r becomes 1/(r + 1)."""
    moved = features.copy()
    moved[:, reciprocal_rank] /= 1 + moved[:, reciprocal_rank]
    return moved


def _evidence(predicted: float, rng: np.random.Generator, settings: MemorySettings) -> dict[str, float]:
    """The memory's columns of the clicked candidate, by the memory's own arithmetic."""
    clicks = float(rng.integers(1, _MOST_CLICKS + 1)) * rng.uniform(0.25, 1.0)  # some are relabelled, and all decay
    plays = clicks if rng.random() < 0.5 else 0.0
    failures = clicks * rng.exponential(0.5)
    prior = settings.base_rate if np.isnan(predicted) else max(predicted, settings.base_rate)
    gains = clicks * settings.click_weight + plays * settings.play_weight
    known = np.array([[prior], [gains], [failures]], np.float32)
    score = posterior_mean(known[0], known[1], known[2], settings.prior_strength)
    return {
        "memory.score": float(score[0]),
        "memory.rr": 1.0,
        "memory.clicks": clicks,
        "memory.plays": plays,
        "memory.impressions": clicks + failures,
        "memory.own": float(rng.random() < 0.3),
        "memory.distance": 0.0,
    }


def _seen(impression: Impression, evidence: Mapping[str, float]) -> Impression:
    """The impression with the contexts in which the bandit would have decided, had the memory held that."""
    seen = {
        "memory_known": 1.0,
        "memory_top": evidence["memory.score"],
        "memory_clicks": float(np.log1p(evidence["memory.clicks"])),
        "memory_distance": 0.0,
    }

    def changed(arm: ArmDecision) -> ArmDecision:
        return replace(arm, context=tuple((name, seen.get(name, value)) for name, value in arm.context))

    arms = tuple(changed(arm) for arm in impression.decision.arms)
    return replace(impression, decision=replace(impression.decision, arms=arms))


NAMED_SHARE, PREDICTED_SHARE = 0.4, 0.35
"""Share of examples asked by title or artist and title, and by any predicted query. The rest are asked in loose
words: without them the ranker would only know whole names."""

LOOSE = 0.25
"""Share of examples that templates write beside a generator: what nobody asked for yet must not become unknown."""

REMEMBERED = 0.5
"""Share of synthetic examples of which a copy with clicks in the memory is added."""


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
        """`examples`, and copies of half of them with clicks in the memory."""
        sampled = tuple(self.examples(count, seed=seed, progress=progress))
        copies = remembered(sampled, np.random.default_rng(seed), share=REMEMBERED, settings=self._memory.settings)
        return Curriculum(sampled=sampled, remembered=tuple(copies))

    def examples(
        self, count: int, *, seed: int, progress: Callable[[int], None] | None = None
    ) -> Iterator[SyntheticExample]:
        """At most ``count`` synthetic examples in which something right was found; entities are drawn by popularity."""
        rng = np.random.default_rng(seed)
        teacher = Teacher()
        for number, ordinal in enumerate(self._sample(count, rng).tolist()):
            if progress is not None:
                progress(number + 1)
            entity = self._catalog.entities(np.array([ordinal], np.int32))[0]
            phrase, text = self._sampled(entity, rng)
            answer = self._engine.answer(self._engine.query(SearchRequest(query=text)), teacher)
            grades = self._grades(answer.impression, phrase, ordinal)
            if grades.any():
                yield SyntheticExample(impression=answer.impression, grades=grades)

    def _sampled(self, entity: Entity, rng: np.random.Generator) -> tuple[str, str]:
        """What is meant, and how it is typed; a share of `LOOSE` by the templates."""
        if self._generator is not None and rng.random() >= LOOSE:
            return self._generator.sample(entity, rng)
        phrase = sample(entity, rng)
        return phrase, distort(phrase, rng)

    def _sample(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        columns = self._catalog.columns
        weights = np.where(columns.live, 0.3 + columns.popularity, 0.0).astype(np.float64)
        if not weights.sum():
            return np.empty(0, np.int64)
        return rng.choice(columns.n, size=count, p=weights / weights.sum())

    def _grades(self, impression: Impression, phrase: str, target: int) -> NDArray[np.int32]:
        """By duplicate group: another release of the same recording is as right as the one that was drawn."""
        keys = self._catalog.columns.dedupe_key
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
        return misspell(phrase, most_typos(phrase), rng)
    cut = int(rng.integers(max(3, len(phrase) // 2), len(phrase)))
    return phrase[:cut].strip()


def misspell(text: str, edits: int, rng: np.random.Generator) -> str:
    """Random single-character edits: leave out, double, swap with the next, or put a letter in its place."""
    for _ in range(edits):
        place = int(rng.integers(0, max(len(text) - 1, 1)))
        kind = ("omit", "double", "swap", "replace")[int(rng.integers(0, 4))]
        text = with_typo(text, kind, place, LETTERS[int(rng.integers(0, len(LETTERS)))])
    return text


def sample(entity: Entity, rng: np.random.Generator) -> str:
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
