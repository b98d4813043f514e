"""Which playlists and albums hold an entity, and what they hold: the catalogue's members, by ordinal and both ways."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog, Columns
from bandstand.types import Ordinals, Scores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """Pairs of a container and a member, int32 (p,), in the containers' order and in that of the members.

    ``starts`` int64 (n + 1,): where the pairs of each container begin; ``holders_from`` where those of each member do.
    """

    columns: Columns
    members: Ordinals
    starts: NDArray[np.int64]
    holders: Ordinals
    holders_from: NDArray[np.int64]


class Memberships:
    """Members of one catalogue; built on first use, and anew when what is held has changed. Safe for threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._state: _State | None = None
        self._building = threading.Lock()

    def follow(self) -> None:
        """Bring it up to date if it was ever used."""
        if self._state is not None:
            self._current()

    def held_by(self, ordinal: int) -> Ordinals:
        """What an entity holds, int32 (m,), live, in its own order."""
        state = self._current()
        return _live(state, state.members[state.starts[ordinal] : state.starts[ordinal + 1]])

    def holders_of(self, ordinal: int) -> Ordinals:
        """What holds an entity, int32 (m,), live, ascending."""
        state = self._current()
        return _live(state, state.holders[state.holders_from[ordinal] : state.holders_from[ordinal + 1]])

    def beside(self, ordinal: int) -> tuple[Ordinals, Scores]:
        """What stands in the same lists as an entity: ordinals int32 (m,) ascending, scores float32 (m,) in [0, 1).

        x(f) = Σ w(l) over the lists that hold both / (1 + Σ w(l) over those that hold the entity), w(l) = 1 / log2(1 +
        length of l): a short list says more than a long one, and one list says less than all of several.
        """
        state, lists = self._current(), self.holders_of(ordinal).tolist()
        held = [state.members[state.starts[each] : state.starts[each + 1]] for each in lists]
        weights = np.array([1 / np.log2(1 + len(each)) for each in held])
        if not lists:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        ordinals, at = np.unique(np.concatenate(held), return_inverse=True)
        sums = np.bincount(at, np.repeat(weights, [len(each) for each in held])) / (1 + weights.sum())
        kept = state.columns.live[ordinals] & (ordinals != ordinal)
        return ordinals[kept].astype(np.int32), sums[kept].astype(np.float32)

    def _current(self) -> _State:
        columns, state = self._catalog.columns, self._state
        if state is not None and state.columns is columns:
            return state
        with self._building:
            self._state = state = _followed(self._state, columns)
            return state


def _followed(state: _State | None, columns: Columns) -> _State:
    """The state of a snapshot. Where an id is new, members have to be looked for again: it may have been missing."""
    if state is not None and _same(columns, state.columns):
        return replace(state, columns=columns)
    containers = np.flatnonzero(columns.members != None)  # noqa: E711 - compares every element
    ordinal_of = dict(zip(columns.ids.tolist(), range(columns.n), strict=True)) if len(containers) else {}
    rows = [list(dict.fromkeys(map(ordinal_of.get, columns.members[each]))) for each in containers.tolist()]
    known = [[member for member in row if member is not None] for row in rows]
    members = np.array([member for row in known for member in row], np.int32)
    holders = np.repeat(containers, [len(row) for row in known]).astype(np.int32)
    order = np.argsort(members, kind="stable")
    every = np.arange(columns.n + 1)
    return _State(
        columns=columns,
        members=members,
        starts=np.searchsorted(holders, every),
        holders=holders[order],
        holders_from=np.searchsorted(members[order], every),
    )


def _same(one: Columns, other: Columns) -> bool:
    """Whether the same ids hold the same members; an ordinal may have no id until its entity is first seen alive."""
    if one.n != other.n:
        return False
    return bool((one.ids == other.ids).all()) and not (one.members != other.members).any()


def _live(state: _State, ordinals: Ordinals) -> Ordinals:
    return ordinals[state.columns.live[ordinals]]
