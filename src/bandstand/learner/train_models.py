"""New query generators and reward models from the log: trained, published, promoted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.feedback.reward_model import FEATURE_HASH, MODEL_FILE
from bandstand.feedback.reward_training import train_reward
from bandstand.memory_index.generator import FORMAT_HASH, GENERATOR_FILE, count_pairs
from bandstand.models.registry import ModelCard, ModelRegistry, Published, publish_next
from bandstand.types import Entity

ENOUGH_PAIRS = 200
"""Distinct (query, entity, person) that the log must hold: with fewer the templates stay."""

_SATISFIED = 0.5
_AT_ONCE = 500

EntitiesOf = Callable[[list[str]], list[Entity]]
"""Those of the entities of some ids that there still are."""


def new_generator(models: ModelRegistry, searches: Iterable[Joined], entities: EntitiesOf, *, keep: int) -> Published:
    """Count the log's pairs, publish, and promote unless an operator pinned the version that serves.

    Who chooses the same entity for the same query again and again, a bot say, counts once.

    Raises:
        BadInput: the log holds too few pairs; the templates, or the generator that serves, go on.
    """
    chosen = list(dict.fromkeys(pair for search in searches for pair in _chosen(search)))
    if len(chosen) < ENOUGH_PAIRS:
        raise BadInput(
            f"too little to learn from how people ask: {len(chosen)} distinct choices, {ENOUGH_PAIRS} are needed; until"
            " then the templates serve"
        )
    counted = count_pairs(_with_entities(chosen, entities))
    metrics = {"pairs": float(counted.pairs), "unexplained": counted.unexplained}
    card = ModelCard(feature_hash=FORMAT_HASH, metrics=metrics)
    return publish_next(models, "generator", {GENERATOR_FILE: counted.generator.to_bytes()}, card, keep=keep)


def _chosen(search: Joined) -> Iterator[tuple[str, str, str]]:
    """Query, entity and person of what satisfied."""
    query, ids = search.impression.query, search.impression.entity_ids
    for row in np.flatnonzero(search.grades() >= _SATISFIED).tolist():
        if query.normalized:
            yield query.normalized, ids[row], query.actor or ""


def _with_entities(chosen: list[tuple[str, str, str]], entities: EntitiesOf) -> Iterator[tuple[str, Entity]]:
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        known = {entity.id: entity for entity in entities(sorted({entity for _, entity, _ in some}))}
        yield from ((query, known[entity]) for query, entity, _ in some if entity in known)


def new_reward(models: ModelRegistry, searches: Iterable[Joined], *, seed: int, keep: int) -> Published:
    """Train on the log, publish, and promote unless an operator pinned the version that serves.

    Raises:
        BadInput: the log holds too little; the constants, or the model that serves, go on judging.
    """
    trained = train_reward(searches, seed=seed)
    card = ModelCard(data_range=trained.data_range, feature_hash=FEATURE_HASH, metrics=trained.metrics)
    return publish_next(models, "reward", {MODEL_FILE: trained.model.to_bytes()}, card, keep=keep)
