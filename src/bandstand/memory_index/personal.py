"""Reading what a user may want: the own history, what goes with it, and what similar users chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.history import CHOICE, choices, co_chosen, likeness, sketch
from bandstand.memory_index.keys import ordinal_key, query_key
from bandstand.memory_index.posterior import decays
from bandstand.memory_index.relations import NONE_LIKE, LikeQueries
from bandstand.memory_index.rows import PersonalRows
from bandstand.memory_index.settings import MemorySettings
from bandstand.types import Ordinals, Scores
from bandstand.types.times import DAY_S

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Databases, ReadTransaction


_CONSIDERED, _SIMILAR, _LATEST = 60, 40, 100
"""Of how many users with the most in common the history is looked at, how many speak, and over how many of each one's
latest choices."""

Weigh = Callable[[np.ndarray], tuple[Scores, Scores]]
"""Decayed strength and likeness to the present query of `CHOICE` rows, float32 (n,) each."""


@dataclass(frozen=True, slots=True, eq=False)
class SimilarUsersChoices:
    """Entities int32 (n,) ascending, and float32 (n,) how strongly similar users chose them, and under like queries."""

    ordinals: Ordinals
    chosen: Scores
    alike: Scores


def similar_users_choices(
    dbs: Databases, txn: ReadTransaction, user: bytes, seeds: tuple[Ordinals, Scores], weigh: Weigh
) -> SimilarUsersChoices:
    """What similar users of a user chose, by user-based collaborative filtering.

    ``seeds`` are the user's own entities (m,) and their weights. likeness(u, v) = Σ_e w(e) / sqrt(n_e) /
    sqrt(choices of v) over the seeds e that v chose, n_e being how many users chose e: a rare common choice says more,
    one who chooses everything less.
    chosen(e) = Σ_v likeness(u, v) · (1 - exp(-strength of e for v)) over the nearest v, likenesses summing to
    n / (n + 1) or less; alike(e) counts only what v chose under like queries, by how like they are.
    """
    keys, alike = _similar_users(dbs, txn, user, seeds)
    tails = [txn.get(key, db=dbs["users"]) or b"" for key in keys]
    alike = alike / np.sqrt([max(len(tail) // CHOICE.itemsize, 1) for tail in tails])
    best = np.argsort(-alike, kind="stable")[:_SIMILAR]
    alike = (alike[best] / (alike[best].sum() + 0.1)).astype(np.float32)
    latest = [bytes(tails[at][-_LATEST * CHOICE.itemsize :]) for at in best.tolist()]
    rows = np.frombuffer(b"".join(latest), CHOICE)
    strength, like = weigh(rows)
    counts = np.array([len(tail) // CHOICE.itemsize for tail in latest], np.intp)
    amount = np.repeat(alike, counts) * (1 - np.exp(-strength))
    ordinals, at = np.unique(rows["ordinal"], return_inverse=True)
    chosen, under_like = (np.bincount(at, each, minlength=len(ordinals)) for each in (amount, amount * like))
    return SimilarUsersChoices(ordinals.astype(np.int32), chosen.astype(np.float32), under_like.astype(np.float32))


def _similar_users(
    dbs: Databases, txn: ReadTransaction, user: bytes, seeds: tuple[Ordinals, Scores]
) -> tuple[list[bytes], NDArray[np.float64]]:
    """Keys of the users with the most in common, and Σ weight / sqrt(users who chose the entity)."""
    found, shares = [np.empty(0, np.uint64)], [np.empty(0)]
    for ordinal, weight in zip(seeds[0].tolist(), seeds[1].tolist(), strict=True):
        value = txn.get(ordinal_key(ordinal), db=dbs["fans"])
        if value is not None:
            users_who_chose = np.frombuffer(value, np.uint64)
            found.append(users_who_chose)
            shares.append(np.full(len(users_who_chose), weight / len(users_who_chose) ** 0.5))
    users, at = np.unique(np.concatenate(found), return_inverse=True)
    common = np.bincount(at, np.concatenate(shares), minlength=len(users)).astype(np.float64)
    common[users == np.frombuffer(user, np.uint64)] = 0
    best = np.argsort(-common, kind="stable")[:_CONSIDERED]
    best = best[common[best] > 0]
    return [users[at].tobytes() for at in best], common[best]


_SEEDS, _CO_CHOSEN_SEEDS = 50, 20
"""From how many of the user's entities similar users are looked for, and what goes with them."""

_LIKE, _FRECENCY = 0.6, 0.4
"""Shares of a history score: above one half for likeness, so that what was chosen under a like query comes first."""

