"""The fresh retriever: what is new and what people choose these days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog, Columns
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.types import Candidates, Colour, Query, RetrieverSpec, Scores, Slot
from bandstand.types.times import DAY_S, YEAR_S
from bandstand.understanding.records import LOOKED_UP, SURE, UNSTATED
from bandstand.understanding.slots import held

_MINUTE = 60.0
_MOST = 1_000.0
"""Half-lives that a 64-bit number can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshSettings:
    """Weights of the parts of the score, and the half-lives of newness (days) and of a release (years)."""

    trend: float = 1.0
    added: float = 0.5
    released: float = 0.3
    popularity: float = 0.2
    added_half_life: float = 14.0
    released_half_life: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    """How every entity stands, (n,), in one snapshot of the catalogue, one state of the memory, one minute."""

    columns: Columns
    version: int
    minute: int
    scores: Scores
    trend: Scores


@dataclass(frozen=True, slots=True, eq=False)
class _Aging:
    """The parts of the score that only fade, float64 (n,), as of ``now``.

    2^(-age / half-life) is a factor for each entity, worked out once a snapshot, times one for the moment.
    """

    columns: Columns
    now: float
    added: NDArray[np.float64]
    released: NDArray[np.float64]
    popularity: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Columns, settings: FreshSettings) -> _Aging:
        now = float(columns.added.max(initial=0.0))
        days = (now - columns.added) / DAY_S
        years = 1970.0 + now / YEAR_S - columns.year
        return cls(
            columns=columns,
            now=now,
            added=np.exp2(-days / settings.added_half_life),
            released=np.nan_to_num(np.exp2(np.minimum(-years / settings.released_half_life, _MOST)), nan=0.0),
            popularity=settings.popularity * columns.popularity.astype(np.float64),
        )

    def scores(self, now: float, settings: FreshSettings) -> NDArray[np.float64]:
        """At another moment; what lies in its future counts as of this very moment."""
        added = self.added * _faded(now - self.now, settings.added_half_life * DAY_S)
        released = self.released * _faded(now - self.now, settings.released_half_life * YEAR_S)
        return self.popularity + settings.added * np.minimum(added, 1.0) + settings.released * np.minimum(released, 1.0)


class FreshRetriever(Retriever):
    """Trending and new entities for a query that says no more than facts; for a blank one those of the whole catalogue.

    score = fit · (w₁ · log(1 + trend) / log(1 + largest trend) + w₂ · 2^(−days since added / 14)
    + w₃ · 2^(−years since release / 2) + w₄ · popularity)

    ``fit`` is the product over the words that surely ask for a fact (see `SURE`) of Σ slot confidence · attribute
    confidence over their readings (genre rock, tag rock); entities that have none of these are left out. It is 1 where
    the query asks for no fact. All but ``fit`` is as of the end of the query's minute, so that it is worked out once a
    minute, or when the memory or the catalogue has changed.
    """

    spec = RetrieverSpec(
        "fresh",
        title="new, and rising now",
        colour=Colour("#176b3a", "#82dba4"),
        cost_ms=0.05,
        columns=("trend", "age_days"),
        inline=True,
        answers_query=False,
        weight=0.0,
    )

    def __init__(self, memory: Memory, catalog: Catalog, *, settings: FreshSettings | None = None) -> None:
        self._memory = memory
        self._catalog = catalog
        self._settings = settings or FreshSettings()
        self._latest: _Standing | None = None
        self._aging: _Aging | None = None

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`."""
        if depth <= 0:
            return Candidates.empty(self.name)
        if _names_something(query.slots):
            return Candidates.empty(self.name)
        columns = self._catalog.columns
        mask = permitted(query, columns.live)
        try:
            standing = self._standing(columns, query.time)
        except BandstandError as error:
            raise RetrievalError(f"what is trending cannot be read: {error}") from error
        fit = _fit(query.slots, columns)[: len(mask)] * mask
        every = np.where(fit > 0, fit * standing.scores[: len(fit)], np.float32(-np.inf))
        rows = _best(every, depth).astype(np.int32)
        scores = every[rows]
        days = np.maximum(query.time - columns.added[rows], 0.0) / DAY_S
        facts = {"trend": standing.trend[rows], "age_days": days.astype(np.float32)}
        return finish(self.name, rows, scores, mask=None, depth=depth, columns=facts)

    def _standing(self, columns: Columns, now: float) -> _Standing:
        minute, version, latest = int(now // _MINUTE), self._memory.version(), self._latest
        if latest is None or latest.columns is not columns or (latest.version, latest.minute) != (version, minute):
            latest = self._latest = self._measured(columns, version, minute)
        return latest

    def _measured(self, columns: Columns, version: int, minute: int) -> _Standing:
        settings, now = self._settings, (minute + 1) * _MINUTE
        if self._aging is None or self._aging.columns is not columns:
            self._aging = _Aging.of(columns, settings)
        ordinals, amounts = self._memory.trending(now=now)
        known, trend = ordinals < columns.n, np.zeros(columns.n, np.float32)
        trend[ordinals[known]] = amounts[known]
        scores = self._aging.scores(now, settings)
        scores[ordinals[known]] += (
            settings.trend * np.log1p(amounts[known]) / (np.log1p(amounts[known].max(initial=0.0)) or 1.0)
        )
        return _Standing(columns, version, minute, scores.astype(np.float32), trend)


def _names_something(slots: tuple[Slot, ...]) -> bool:
    """Whether some words are more likely a name, or a part of one, than a fact: what is new says nothing about them."""
    return any(slot.name in LOOKED_UP and slot.confidence >= SURE for slot in slots)


def _faded(seconds: float, half_life: float) -> float:
    """2^(-seconds / half-life), within what a number can hold."""
    return float(np.exp2(np.clip(-seconds / half_life, -_MOST, _MOST)))


def _fit(slots: tuple[Slot, ...], columns: Columns) -> Scores:
    """How well each entity has what the words of the query ask for, float32 (n,) in [0, 1]."""
    asked: dict[str, list[Slot]] = {}
    for slot in slots:
        if slot.name not in UNSTATED:
            asked.setdefault(slot.phrase or slot.value, []).append(slot)
    fit = np.ones(columns.n, np.float32)
    for readings in asked.values():
        if sum(slot.confidence for slot in readings) >= SURE:
            fit *= np.sum(
                [held(slot, columns) * np.float32(slot.confidence) for slot in readings], axis=0, dtype=np.float32
            )
    return np.minimum(fit, np.float32(1.0))


def _best(scores: Scores, depth: int) -> NDArray[np.intp]:
    """Where the ``depth`` largest scores above -inf are, with all that tie with the last of them."""
    least = np.partition(scores, len(scores) - depth)[len(scores) - depth] if depth < len(scores) else -np.inf
    return np.flatnonzero((scores >= least) & (scores > -np.inf))
