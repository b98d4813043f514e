"""The trigram retriever on a cluster: it finds the candidates, and the same similarity orders them here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.cluster.connection import Json
from bandstand.retrievers.base import finish, inside, permitted
from bandstand.retrievers.opensearch_round import FirstRound, ranked
from bandstand.retrievers.opensearch_text import conditions
from bandstand.retrievers.text_document import ALIAS_GRAMS, GRAMS, grams
from bandstand.retrievers.trigram import TrigramSettings, raise_aliased, similarities
from bandstand.types import Candidates, Query

NAMES, ALIASES = "trigram", "trigram aliases"
"""The two searches of a query's first round."""


def trigram_searches(query: Query, settings: TrigramSettings, *, deadline_s: float) -> Mapping[str, Json]:
    """The searches of a query by its trigrams, in all names and in aliases alone; none for a query without any."""
    found = grams(query.normalized[: settings.characters])
    if not found:
        return {}
    sizes = {NAMES: (GRAMS, settings.head), ALIASES: (ALIAS_GRAMS, settings.aliased)}
    return {
        name: ranked(_any_of(field, found, query), size=size, deadline_s=deadline_s)
        for name, (field, size) in sizes.items()
    }


def _any_of(field: str, found: list[str], query: Query) -> Json:
    parts = [{"term": {field: gram}} for gram in found]
    return {"bool": {"should": parts, "filter": conditions(query), "minimum_should_match": 1}}


class OpenSearchTrigram:
    """See `TrigramRetriever`; the head that similarity orders is the cluster's."""

    name = "trigram"

    def __init__(self, first: FirstRound, catalog: Catalog, settings: TrigramSettings) -> None:
        self._first = first
        self._catalog = catalog
        self._settings = settings

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`."""
        if depth <= 0 or not query.normalized:
            return Candidates.empty(self.name)
        columns, settings = self._catalog.columns, self._settings
        text, mask = query.normalized[: settings.characters], permitted(query, columns.live)
        named, aliased = self._first.ask(query, NAMES), self._first.ask(query, ALIASES)
        ordinals, bm25 = named.ranking
        known = inside(ordinals, mask)
        ordinals, bm25 = ordinals[known], bm25[known]
        similarity = similarities(text, columns.titles[ordinals], columns.names[ordinals])
        raise_aliased(similarity, text, ordinals, aliased.ranking[0], self._catalog)
        scores = similarity + np.float32(settings.coverage) * bm25 / bm25.max(initial=np.finfo(np.float32).tiny)
        shared_ms = named.shared_ms + aliased.shared_ms
        facts = {"similarity": similarity}
        return finish(self.name, ordinals, scores, mask=None, depth=depth, columns=facts, shared_ms=shared_ms)
