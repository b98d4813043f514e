"""What every store of the catalogue offers: entities by id and by ordinal, and the order in which they last changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bandstand.types import Entity, History, Ordinals, Place

CHUNK = 4_096
"""Entities a transaction: large enough to amortise its cost, small enough that other writers get their turn."""


@dataclass(frozen=True, slots=True)
class Change:
    """The newest state of one entity: ``entity`` is None when it is deleted; ``added`` is seconds since 1970.

    ``chapter`` is that of ``seq`` in the store's history.
    """

    seq: int
    ordinal: int
    entity: Entity | None
    added: float
    chapter: str = ""

    @property
    def place(self) -> Place:
        """Where in the store's history it stands."""
        return Place(self.seq, self.chapter)


class Store(Protocol):
    """Entities by id and by ordinal, and the order in which they last changed. Safe for threads and processes.

    Ordinals count from 0 and are never given to another id. Every change takes the next sequence number, so that a
    reader that remembers the last number it saw misses nothing: as long as `history` holds the place that it remembers.

    Raises:
        StorageError, Unavailable: from any method, when what is stored cannot be reached.
    """

    def upsert(self, entities: Iterable[Entity]) -> int:
        """Store entities, the last of several with one id winning; return how many differ from what was stored."""
        ...

    def delete(self, ids: Iterable[str]) -> int:
        """Delete entities; return how many of the ids were there."""
        ...

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """Return the entity of an id, or raise `NotFound`."""
        ...

    def get_many(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the entities of ordinals, aligned; None where unknown or deleted."""
        ...

    def recall(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the last known state of ordinals, deleted ones too, aligned; None where never given."""
        ...

    def ordinals(self, ids: Sequence[str], *, within_s: float | None = None) -> Ordinals:
        """Return the ordinals of ids, int32 (n,), -1 where unknown or deleted.

        A store on another machine is waited for no longer than ``within_s`` seconds, if given.
        """
        ...

    def scan(self, batch: int = 5_000) -> Iterator[tuple[int, Entity]]:
        """Yield (ordinal, entity) of everything live by ordinal, reading ``batch`` rows at a time."""
        ...

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return at most ``limit`` changes with a sequence number above ``after``, ascending."""
        ...

    def head(self) -> int:
        """Return the newest sequence number, 0 when nothing was ever stored."""
        ...

    def count(self) -> int:
        """Return how many entities are live."""
        ...

    def history(self) -> History:
        """Return what sequence numbers belong to."""
        ...

    def ordinal_history(self) -> History:
        """Return what ordinals belong to; number n is that of ordinal n - 1."""
        ...

    def close(self) -> None:
        """Give back what is held open; safe to call twice."""
        ...
