"""Writing what a user chose: history, who else chose it, and what is chosen together."""

from __future__ import annotations

import numpy as np

from bandstand.memory_index.history import CHOICE, Fans, History, Related, sketch
from bandstand.memory_index.keys import ANONYMOUS, ordinal_key, query_key
from bandstand.memory_index.tables import Tables
from bandstand.types import Ordinals

_TOGETHER = 5
"""How many of the entities chosen before go together with a new one."""


class Choices:
    """The personal side of one write transaction; users come as keys."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings

    def choose(
        self,
        user: bytes,
        ordinal: int,
        normalized: str | None,
        strength: float,
        now: float,
        *,
        beside: int | None = None,
    ) -> None:
        """Add a choice to the user's history; an entity new to it is counted as chosen with the latest others.

        ``beside`` is an entity as related to which it was offered: that one counts as chosen just before.
        """
        history = self._tables.users.get(user) or self._tables.users.put(user, History(np.empty(0, CHOICE)))
        before = history.rows["ordinal"]
        if ordinal not in before:
            offered = [] if beside in {None, ordinal} else [beside]
            self._choose_together(ordinal, np.append(before, np.array(offered, np.int32)))
        query = ANONYMOUS if normalized is None else query_key(normalized)
        row = np.array([(ordinal, 1.0, strength, now, query, sketch(normalized))], CHOICE)
        history.choose(row, self._settings.history_half_life)
        entity = ordinal_key(ordinal)
        fans = self._tables.fans.get(entity) or self._tables.fans.put(entity, Fans([]))
        fans.add(user, self._settings.fans_per_entity)
        for gone in history.trim(self._settings.history_per_user, self._settings.history_half_life):
            self._leave(user, gone)

    def _choose_together(self, ordinal: int, before: Ordinals) -> None:
        limit, this = self._settings.related_per_entity, self._related(ordinal)
        this.choosers += 1
        for mate in dict.fromkeys(before[: -4 * _TOGETHER : -1].tolist()[:_TOGETHER]):
            this.add(mate, limit)
            self._related(mate).add(ordinal, limit)

    def _related(self, ordinal: int) -> Related:
        key = ordinal_key(ordinal)
        return self._tables.related.get(key) or self._tables.related.put(key, Related(0.0, {}))

    def _leave(self, user: bytes, ordinal: int) -> None:
        fans = self._tables.fans.get(ordinal_key(ordinal))
        if fans is not None:
            fans.remove(user)
            if not fans.keys:
                self._tables.fans.delete(ordinal_key(ordinal))

    def forget_user(self, user: bytes) -> int:
        """Remove a user's history; how many choices it held."""
        history = self._tables.users.get(user)
        if history is None:
            return 0
        for ordinal in set(history.rows["ordinal"].tolist()):
            self._leave(user, ordinal)
        self._tables.users.delete(user)
        return len(history.rows)

    def forget_entity(self, ordinal: int) -> int:
        """Remove an entity from the histories of its known fans and from what goes together; how many records."""
        key, changed = ordinal_key(ordinal), 0
        fans, related = self._tables.fans.get(key), self._tables.related.get(key)
        for user in fans.keys if fans else ():
            history = self._tables.users.get(user)
            if history is not None:
                history.rows = history.rows[history.rows["ordinal"] != ordinal]
                changed += 1
        for mate in related.users if related else ():
            other = self._tables.related.get(ordinal_key(mate))
            changed += other is not None and other.users.pop(ordinal, None) is not None
        self._tables.fans.delete(key)
        self._tables.related.delete(key)
        return changed