_SMOOTHING = 60
_WEIGHTS = (1.0, 0.9, 0.7, 0.7)
"""What a first place is worth: in the user's own history, with similar users under like queries, with similar users at
all, and among what is chosen together with the history."""


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
        self._key, self._sketch, self._like = query_key(query), sketch(query), NONE_LIKE

    def rows(self, user: bytes, like: Callable[[], LikeQueries]) -> PersonalRows:
        """The history by likeness, recency and frequency, and what it leads to; empty without a history.

        ``like`` gives the queries like the present one, where they are needed.

        score(e) = max over s of w_s · 61 / (60 + rank_s(e)) for four orders s: the history, what similar users chose
        under like queries, what they chose at all, and what goes with the history. So each has its share of any depth.
        """
        rows = self._history(user)
        if not len(rows):
            return PersonalRows.empty()
        self._like = like()
        past = self._past(rows)
        best = np.argsort(-past.scores, kind="stable")[:_SEEDS]
        seeds = past.ordinals[best], past.scores[best]
        similar = similar_users_choices(self._dbs, self._txn, user, seeds, self._weigh)
        return _joined(past, similar, self._together(seeds[0][:_CO_CHOSEN_SEEDS], seeds[1][:_CO_CHOSEN_SEEDS]))

    def _history(self, user: bytes) -> np.ndarray:
        value = self._txn.get(user, db=self._dbs["users"])
        return np.empty(0, CHOICE) if value is None else choices(value)

    def _weigh(self, rows: np.ndarray) -> tuple[Scores, Scores]:
        """Decayed strength and likeness of each row: by its words, or by where its query led."""
        left = decays(self._now - rows["last"], self._settings.history_half_life)
        queries = np.ascontiguousarray(rows["query"]).view(np.uint64)
        like = np.maximum(likeness(rows["sketch"], self._sketch), self._like.of(queries))
        like[queries == np.frombuffer(self._key, np.uint64)] = 1
        return rows["strength"].astype(np.float32) * left, like

    def _past(self, rows: np.ndarray) -> _Past:
        """Rows of one entity joined: strengths and times add, the latest time and the best likeness stay."""
        order = np.argsort(rows["ordinal"], kind="stable")
        rows = rows[order]
        ordinals = rows["ordinal"]
        starts = np.flatnonzero(np.concatenate([[True], ordinals[1:] != ordinals[:-1]]))
        strength, like = self._weigh(rows)
        times = rows["times"] * decays(self._now - rows["last"], self._settings.history_half_life)
        best = np.maximum.reduceat(like, starts)
        frecency = 1 - np.exp(-np.add.reduceat(strength, starts))
        last = np.maximum.reduceat(rows["last"], starts)
        days = (np.maximum(self._now - last, 0) / DAY_S).astype(np.float32)
        scores = (_LIKE * best + _FRECENCY * frecency).astype(np.float32, copy=False)
        return _Past(ordinals[starts], scores, np.add.reduceat(times, starts), days, best)

    def _together(self, seeds: Ordinals, weights: Scores) -> tuple[Ordinals, Scores]:
        """Item-item: Σ weight · n(seed, other) / (n(seed) + shrinkage) over the seeds that go with the other."""
        ordinals, strengths = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        for seed, weight in zip(seeds.tolist(), weights.tolist(), strict=True):
            value = self._txn.get(ordinal_key(seed), db=self._dbs["related"])
            if value is not None:
                rows, choosers = co_chosen(value)
                ordinals.append(rows["ordinal"])
                strengths.append(rows["users"] * np.float32(weight / (choosers + self._settings.shrinkage)))
        unique, at = np.unique(np.concatenate(ordinals), return_inverse=True)
        sums = np.bincount(at, np.concatenate(strengths), minlength=len(unique))
        return unique.astype(np.int32), sums.astype(np.float32)


def _joined(past: _Past, similar: SimilarUsersChoices, together: tuple[Ordinals, Scores]) -> PersonalRows:
    """One row an entity, best first."""
    ordinals = np.unique(np.concatenate([past.ordinals, similar.ordinals, together[0]])).astype(np.int32)
    known, liked, beside = (np.searchsorted(ordinals, each) for each in (past.ordinals, similar.ordinals, together[0]))
    scores, times, days, like, alike, chosen, with_it = np.zeros((7, len(ordinals)), np.float32)
    days[:] = np.nan
    scores[known], times[known], days[known], like[known] = past.scores, past.times, past.days, past.like
    alike[liked], chosen[liked], with_it[beside] = similar.alike, similar.chosen, together[1]
    new = np.isnan(days)  # what was chosen before stands where the history puts it
    orders = (scores, alike * new, chosen * new, with_it * new)
    scores = np.max([weight * _placed(each) for weight, each in zip(_WEIGHTS, orders, strict=True)], axis=0)
    size = np.full(len(ordinals), np.log1p(len(past.ordinals)), np.float32)
    matrix = np.stack([scores, times, days, like, size, alike, chosen, with_it])
    order = np.lexsort((ordinals, -scores))
    return PersonalRows(ordinals[order], *matrix[:, order])


def _placed(values: Scores) -> Scores:
    """61 / (60 + rank) by descending value, ties by place; 0 for what has no value."""
    order = np.argsort(-values, kind="stable")
    placed = np.empty(len(values), np.float32)
    placed[order] = (_SMOOTHING + 1) / np.arange(_SMOOTHING + 1, _SMOOTHING + 1 + len(values))
    placed[values <= 0] = 0
    return placed
