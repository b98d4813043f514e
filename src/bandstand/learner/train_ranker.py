"""The ranker's training data, from synthetic examples and from the log, and the training itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.feedback.rewards import ranker_grades
from bandstand.learner.selfplay import Curriculum, SyntheticExample
from bandstand.models.registry import ModelRegistry, publish_next
from bandstand.ranker.train import RoundsProgress, TrainedRanker, TrainSettings, train_lambdamart
from bandstand.ranker.training_set import TrainingSet, concatenate, mask_retrievers
from bandstand.types import LOGGED_DEPTH, FeatureLayout, Matrix

UNSEEN_POSITION = LOGGED_DEPTH + 1
"""Rankings that were shown to nobody, of synthetic examples and of imported searches, share one position of their own,
which learns a bias of its own."""

SYNTHETIC_WEIGHT = 0.5
"""What a row of a synthetic example counts beside 1 for a row of a clicked search, once there are clicks."""

MEMORY_MASKED = 0.6
"""Share of synthetic examples in which memory is hidden. It holds the very phrases that they are made of, and would
otherwise be the only feature that the model looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What was trained on, what came of it, and whether it serves now."""

    version: str
    promoted: bool
    examples: int
    clicked_searches: int
    metrics: dict[str, float]


def synthetic_set(examples: Sequence[SyntheticExample], layout: FeatureLayout, *, weight: float) -> TrainingSet:
    """Synthetic examples as a training set in the columns of a layout."""
    rows = [example.grades for example in examples]
    n = sum(map(len, rows))
    return TrainingSet(
        features=np.concatenate([example.impression.rows.aligned(layout) for example in examples]),
        layout=layout,
        grades=np.concatenate(rows),
        groups=np.array([len(row) for row in rows], np.int32),
        positions=np.full(n, UNSEEN_POSITION, np.int32),
        weights=np.full(n, weight, np.float32),
    )


def curriculum_set(curriculum: Curriculum, layout: FeatureLayout, *, weight: float, seed: int) -> TrainingSet | None:
    """All synthetic examples, memory hidden in a share of those that were posed; None where there are none."""
    if not curriculum.sampled:
        return None
    rng = np.random.default_rng(seed)
    posed = synthetic_set(curriculum.sampled, layout, weight=weight)
    data = mask_retrievers(posed, ("memory",), rng, chance=MEMORY_MASKED)
    remembered = curriculum.remembered
    return concatenate(data, synthetic_set(remembered, layout, weight=weight)) if remembered else data


def clicks_set(searches: Iterable[Joined], layout: FeatureLayout) -> tuple[TrainingSet | None, tuple[float, float]]:
    """Shown hits of the searches that satisfied somebody, with their positions; and the time that they span.

    Rows are aligned by name: a search that was logged with other retrievers or features is one in which some did not
    play, or are unknown.
    """
    found = [clicked for search in searches if (clicked := clicked_part(search, layout)) is not None]
    if not found:
        return None, (0.0, 0.0)
    data = TrainingSet(
        features=np.concatenate([clicked.features for clicked in found]),
        layout=layout,
        grades=np.concatenate([clicked.grades for clicked in found]),
        groups=np.array([len(clicked.grades) for clicked in found], np.int32),
        positions=np.concatenate([clicked.positions for clicked in found]),
        weights=np.ones(sum(len(clicked.grades) for clicked in found), np.float32),
    )
    return data, (min(clicked.time for clicked in found), max(clicked.time for clicked in found))


class Clicked(NamedTuple):
    """The judged part of one search: what was shown, and down to the last hit that satisfied."""

    time: float
    features: Matrix
    grades: NDArray[np.int32]
    positions: NDArray[np.int32]


def clicked_part(search: Joined, layout: FeatureLayout) -> Clicked | None:
    """What a search teaches the ranker; None where nothing satisfied, or no feature of the layout was logged.

    Of an imported search, whose page is unknown, that is the whole ranking that was logged.
    """
    impression, grades = search.impression, ranker_grades(search.grades())
    seen = impression.decision.known
    start = impression.query.offset if seen else 0
    last = start + impression.shown if seen else len(grades)
    stop = max(last, int(np.max(np.flatnonzero(grades), initial=-1)) + 1)
    if not grades[start:stop].any() or not layout.shares(impression.rows.layout):
        return None
    places = np.arange(start + 1, stop + 1, dtype=np.int32)
    positions = places if seen else np.full_like(places, UNSEEN_POSITION)
    return Clicked(impression.query.time, impression.rows.aligned(layout)[start:stop], grades[start:stop], positions)


class Trained(NamedTuple):
    """A ranker, on how many clicked searches it was trained, and the time that they span."""

    ranker: TrainedRanker
    clicked_searches: int
    span: tuple[float, float]


Train = Callable[[Curriculum, Iterable[Joined], FeatureLayout, int, TrainSettings, RoundsProgress | None], Trained]
"""Trains on synthetic examples and on the log's searches, in the columns of a layout, by a seed; here or elsewhere."""


def train_here(
    curriculum: Curriculum,
    searches: Iterable[Joined],
    layout: FeatureLayout,
    seed: int,
    settings: TrainSettings,
    progress: RoundsProgress | None,
) -> Trained:
    """A `Train` in this process.

    Raises:
        BadInput: there is neither a synthetic example nor a clicked search.
    """
    clicks, span = clicks_set(searches, layout)
    sampled = curriculum_set(curriculum, layout, weight=1.0 if clicks is None else SYNTHETIC_WEIGHT, seed=seed)
    data = concatenate(clicks, sampled) if clicks is not None and sampled is not None else clicks or sampled
    if data is None:
        raise nothing_to_learn()
    ranker = train_lambdamart(data, retrievers=layout.retrievers, settings=settings, seed=seed, progress=progress)
    return Trained(ranker, 0 if clicks is None else len(clicks), span)


def nothing_to_learn() -> BadInput:
    """What is said where there is neither a synthetic example nor a clicked search."""
    return BadInput("nothing to train on: ingest a catalogue, run `bandstand index`, or collect clicks first")


def train_ranker(  # noqa: PLR0913 - what is trained on, and how
    models: ModelRegistry,
    *,
    curriculum: Curriculum,
    searches: Iterable[Joined],
    layout: FeatureLayout,
    seed: int,
    keep: int,
    settings: TrainSettings = TrainSettings(),
    progress: RoundsProgress | None = None,
    train: Train = train_here,
) -> TrainingReport:
    """Train on everything known, publish, and promote unless an operator pinned the version that serves.

    Raises:
        BadInput: there is neither a synthetic example nor a clicked search.
    """
    ranker, clicked, span = train(curriculum, searches, layout, seed, settings, progress)
    card = ranker.card(data_range=span if clicked else None)
    published = publish_next(models, "ranker", ranker.files(), card, keep=keep)
    return TrainingReport(
        version=published.version,
        promoted=published.promoted,
        examples=len(curriculum.sampled),
        clicked_searches=clicked,
        metrics=ranker.metrics,
    )
