"""The query generator of a home: the one that serves, and new ones from its log."""

from __future__ import annotations

import structlog

from bandstand.errors import BadInput, ModelError
from bandstand.learner.train_generator import GeneratorReport, new_generator
from bandstand.memory_index.generator import GENERATOR_FILE, Generator
from bandstand.memory_index.phrases import predicted_queries
from bandstand.memory_index.predicted import Predict
from bandstand.rewarding import judged
from bandstand.storage import Storage
from bandstand.types import Entity


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


def train_generator(storage: Storage) -> GeneratorReport:
    """A new generator from the whole log (raises `BadInput` where that holds too little)."""

    def entities(ids: list[str]) -> list[Entity]:
        ordinals = storage.store.ordinals(ids)
        return [entity for entity in storage.store.get_many(ordinals[ordinals >= 0]) if entity is not None]

    return new_generator(storage.models, judged(storage), entities, keep=storage.settings.keep_models)


def renew_generator(storage: Storage) -> GeneratorReport | None:
    """The same as part of the schedule: None where it is switched off or the log is too young."""
    try:
        return train_generator(storage) if storage.settings.generator else None
    except BadInput:
        return None
