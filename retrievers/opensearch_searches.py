"""What the first round trip of a search asks: the searches of the lexical and of the trigram arm, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bandstand.cluster.connection import Json
from bandstand.retrievers.lexical import LexicalSettings
from bandstand.retrievers.opensearch_lexical import NAME, lexical_search
from bandstand.retrievers.opensearch_trigram import trigram_searches
from bandstand.retrievers.trigram import TrigramSettings
from bandstand.types import Query


def text_searches(
    lexical: LexicalSettings | None = None, trigram: TrigramSettings | None = None, *, deadline_s: float
) -> Callable[[Query], Mapping[str, Json]]:
    """The searches of a query, under these settings."""
    lexical, trigram = lexical or LexicalSettings(), trigram or TrigramSettings()

    def searches(query: Query) -> Mapping[str, Json]:
        words = lexical_search(query, lexical, deadline_s=deadline_s)
        return {
            **({} if words is None else {NAME: words}),
            **trigram_searches(query, trigram, deadline_s=deadline_s),
        }

    return searches
