"""Predictions for a whole catalogue: what fills the memory before anybody clicks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from bandstand.catalog.store import Change
from bandstand.memory_index.batch import MemoryBatch
from bandstand.memory_index.keys import query_key
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.phrases import predicted_queries
from bandstand.types import Entity

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
        return int(self._memory.state(_SEQ) or b"0")

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
            batch.put(_SEQ, str(changes[-1].seq).encode())
