"""New versions of the models that self-play and the log teach, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bandstand.bandit.abstention_train import TrainedAbstention
from bandstand.feedback.joined import joined
from bandstand.generating import generator_of, renew_generator
from bandstand.home import Home
from bandstand.learner.helped import lesson_labels, train_helped, with_estimates
from bandstand.learner.lesson import Lesson
from bandstand.learner.selfplay import SelfPlay
from bandstand.learner.train_ranker import Train, TrainingReport, train_here, train_ranker
from bandstand.rewarding import judged, renew_reward
from bandstand.storage import Storage

Told = Callable[[str, int, int], None]
"""Progress of a long job: what is going on, done, of how many."""


def new_models(
    storage: Storage, home: Home, *, told: Told | None = None, how: Train = train_here
) -> tuple[TrainingReport, Sequence[Lesson]]:
    """Train ranker and abstention on self-play and on the log, publish, and promote unless an older one is pinned.

    Before that a reward model and a query generator, where the log holds enough. Needs no `Workshop`, so that it works
    beside the process that has it. The lessons are returned as the bandit would have met them.
    """
    settings = storage.settings
    renew_reward(storage)  # first, so that the others are trained on what it says
    renew_generator(storage)
    play = SelfPlay(engine=home.engine, catalog=home.catalog, memory=home.memory, generator=generator_of(storage))
    count = settings.selfplay_queries
    curriculum = play.curriculum(
        count, seed=settings.seed, progress=told and (lambda done: told("self-play", done, count))
    )
    report = train_ranker(
        storage.models,
        curriculum=curriculum,
        searches=judged(storage),
        seed=settings.seed,
        progress=told and (lambda done, of: told("ranker", done, of)),
        train=how,
    )
    storage.models.prune("ranker", settings.keep_models)
    home.refresh()
    lessons = (*curriculum.posed, *curriculum.remembered)
    trained = new_abstention(storage, home, lessons)
    return report, lessons if trained is None else tuple(with_estimates(lessons, trained))


def new_abstention(storage: Storage, home: Home, lessons: Sequence[Lesson]) -> TrainedAbstention | None:
    """Train the abstention score on lessons and on the log, publish and promote it; None where that was too little.

    The ranker that serves judges the lessons, so it is trained first.
    """
    settings = storage.settings
    posed = lesson_labels(lessons, home.catalog.columns, home.brains().scorer)
    searches = joined(storage.log, settings.join_minutes * 60)
    trained = train_helped(storage.models, posed, searches, seed=settings.seed)
    storage.models.prune("abstention", settings.keep_models)
    home.refresh()
    return trained
