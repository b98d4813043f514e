"""Keeps every index at the catalogue's newest state: each follows the change feed from where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bandstand.catalog.store import Change, Store
from bandstand.types import Progress

BATCH = 2_000


class Follower(Protocol):
    """An index that can take in catalogue changes."""

    @property
    def name(self) -> str:
        """What progress and errors call it."""

    @property
    def seq(self) -> int:
        """The newest change that is durably part of it."""

    def follow(self, changes: Sequence[Change]) -> None:
        """Take in changes, ascending; durable on return, and harmless when repeated."""


class Indexer:
    """Brings followers up to date. For one thread; killed at any moment, it continues where each index stands."""

    def __init__(self, store: Store, followers: Sequence[Follower]) -> None:
        self._store = store
        self._followers = tuple(followers)
        self._read: tuple[tuple[int, int], Sequence[Change]] = ((0, 0), ())

    def step(self, *, progress: Progress | None = None) -> int:
        """Apply what has changed since; returns how many changes were applied, over all indexes.

        The indexes take turns, so that a slow one does not keep new entities from being found by the others.
        """
        done = 0
        try:
            while count := sum(self._advance(follower, progress) for follower in self._followers):
                done += count
        finally:
            self._read = ((0, 0), ())
        return done

    @property
    def seq(self) -> int:
        """The change up to which everything is searchable."""
        return min((follower.seq for follower in self._followers), default=self._store.head())

    def _advance(self, follower: Follower, progress: Progress | None) -> int:
        """Let one index take in the next batch, if there is any."""
        head = self._store.head()
        changes = self._changes(follower.seq, head) if follower.seq < head else ()
        if changes:
            follower.follow(changes)
            if progress is not None:
                progress(follower.name, changes[-1].seq, head)
        return len(changes)

    def _changes(self, after: int, head: int) -> Sequence[Change]:
        """The next batch, read once for all that stand at the same place."""
        if self._read[0] != (after, head):
            self._read = (after, head), self._store.changes(after, BATCH)
        return self._read[1]
