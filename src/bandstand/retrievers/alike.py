"""The alike retriever: what queries that led to the same entities as this one led to besides."""

from __future__ import annotations

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.types import Candidates, Colour, ContextFeature, Query, RetrieverSpec, best_value


class AlikeRetriever(Retriever):
    """The shared memories of queries with answers in common with this one; it needs no encoder.

    score(e) = Σ_q sqrt(likeness(query, q)) · memory(q, e) over the like queries q. Likeness is the cosine of
    `bandstand.memory_index.relations`; its root, since cosines of answers are smaller numbers than the ranker meets
    as those of meanings. ``likeness`` is the largest over the queries that led to e, ``clicks`` their clicks on it.
    """

    spec = RetrieverSpec(
        "alike",
        title="what people chose after queries that led to the same",
        colour=Colour("#4f5a00", "#c9cf5a"),
        cost_ms=0.5,
        columns=("clicks", "likeness"),
        inline=True,
        weight=1.0,
        context=(ContextFeature("likeness", best_value("likeness")),),
    )

    def __init__(self, memory: Memory, catalog: Catalog) -> None:
        self._memory = memory
        self._catalog = catalog

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; a query that led to nothing yet finds nothing."""
        if not query.normalized or depth <= 0:
            return Candidates.empty(self.name)
        try:
            rows = self._memory.like_answers(query.normalized, now=query.time)
        except BandstandError as error:
            raise RetrievalError(f"like queries cannot be looked up: {error}") from error
        ordinals, at = np.unique(rows.ordinals, return_inverse=True)
        scores, clicks, likeness = np.zeros((3, len(ordinals)), np.float32)
        np.add.at(scores, at, np.sqrt(rows.likeness) * rows.scores)
        np.add.at(clicks, at, rows.clicks)
        np.maximum.at(likeness, at, rows.likeness)
        return finish(
            self.name,
            ordinals,
            scores,
            mask=permitted(query, self._catalog.columns.live),
            depth=depth,
            columns={"clicks": clicks, "likeness": likeness},
        )
