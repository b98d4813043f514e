"""Reads counts back: sums over labels, and quantiles out of a histogram's buckets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')

Counts = Mapping[str, float]


def total(counts: Counts, name: str, **labels: str) -> float:
    """The sum of a counter over all labels that are not given."""
    return math.fsum(value for _, value in _matching(counts, name, labels))


def by(counts: Counts, name: str, label: str, **labels: str) -> dict[str, float]:
    """The sums of a counter by the values of one label."""
    sums: dict[str, float] = {}
    for found, value in _matching(counts, name, labels):
        sums[found[label]] = sums.get(found[label], 0.0) + value
    return sums


def quantile(counts: Counts, name: str, q: float, **labels: str) -> float | None:
    """The q-quantile of a histogram as Prometheus' `histogram_quantile`; None where nothing was counted.

    Linear inside the bucket that holds it, from 0 on; the lower bound of the last bucket where it lies beyond.
    """
    buckets = sorted((float(le), count) for le, count in by(counts, f"{name}_bucket", "le", **labels).items())
    rank = q * (buckets[-1][1] if buckets else 0.0)
    if not rank > 0.0:
        return None
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= rank:
            return low if math.isinf(high) else low + (high - low) * (rank - below) / (count - below)
        low, below = high, count
    return None


def _matching(counts: Counts, name: str, labels: Mapping[str, str]) -> Iterator[tuple[dict[str, str], float]]:
    for key, value in counts.items():
        if key.startswith(name + "{"):
            found = dict(_LABEL.findall(key))
            if all(found.get(label) == wanted for label, wanted in labels.items()):
                yield found, value
