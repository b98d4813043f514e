"""Everything that is held of a person, for that person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from bandstand.app.personal import PLACES
from bandstand.catalog.store import Store
from bandstand.feedback.log import Log
from bandstand.feedback.ubi_events import event_to_ubi
from bandstand.feedback.ubi_queries import query_to_ubi
from bandstand.learner.state import hashes_of
from bandstand.memory_index.memory import Memory
from bandstand.types import Event, actor_of

Told = dict[str, Any]
"""One thing that is held; ``what`` says of which kind it is."""

_PERSONAL = tuple(place.name for place in PLACES if place.kind == "state" and place.holds)
_OTHERS_TOO = frozenset({"asked/", "hunch/"})
"""What names others beside the one who asks: of it is told only that it is there."""


class Disclosure:
    """Tells people what a home, or a cluster, holds of them.

    Raises:
        StorageError, Unavailable: from `of`: log, memory or catalogue cannot be read.
    """

    def __init__(self, log: Log, memory: Memory, store: Store) -> None:
        self._log, self._memory, self._store = log, memory, store

    def of(self, user_id: str) -> Iterator[Told]:
        """What is held of a user, and of the sessions in which the log has seen that user: plain JSON values."""
        sessions = self._log.sessions_of(user_id)
        for record in self._log.records_of(user_id, sessions):
            if isinstance(record, Event):
                yield {"what": "event", **event_to_ubi(record)}
            else:
                yield {"what": "search", **query_to_ubi(record)}
        for actor in (user_id, *(str(actor_of(None, session)) for session in sessions)):
            yield from self._remembered(actor)
        yield from self._derived(hashes_of(user_id, sessions))

    def _remembered(self, actor: str) -> Iterator[Told]:
        queries, choices = self._memory.held_of(actor)
        for what, held in (("query", queries), ("choice", choices)):
            named = self._entities([each.ordinal for each in held])
            for each in held:
                told = asdict(each)
                yield {"what": what, "actor": actor, "entity": named[told.pop("ordinal")], **told}

    def _entities(self, ordinals: Sequence[int]) -> Mapping[int, Told | None]:
        """Id and title by ordinal; None for what is not in the catalogue any more."""
        distinct = np.unique(np.array(ordinals, np.int32))
        found = self._store.get_many(distinct)
        return {
            ordinal: None if entity is None else {"id": entity.id, "title": entity.title}
            for ordinal, entity in zip(distinct.tolist(), found, strict=True)
        }

    def _derived(self, hashes: Sequence[str]) -> Iterator[Told]:
        """What the learner keeps by hashes of somebody."""
        wanted = [each.encode() for each in hashes]
        for where in _PERSONAL:
            for key, raw in self._memory.scan(where.encode()):
                if any(each in key or each in raw for each in wanted):
                    value = None if where in _OTHERS_TOO else _plain(raw)
                    yield {"what": "derived", "where": where, **({} if value is None else {"value": value})}


def _plain(raw: bytes) -> object:
    """A value as it is kept, where it is JSON; None where it is numbers in bytes."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
