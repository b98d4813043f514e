"""Lessons of what clicks mean: copies of posed searches in which the memory already holds an answer.

Before the first click no lesson shows a memory with clicks in it. So a ranker could not know that they count more than
any likeness of words, nor the bandit that hardly any other retriever is needed then. These copies say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from bandstand.learner.lesson import TARGET_GRADE, Lesson
from bandstand.memory_index.posterior import posterior_mean
from bandstand.memory_index.settings import MemorySettings
from bandstand.types import ArmDecision, Impression, Matrix

LIKELY_RIGHT = 0.5
"""Share of copies in which the clicks are on the right answer. In the others they are on some other candidate, which
then is the right one: a nickname, that no words could have told."""

_MOST_CLICKS = 6


def remembered(
    lessons: Iterable[Lesson], rng: np.random.Generator, *, share: float, settings: MemorySettings
) -> Iterator[Lesson]:
    """Copies of a ``share`` of the lessons as they would look after one to six clicks on one candidate.

    The clicked candidate is the right answer. It stands first in the memory with the posterior that those clicks give,
    half of them followed by plays; other candidates keep what was predicted for them, one place further down. What the
    bandit saw of the memory changes accordingly.
    """
    for lesson in lessons:
        if rng.random() < share:
            right = rng.random() < LIKELY_RIGHT
            row = int(np.argmax(lesson.grades)) if right else int(rng.integers(0, len(lesson.grades)))
            yield _copy(lesson, row, rng, settings)


def _copy(lesson: Lesson, row: int, rng: np.random.Generator, settings: MemorySettings) -> Lesson:
    impression = lesson.impression
    column = {name: place for place, name in enumerate(impression.feature_names)}
    evidence = _evidence(float(impression.features[row, column["memory.predicted"]]), rng, settings)
    features = _behind(impression.features, column["memory.rr"])
    for name, value in evidence.items():
        features[row, column[name]] = value
    grades = np.zeros_like(lesson.grades)
    grades[row] = TARGET_GRADE
    return Lesson(impression=_seen(replace(impression, features=features), evidence), grades=grades)


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
