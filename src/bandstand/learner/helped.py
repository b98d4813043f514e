"""Labels of which expensive retriever helped, from self-play and from the log, and the training of the abstention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bandstand.bandit.abstention import HELPS
from bandstand.bandit.abstention_train import FEWEST, HelpLabel, TrainedAbstention, train_abstention
from bandstand.bandit.cost import EXPENSIVE
from bandstand.catalog.columns import Columns
from bandstand.engine.ablation import seen_before, subset_pages
from bandstand.errors import BadInput
from bandstand.feedback.ablation import Played, Verdict, ladder
from bandstand.feedback.joined import Joined
from bandstand.feedback.labelled import labelled
from bandstand.learner.lesson import Lesson
from bandstand.models import ModelCard, ModelRegistry
from bandstand.ranker.base import Scorer

LESSON_WEIGHT = 0.5
"""What a lesson's label counts beside 1 for one of a real search, once there are enough of these."""


def log_labels(searches: Iterable[Joined]) -> Iterator[HelpLabel]:
    """`labelled` searches as training labels."""
    for search in labelled(searches):
        record = search.ablation
        if record.arms != EXPENSIVE:
            continue  # recorded when other arms counted as expensive
        yield _label(record.context, record.yields, search.verdicts(), search.query.normalized, search.weight)


def lesson_labels(lessons: Iterable[Lesson], columns: Columns, scorer: Scorer) -> list[HelpLabel]:
    """Labels before any traffic: posed queries whose right answer is known, one for each lesson.

    The logged head stands for the whole ranking: what would have moved up from below it is not seen.
    """
    found = []
    for lesson in lessons:
        impression = lesson.impression
        pages = subset_pages(impression.features, impression.feature_names, impression.ordinals, columns, scorer)
        wanted = set(impression.ordinals[lesson.grades == lesson.grades.max()].tolist())

        def rank(played: Played, pages: Mapping[Played, object] = pages, wanted: set[int] = wanted) -> int:
            hits = np.asarray(pages[played]).tolist()
            return next((place for place, hit in enumerate(hits, start=1) if hit in wanted), 0)

        context, yields = seen_before(impression.decision)
        found.append(_label(context, yields, ladder(EXPENSIVE, rank), impression.query.normalized, LESSON_WEIGHT))
    return found


def with_estimates(lessons: Sequence[Lesson], trained: TrainedAbstention) -> Iterator[Lesson]:
    """The lessons as the bandit would have met them with estimates: those of models that did not see the lesson.

    ``trained`` must have been trained on the lessons' labels first, in their order.
    """
    for lesson, estimates in zip(lessons, trained.held_out.tolist(), strict=False):
        helps = dict(zip(EXPENSIVE, estimates, strict=True))
        decision = lesson.impression.decision
        arms = tuple(
            replace(
                arm,
                context=tuple(
                    (name, helps.get(arm.arm, 0.0) if name == HELPS else value) for name, value in arm.context
                ),
            )
            for arm in decision.arms
        )
        yield replace(lesson, impression=replace(lesson.impression, decision=replace(decision, arms=arms)))


def train_helped(
    models: ModelRegistry, posed: Sequence[HelpLabel], searches: Iterable[Joined], *, seed: int
) -> TrainedAbstention | None:
    """Train on lessons and on the log, publish, and promote unless pinned; None where there is too little to learn."""
    logged = list(log_labels(searches))
    if len(logged) < FEWEST:
        posed = [replace(label, weight=1.0) for label in posed]
    try:
        trained = train_abstention([*posed, *logged], seed=seed)
    except BadInput:
        return None
    serving = models.pointer("abstention")
    card = ModelCard(
        metrics={**trained.metrics, "logged": float(len(logged))}, parent=serving.current if serving else None
    )
    models.promote("abstention", models.publish("abstention", trained.files(), card), automatic=True)
    return trained


def _label(
    context: tuple[tuple[str, float], ...],
    yields: Mapping[str, float],
    verdicts: Mapping[str, Verdict],
    group: str,
    weight: float,
) -> HelpLabel:
    return HelpLabel(
        context=context,
        yields=dict(yields),
        helped={arm: verdict.helped for arm, verdict in verdicts.items()},
        gains={arm: verdict.gain for arm, verdict in verdicts.items()},
        group=group,
        weight=weight,
    )
