"""New versions of the models that self-play and the log teach, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Storage
from bandstand.bandit.gate_training import TrainedGate, UsefulLabel
from bandstand.errors import BadInput, ModelError
from bandstand.feedback.joined import Joined, joined
from bandstand.feedback.reward_model import MODEL_FILE, Grader, RewardModel, by_constants, by_model
from bandstand.feedback.rewards import CLICKS_ALONE, DEFAULT_WEIGHTS, RewardWeights
from bandstand.learner.gate_labels import gate_from_log, synthetic_labels, with_estimates
from bandstand.learner.lessons import Lessons, lessons
from bandstand.learner.selfplay import Curriculum, SelfPlay, SyntheticExample
from bandstand.learner.train_models import new_generator, new_reward
from bandstand.learner.train_ranker import Train, TrainingReport, train_here, train_ranker
from bandstand.memory_index.generator import GENERATOR_FILE, Generator
from bandstand.memory_index.predicted import Predict, predicted_queries
from bandstand.models.registry import Published
from bandstand.ranker.start import Start
from bandstand.ranker.train import TrainSettings
from bandstand.settings import Settings
from bandstand.types import Entity, Progress, Roster


def weights_of(settings: Settings) -> RewardWeights:
    """The constants that serve until a reward model does, or always."""
    return CLICKS_ALONE if settings.reward_model == "clicks" else DEFAULT_WEIGHTS


def judged(storage: Storage, *, newest: int | None = None) -> Iterator[Joined]:
    """Every search of the log with its events, graded as the settings want it; ``newest``: of so many last entries."""
    log, after = storage.log, 0 if newest is None else max(storage.log.head() - newest, 0)
    return joined(log, storage.settings.join_minutes * 60, after=after, grader=grader_of(storage))


def grader_of(storage: Storage) -> Grader:
    """The reward model that serves; the constants where there is none, or none that can be used."""
    if storage.settings.reward_model == "learned":
        try:
            model = storage.models.current("reward")
            if model is not None:
                return by_model(RewardModel.from_bytes(model.read(MODEL_FILE)))
        except ModelError as error:
            structlog.get_logger("models").error("model_refused", model="reward", reason=str(error))
    return by_constants(weights_of(storage.settings))


def read_log(
    storage: Storage,
    roster: Roster,
    *,
    newest: int | None = None,
    shown: Callable[[Joined], Joined] | None = None,
) -> Lessons:
    """What the ``newest`` searches of the log teach, by default as many as the settings say; see `lessons`."""
    log, settings = storage.log, storage.settings
    after = log.before_newest(settings.train_searches if newest is None else newest)
    return lessons(joined(log, settings.join_minutes * 60, after=after), roster, shown=shown)


def train_reward_model(storage: Storage, learned: Lessons) -> Published:
    """A new reward model (raises `BadInput` where the log holds too little)."""
    settings = storage.settings
    return new_reward(storage.models, learned.recent, seed=settings.seed, keep=settings.keep_models)


def generator_of(storage: Storage) -> Generator | None:
    """The generator that serves; None where it is switched off, or there is none, or none that can be used."""
    if not storage.settings.generator:
        return None
    try:
        model = storage.models.current("generator")
        return None if model is None else Generator.from_bytes(model.read(GENERATOR_FILE))
    except ModelError as error:
        structlog.get_logger("models").error("model_refused", model="generator", reason=str(error))
        return None


def prediction_of(storage: Storage) -> Predict:
    """What predicts queries for new entities: the generator beside the templates, or these alone."""
    generator = generator_of(storage)
    return predicted_queries if generator is None else generator.predicted


def train_generator(storage: Storage, learned: Lessons) -> Published:
    """A new generator (raises `BadInput` where the log holds too little)."""

    def entities(ids: list[str]) -> list[Entity]:
        ordinals = storage.store.ordinals(ids)
        return [entity for entity in storage.store.get_many(ordinals[ordinals >= 0]) if entity is not None]

    searches = learned.graded(grader_of(storage))
    return new_generator(storage.models, searches, entities, keep=storage.settings.keep_models)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How one training differs from the platform's own, which the defaults describe.

    Args:
        newest: only so many of the log's latest searches; None: all.
        judged: the log holds judged answers instead of what people did with a page: each search counts as if its whole
            ranking had been shown, and neither a reward model nor a query generator can be learned from it.
        settings: of the ranker.
        trainer: where the ranker is trained.
        curriculum: gives the synthetic examples; None: self-play makes new ones.
    """

    newest: int | None = None
    judged: bool = False
    settings: TrainSettings = TrainSettings()
    trainer: Train = train_here
    curriculum: Callable[[], Curriculum] | None = None


