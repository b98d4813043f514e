"""What a catalogue store offers, wherever it keeps the entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from bandstand.catalog.store import Change
from bandstand.types import Entity, Ordinals


class Store(Protocol):
    """Entities by id and by ordinal, and the order in which they last changed; see `CatalogStore`.

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

    def ordinals(self, ids: Sequence[str]) -> Ordinals:
        """Return the ordinals of ids, int32 (n,), -1 where unknown or deleted."""
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

    def close(self) -> None:
        """Give back what is held open; safe to call twice."""
        ...
