"""The memory retriever: what the same query, or one spelt nearly like it, led to before."""

from __future__ import annotations

import math
from dataclasses import replace

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.lookup import curated
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.rows import Rows
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.types import Candidates, Colour, ContextFeature, Query, RetrieverSpec, Scores, best_score, best_value


class MemoryRetriever(Retriever):
    """Posterior means of the memory index, best first; ``corrected`` names the query that a near spelling met."""

    spec = RetrieverSpec(
        "memory",
        title="what people chose after this query",
        colour=Colour("#8a4b00", "#f2b766"),
        cost_ms=0.05,
        columns=("clicks", "plays", "impressions", "predicted", "own", "distance", "share"),
        bounded=True,
        inline=True,
        weight=1.0,
        weights={"share": 8.0, "score": 1.0},
        context=(
            ContextFeature("known", lambda _: 1.0),
            ContextFeature("top", best_score),
            ContextFeature("clicks", lambda found: math.log1p(max(best_value("clicks")(found), 0.0))),
            ContextFeature("distance", best_value("distance")),
        ),
    )

    def __init__(self, memory: Memory, catalog: Catalog) -> None:
        self._memory = memory
        self._catalog = catalog

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; a blank query finds nothing."""
        if not query.normalized or depth <= 0:
            return Candidates.empty(self.name)
        try:
            lookup = self._memory.exact if query.literal else self._memory.lookup
            rows = lookup(query.normalized, user=query.actor, now=query.time)
            curation = self._memory.curation(query.normalized)
        except BandstandError as error:
            raise RetrievalError(f"the memory cannot be read: {error}") from error
        rows = curated(rows, curation) if curation else rows
        columns = {
            "clicks": rows.clicks,
            "plays": rows.plays,
            "impressions": rows.impressions,
            "predicted": rows.predicted,
            "own": rows.own,
            "distance": rows.distance,
            "share": _share(rows),
        }
        mask = permitted(query, self._catalog.columns.live)
        found = finish(self.name, rows.ordinals, rows.scores, mask=mask, depth=depth, columns=columns)
        return replace(found, corrected=rows.corrected)


def _share(rows: Rows) -> Scores:
    """Clicks and plays as a share of the most that any of the rows has; float32 (n,)."""
    chosen = rows.clicks + rows.plays
    return chosen / max(float(chosen.max(initial=0)), 1e-9)
