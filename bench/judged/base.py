"""What a set of judged searches is, and the measures that several of them share."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandstand.types import Entity, Kind

Judge = Callable[[Sequence[Entity]], Mapping[str, float]]
"""From the entities that a search returned, best first, to the values of its measures; what is missing counts as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSearch:
    """One search and its judge. ``part`` is the class of queries that it belongs to, ``filters`` as HTTP takes them."""

    query: str
    judge: Judge
    part: str = ""
    k: int = 10
    kinds: tuple[Kind, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSet:
    """Searches over a catalogue of their own; ``headline`` is the measure that the set is known by."""

    name: str
    headline: str
    entities: tuple[Entity, ...]
    searches: tuple[JudgedSearch, ...]


def ndcg(relevant: Sequence[bool], judged: int, k: int = 10) -> float:
    """Binary nDCG at k: Σ rel_i / log2(i + 1) over the best that ``judged`` relevant answers allow; 0 without any."""
    gained = sum(1 / math.log2(place + 2) for place, right in enumerate(relevant[:k]) if right)
    best = sum(1 / math.log2(place + 2) for place in range(min(judged, k)))
    return gained / best if best else 0.0


def reciprocal_rank(relevant: Sequence[bool], k: int = 10) -> float:
    """1 / rank of the first relevant answer among the first k, else 0."""
    return next((1 / (place + 1) for place, right in enumerate(relevant[:k]) if right), 0.0)


def right_by_id(relevant: Mapping[str, Hashable]) -> Judge:
    """hit@10 and binary nDCG@10 of the entities with these ids, of which those with one value are one recording.

    A recording counts once, however many of its releases are shown: a page that repeats it gains nothing.
    """

    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        found = [relevant.get(hit.id) for hit in hits]
        right = [one is not None and one not in found[:place] for place, one in enumerate(found)]
        return {"hit@10": float(any(right[:10])), "nDCG@10": ndcg(right, len(set(relevant.values())))}

    return judge


def read_lines(path: Path) -> list[Any]:
    """The JSON values of a file, one a line; gzip by its ending."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]
