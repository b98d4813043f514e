"""What a search costs: by policy, by retriever, and the share that is not retrieval; and whether it finds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bandstand.app.searching import SearchingSide
from bandstand.engine.request import SearchRequest
from bandstand.learner.selfplay import misspell
from bandstand.types import Ordinals
from bench.figures import Figure, percentiles

WARM_UP = 50
SEED = 7

Known = tuple[str, str, int]
"""A class of queries, a query, and the ordinal that it means."""


def known_items(home: SearchingSide, count: int) -> list[Known]:
    """Known-item queries in turn: title, title and artist, and both misspelt (1 edit, 2 when longer than 9 letters)."""
    rng = np.random.default_rng(SEED)
    columns = home.catalog.columns
    tracks = np.flatnonzero(columns.live & (columns.kind == 0))
    found: list[Known] = []
    for number, ordinal in enumerate(rng.choice(tracks, size=min(count, len(tracks)), replace=False).tolist()):
        named = number % 2 == 0
        text = columns.names[ordinal] if named else columns.titles[ordinal]
        typos = number % 4 >= 2 and len(text) > 3
        query = misspell(text, 2 if len(text) > 9 else 1, rng) if typos else text
        found.append((f"{'artist + title' if named else 'title'}, {'misspelt' if typos else 'clean'}", query, ordinal))
    return found


def search_figures(home: SearchingSide, queries: Sequence[Known], policy: str, aims: dict[int, float]) -> list[Figure]:
    """Times of searches under a policy, by part, and hit@10 by class of query."""
    for _, text, _ in queries[:WARM_UP]:
        home.search(SearchRequest(query=text, policy=policy))
    took, own, arms, hits = [], [], defaultdict(list), defaultdict(list)
    for name, text, ordinal in queries[WARM_UP:]:
        result = home.search(SearchRequest(query=text, policy=policy))
        took.append(result.took_ms)
        own.append(result.impression.took_ms - sum(outcome.took_ms for outcome in result.impression.outcomes))
        for outcome in result.impression.outcomes:
            if outcome.status == "ok":
                arms[outcome.retriever].append(outcome.took_ms)
        hits[name].append(in_first_ten(home, result.impression.ordinals, ordinal))
    figures = percentiles(f"search ({policy})", took, aims)
    if policy == "bandit":  # one retriever after another, so what is left is decision, union, features and ranking
        own_aim = {50: 3.0}
        figures += percentiles("of it decision, union, features, ranking", own, own_aim)
    for arm, times in arms.items():
        share = len(times) / len(took)
        figures.append(
            Figure(name=f"{policy}: {arm} p50", value=float(np.median(times)), unit="ms", note=f"played in {share:.0%}")
        )
    for name, found in sorted(hits.items()):
        figures.append(
            Figure(name=f"{policy}: hit@10, {name}", value=float(np.mean(found)), unit="", note=f"n={len(found)}")
        )
    return figures


def in_first_ten(home: SearchingSide, ordinals: Ordinals, meant: int) -> bool:
    """Whether the recording, whichever release, is among the first ten."""
    keys = home.catalog.columns.dedupe_key
    return bool((keys[ordinals[:10]] == keys[meant]).any())
