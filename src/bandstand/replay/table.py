"""Rows as columns, and parts of the searches: how each policy does on them, and the best static choice for each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.replay.metrics import Values, measure
from bandstand.replay.rows import Extra, Row
from bandstand.retrievers.registry import BUILT_IN

PAGE = 10
"""How many hits of a ranking somebody looks at."""

BINS = 10
"""Of the calibration curve, equally wide."""

Labels = NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """One ranking, n searches in the order of the stream.

    ``labels`` by name (n,), empty text where a search lacks one. ``depths`` int16 (n, retrievers), -1 for baselines.
    ``pooled`` (n,) is the share of the answers that the retrievers brought, NaN for baselines.
    ``claims`` float64 (3, `BINS`): number of claims, sum of what was believed, number that were right. ``first`` (n,)
    is the rank of the first answer, 0 where none is on the page. ``extra`` by name (n,) or (n, k), NaN where a row has
    none.
    """

    name: str
    ids: Labels
    times: NDArray[np.float64]
    users: Labels
    queries: Labels
    labels: dict[str, Labels]
    cost_ms: NDArray[np.float64]
    real_ms: NDArray[np.float64]
    depths: NDArray[np.int16]
    pooled: NDArray[np.float64]
    claims: NDArray[np.float64]
    first: NDArray[np.int64]
    values: Values
    extra: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def reciprocal_ranks(self) -> NDArray[np.float64]:
        """1 / rank of the first answer on the page, 0 where there is none: every search counts."""
        return self.values["MRR@10"]

    @property
    def classes(self) -> Labels:
        """The class of query of each search; where there are none, whether anybody had succeeded with it before."""
        return self.labels["class"] if "class" in self.labels else self.labels["query"]

    def column(self, name: str) -> NDArray[np.float64]:
        """What only some evaluations keep, (n,) or (n, k); NaN (n,) where this one did not."""
        return self.extra.get(name, np.full(len(self), np.nan))

    def rows(self, kept: NDArray[np.bool_] | slice) -> Table:
        """Some of the searches; what was counted over all of them (``claims``) stays."""
        columns = ("ids", "times", "users", "queries", "cost_ms", "real_ms", "depths", "pooled", "first")
        some: dict[str, Any] = {name: getattr(self, name)[kept] for name in columns}
        for name in ("labels", "values", "extra"):
            some[name] = {key: values[kept] for key, values in getattr(self, name).items()}
        return replace(self, **some)


class _Gatherer:
    """Takes what the columns need from rows that pass by, so that rows themselves are not held."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.times: list[float] = []
        self.users: list[str] = []
        self.queries: list[str] = []
        self.labels: list[dict[str, str]] = []
        self.costs: list[tuple[float, float]] = []
        self.depths: list[tuple[int, ...]] = []
        self.pooled: list[float] = []
        self.claims = np.zeros((3, BINS))
        self.first: list[int] = []
        self.extra: list[Extra] = []
        self._shared: dict[object, object] = {}

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self.ids.append(row.id)
            self.times.append(row.time)
            self.users.append(self._one(row.user))
            self.queries.append(self._one(row.query))
            self.labels.append({name: self._one(value) for name, value in row.labels.items()})
            self.costs.append((row.cost_ms, row.real_ms))
            self.depths.append(tuple(row.depths) or (-1,) * len(BUILT_IN.names))
            self.pooled.append(math.nan if row.pooled is None else row.pooled / len(row.grades))
            first = min((rank for rank, _ in row.found), default=0)
            self.first.append(first if first <= PAGE else 0)
            self.extra.append(row.extra)
            for believed, right in row.claims:
                self.claims[:, min(int(believed * BINS), BINS - 1)] += (1.0, believed, right)
            yield row

    def _one(self, text: str) -> str:
        """The same object for the same text: a million searches have few users and labels."""
        return str(self._shared.setdefault(text, text))


def table_of(name: str, rows: Iterable[Row]) -> Table:
    """Measure the rows of one ranking.

    Raises:
        MissingDependency: see `measure`.
    """
    gathered = _Gatherer()
    values = measure(gathered.passing(rows))
    names = sorted({label for labels in gathered.labels for label in labels})
    labels = {label: _objects([each.get(label, "") for each in gathered.labels]) for label in names}
    queries = _objects(gathered.queries)
    costs = np.array(gathered.costs, np.float64).reshape(-1, 2)
    return Table(
        name=name,
        ids=_objects(gathered.ids),
        times=np.array(gathered.times, np.float64),
        users=_objects(gathered.users),
        queries=queries,
        labels={**labels, "frequency": frequency(queries)},
        cost_ms=costs[:, 0],
        real_ms=costs[:, 1],
        depths=np.array(gathered.depths, np.int16).reshape(-1, len(BUILT_IN.names)),
        pooled=np.array(gathered.pooled, np.float64),
        claims=gathered.claims,
        first=np.array(gathered.first, np.int64),
        values=values,
        extra=_columns(gathered.extra),
    )


