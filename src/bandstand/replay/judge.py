"""Where a ranking holds the answers of a search: by recording, whichever release stands for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Columns
from bandstand.replay.stream import Answer, Ask
from bandstand.types import LOGGED_DEPTH, Ordinals

OrdinalsOf = Callable[[Sequence[str]], Ordinals]
"""Ordinals of entity ids, -1 where unknown."""


class Judge:
    """The judgements of one search, for any number of rankings of it."""

    def __init__(self, ask: Ask, columns: Columns, ordinals: OrdinalsOf) -> None:
        self._columns = columns
        self._known = self._keys(ordinals(ask.known))
        places = ordinals([answer.entity_id for answer in ask.answers])
        self._wanted = self._best_grades(places, ask.answers)
        missing = {
            answer.entity_id: answer.grade for answer, place in zip(ask.answers, places, strict=True) if place < 0
        }
        self.grades = sorted([*self._wanted.values(), *missing.values()], reverse=True)

    def found(self, ranking: Ordinals) -> list[tuple[int, int]]:
        """(rank from 1, grade) of every answer within `LOGGED_DEPTH`, without what the user is known to have."""
        keys = self._columns.fold_key[ranking]
        if len(self._known):
            keys = keys[~np.isin(keys, self._known)]
        keys = keys[:LOGGED_DEPTH]
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        hits, seen = [], set[int]()
        for place in np.flatnonzero(np.isin(keys, wanted)).tolist():
            key = int(keys[place])
            if key not in seen:
                seen.add(key)
                hits.append((place + 1, self._wanted[key]))
        return hits

    def pooled(self, candidates: Ordinals) -> int:
        """How many answers are among candidates, in any order and at any depth."""
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        return int(np.isin(wanted, self._columns.fold_key[candidates]).sum())

    def right(self, ranking: Ordinals) -> NDArray[np.bool_]:
        """Which of a ranking's hits are answers; bool (n,)."""
        wanted = np.fromiter(self._wanted, np.int64, len(self._wanted))
        right: NDArray[np.bool_] = np.isin(self._columns.fold_key[ranking], wanted)
        return right

    def _best_grades(self, places: Ordinals, answers: Sequence[Answer]) -> dict[int, int]:
        grades: dict[int, int] = {}
        for place, answer in zip(places.tolist(), answers, strict=True):
            if 0 <= place < self._columns.n:
                key = int(self._columns.fold_key[place])
                grades[key] = max(grades.get(key, 0), answer.grade)
        return grades

    def _keys(self, places: Ordinals) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = self._columns.fold_key[places[(places >= 0) & (places < self._columns.n)]]
        return keys
