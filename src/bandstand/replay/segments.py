"""Parts of the searches: how each policy does on them, and the best static choice for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bandstand.replay.table import Labels, Table
from bandstand.types import ARMS

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
    codes = (table.depths > 0) @ (1 << np.arange(len(ARMS)))
    names = {
        code: "+".join(arm for bit, arm in enumerate(ARMS) if code >> bit & 1) or "none" for code in set(codes.tolist())
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
        values={name: np.stack([static.values[name] for static in statics])[picked, at] for name in first.values},
    )
    return table, choice