def _columns(rows: Sequence[Extra]) -> dict[str, NDArray[np.float64]]:
    """By name (n,) or (n, k): the rows that have a column have it equally wide, the others are NaN."""
    columns: dict[str, NDArray[np.float64]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        shape = np.shape(next(row[name] for row in rows if name in row))
        column = columns[name] = np.full((len(rows), *shape), np.nan)
        for at, row in enumerate(rows):
            if name in row:
                column[at] = np.array(row[name], np.float64)
    return columns


def frequency(queries: Labels) -> Labels:
    """Head, torso or tail: the commonest queries that make up the first third of the searches, the next, the rest.

    Queries equally common are taken in the order of their digests; one that straddles a border belongs above it.
    """
    counts = Counter(queries.tolist())
    part: dict[str, str] = {}
    passed = 0
    for query, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        part[query] = ("head", "torso", "tail")[min(3 * passed // max(len(queries), 1), 2)]
        passed += count
    return _objects([part[query] for query in queries.tolist()])


def _objects(items: list[str]) -> Labels:
    array: Labels = np.empty(len(items), object)
    array[:] = items
    return array


FEW = 30
"""Searches below which a segment's figures are given but marked: an interval of so few says little."""

_SUBSETS = 8

NO_SEGMENTS = frozenset({"month"})
"""Labels that are time, which the learning curves show."""


def parts(table: Table) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """(name, value, which searches) of every segment, those of retriever subsets last."""
    for name, labels in sorted(table.labels.items()):
        if name not in NO_SEGMENTS:
            for value in sorted(set(labels.tolist()) - {""}):
                yield name, value, labels == value
    if len(table) and table.depths[0, 0] >= 0:
        subsets = subset_names(table)
        for value, _ in Counter(subsets.tolist()).most_common(_SUBSETS):
            yield "retrievers", value, subsets == value


def subset_names(table: Table) -> Labels:
    """Which retrievers played, for each search (n,): their names joined by +."""
    codes = (table.depths > 0) @ (1 << np.arange(len(BUILT_IN.names)))
    names = {
        code: "+".join(retriever for bit, retriever in enumerate(BUILT_IN.names) if code >> bit & 1) or "none"
        for code in set(codes.tolist())
    }
    subsets: Labels = np.empty(len(codes), object)
    subsets[:] = [names[code] for code in codes.tolist()]
    return subsets


def oracle(
    statics: Sequence[Table], by: Sequence[str] = ("query", "user", "frequency")
) -> tuple[Table, dict[str, str]]:
    """The best static choice for each combination of segments, in hindsight, by MRR@10 and then by cost.

    Returns:
        The ranking that choosing so would have given, and the choice by segment. No policy may know this choice
        beforehand: it bounds what fixed rules over these segments can reach.
    """
    first = statics[0]
    keys: Labels = np.empty(len(first), object)
    keys[:] = [" · ".join(labels) for labels in zip(*(first.labels[name] for name in by), strict=True)]
    picked = np.zeros(len(first), np.intp)
    choice = {}
    for key in sorted(set(keys.tolist())):
        rows = keys == key
        best = min(
            range(len(statics)),
            key=lambda n: (-float(statics[n].values["MRR@10"][rows].mean()), float(statics[n].cost_ms[rows].mean())),
        )
        picked[rows], choice[key] = best, statics[best].name.partition(":")[2]
    at = np.arange(len(first))
    table = Table(
        name="oracle:static",
        ids=first.ids,
        times=first.times,
        users=first.users,
        queries=first.queries,
        labels=first.labels,
        cost_ms=np.stack([static.cost_ms for static in statics])[picked, at],
        real_ms=np.zeros(len(first)),
        depths=first.depths,
        pooled=np.full(len(first), np.nan),
        claims=np.zeros_like(first.claims),
        first=np.stack([static.first for static in statics])[picked, at],
        extra={},
        values={name: np.stack([static.values[name] for static in statics])[picked, at] for name in first.values},
    )
    return table, choice