def new_models(
    storage: Storage,
    searching: SearchingSide,
    plan: TrainingPlan = TrainingPlan(),
    *,
    progress: Progress | None = None,
) -> tuple[TrainingReport, Sequence[SyntheticExample]]:
    """Train ranker and retrieval gate on self-play and on the log, publish, and promote unless an older one is pinned.

    Before that a reward model and a query generator, where the log holds enough. Needs no `LearningSide`, so that it
    works beside the process that has it. The synthetic examples are returned as the bandit would have met them.

    Raises:
        BadInput: there is neither a synthetic example nor a search that satisfied somebody.
    """
    settings, roster = storage.settings, searching.features.roster
    learned = read_log(storage, roster, newest=plan.newest, shown=_shown_whole if plan.judged else None)
    if not plan.judged and settings.reward_model == "learned":
        with suppress(BadInput):  # first, so that the others are trained on what it says
            train_reward_model(storage, learned)
    if not plan.judged and settings.generator:
        with suppress(BadInput):
            train_generator(storage, learned)
    curriculum = plan.curriculum() if plan.curriculum else self_play(storage, searching, progress=progress)
    report = train_ranker(
        storage.models,
        curriculum=curriculum,
        searches=learned.graded(grader_of(storage)),
        layout=searching.features.layout,
        seed=settings.seed,
        keep=settings.keep_models,
        settings=replace(plan.settings, start=Start.of(searching.features)),
        progress=progress and (lambda done, of: progress("ranker", done, of)),
        train=plan.trainer,
    )
    searching.refresh()
    examples = (*curriculum.sampled, *curriculum.remembered)
    trained = new_gate(storage, searching, examples, learned.labels)
    return report, examples if trained is None else tuple(with_estimates(examples, trained))


def self_play(storage: Storage, searching: SearchingSide, *, progress: Progress | None = None) -> Curriculum:
    """Synthetic examples: queries predicted for entities of the catalogue, as the platform answers them now."""
    count = storage.settings.selfplay_queries
    play = SelfPlay(
        engine=searching.engine,
        catalog=searching.catalog,
        memory=searching.memory,
        generator=generator_of(storage),
    )
    return play.curriculum(
        count,
        seed=storage.settings.seed,
        progress=progress and (lambda done: progress("self-play", done, count)),
    )


def _shown_whole(search: Joined) -> Joined:
    """The search as if somebody had looked at its whole ranking."""
    impression = search.impression
    query = replace(impression.query, offset=0)
    return replace(search, impression=replace(impression, query=query, shown=len(impression.features)))


def new_gate(
    storage: Storage, searching: SearchingSide, examples: Sequence[SyntheticExample], labels: Sequence[UsefulLabel]
) -> TrainedGate | None:
    """Train the retrieval gate on synthetic examples and the log's labels, publish, promote; None: that was too little.

    The ranker that serves judges the synthetic examples, so it is trained first.
    """
    settings = storage.settings
    roster = searching.features.roster
    sampled = synthetic_labels(examples, searching.catalog.columns, searching.serving().scorer, roster)
    trained = gate_from_log(storage.models, sampled, labels, roster, seed=settings.seed, keep=settings.keep_models)
    searching.refresh()
    return trained
