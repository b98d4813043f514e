"""Reading what a user may want: the own history, what goes with it, and what like users chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandstand.memory_index.history import CHOICE, choices, likeness, mates, sketch
from bandstand.memory_index.keys import HASH_BYTES, ordinal_key, query_key
from bandstand.memory_index.posterior import decays
from bandstand.memory_index.rows import PersonalRows
from bandstand.memory_index.settings import DAY, MemorySettings
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Databases, ReadTransaction

_SEEDS, _NEIGHBOURS, _LATEST = 20, 20, 50
"""Expansion: from how many best entities, to how many like users, over how many of each one's latest choices."""

_LIKE, _FRECENCY = 0.6, 0.4
"""Shares of a history score: above one half for likeness, so that what was chosen under a like query comes first."""

_EXPANDED = 0.4
"""The most that an entity never chosen may score."""


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """A history with one row an entity: ordinals int32 (n,) ascending, the rest (n,)."""

    ordinals: Ordinals
    scores: Scores
    times: Scores
    days: Scores
    like: Scores


class PersonalLookup:
    """One personal look-up inside one read transaction, for one user key, query and time."""

    def __init__(self, dbs: Databases, txn: ReadTransaction, settings: MemorySettings, query: str, now: float) -> None:
        self._dbs, self._txn, self._settings, self._now = dbs, txn, settings, now
        self._key, self._sketch = np.void(query_key(query)), sketch(query)

    def rows(self, user: bytes) -> PersonalRows:
        """The history by likeness, recency and frequency, then what it leads to; empty without a history."""
        rows = self._history(user)
        past = self._past(rows)
        seeds = np.argsort(-past.scores, kind="stable")[:_SEEDS]
        others, expected = self._expanded(user, past.ordinals[seeds], past.scores[seeds])
        ordinals = np.union1d(past.ordinals, others).astype(np.int32)
        columns = np.zeros((4, len(ordinals)), np.float32)
        scores, times, days, like = columns
        at = np.searchsorted(ordinals, past.ordinals)
        days[:] = np.nan
        scores[np.searchsorted(ordinals, others)] = _EXPANDED * expected
        scores[at], times[at], days[at], like[at] = past.scores, past.times, past.days, past.like
        order = np.lexsort((ordinals, -scores))
        return PersonalRows(ordinals[order], *columns[:, order])

    def _history(self, user: bytes) -> np.ndarray:
        value = self._txn.get(user, db=self._dbs["users"])
        return np.empty(0, CHOICE) if value is None else choices(value)

    def _weigh(self, rows: np.ndarray) -> tuple[Scores, Scores, Scores]:
        """Decayed strength, decayed times and likeness of each row."""
        left = decays(self._now - rows["last"], self._settings.history_half_life)
        like = likeness(rows["sketch"], self._sketch)
        like[rows["query"] == self._key] = 1
        return rows["strength"].astype(np.float32) * left, rows["times"] * left, like

    def _past(self, rows: np.ndarray) -> _Past:
        """Rows of one entity joined: strengths and times add, the latest time and the best likeness stay."""
        order = np.argsort(rows["ordinal"], kind="stable")
        rows = rows[order]
        if not len(rows):
            none = np.empty(0, np.float32)
            return _Past(np.empty(0, np.int32), none, none, none, none)
        ordinals = rows["ordinal"]
        starts = np.flatnonzero(np.concatenate([[True], ordinals[1:] != ordinals[:-1]]))
        strength, times, like = self._weigh(rows)
        best = np.maximum.reduceat(like, starts)
        frecency = 1 - np.exp(-np.add.reduceat(strength, starts))
        last = np.maximum.reduceat(rows["last"], starts)
        days = (np.maximum(self._now - last, 0) / DAY).astype(np.float32)
        scores = (_LIKE * best + _FRECENCY * frecency).astype(np.float32, copy=False)
        return _Past(ordinals[starts], scores, np.add.reduceat(times, starts), days, best)

    def _expanded(self, user: bytes, seeds: Ordinals, weights: Scores) -> tuple[Ordinals, Scores]:
        """Unique ascending ordinals that the seeds lead to, and in [0, 1) how strongly, by either way (noisy or)."""
        together, liked = self._together(seeds, weights), self._liked(user, seeds, weights)
        ordinals, inverse = np.unique(np.concatenate([together[0], liked[0]]), return_inverse=True)
        either = np.bincount(inverse, np.concatenate([together[1], liked[1]]), minlength=len(ordinals))
        return ordinals.astype(np.int32), (1 - np.exp(-either)).astype(np.float32)

    def _together(self, seeds: Ordinals, weights: Scores) -> tuple[Ordinals, Scores]:
        """Item-item: weight · n(seed, other) / (n(seed) + shrinkage) for each seed and its mates."""
        ordinals, strengths = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        for seed, weight in zip(seeds.tolist(), weights.tolist(), strict=True):
            value = self._txn.get(ordinal_key(seed), db=self._dbs["related"])
            if value is not None:
                rows, choosers = mates(value)
                ordinals.append(rows["ordinal"])
                strengths.append(rows["users"] * np.float32(weight / (choosers + self._settings.shrinkage)))
        return np.concatenate(ordinals), np.concatenate(strengths)

    def _liked(self, user: bytes, seeds: Ordinals, weights: Scores) -> tuple[Ordinals, Scores]:
        """User-based: what neighbours chose lately, by how alike they are, shrunk when these are few."""
        keys, alike = self._neighbours(user, seeds, weights)
        tails = [self._history(key)[-_LATEST:] for key in keys]
        rows = np.frombuffer(b"".join(tail.tobytes() for tail in tails), CHOICE)  # faster than joining structures
        strength, _, like = self._weigh(rows)
        of_user = np.repeat(alike / (alike.sum() + 1), np.array([len(tail) for tail in tails], np.intp))
        return rows["ordinal"], of_user * (1 - np.exp(-strength)) * (1 + like) / 2

    def _neighbours(self, user: bytes, seeds: Ordinals, weights: Scores) -> tuple[list[bytes], Scores]:
        """Users who chose the seeds, most alike first, and Σ weight / sqrt(fans): rare common choices say more."""
        keys, shares = [], [np.empty(0, np.float32)]
        for seed, weight in zip(seeds.tolist(), weights.tolist(), strict=True):
            value = self._txn.get(ordinal_key(seed), db=self._dbs["fans"]) or b""
            fans = len(value) // HASH_BYTES
            keys.append(np.frombuffer(value, np.uint64))
            shares.append(np.full(fans, weight / max(fans, 1) ** 0.5, np.float32))
        if not keys:
            return [], shares[0]
        users, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        alike = np.bincount(inverse, np.concatenate(shares), minlength=len(users)).astype(np.float32)
        alike[users == np.frombuffer(user, np.uint64)] = 0
        best = np.argsort(-alike, kind="stable")[:_NEIGHBOURS]
        best = best[alike[best] > 0]
        return [users[at].tobytes() for at in best], alike[best]
