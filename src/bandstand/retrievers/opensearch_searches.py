"""What the first round trip of a search asks: lexical and trigram searches, as meant and, for trigrams, as typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bandstand.cluster.connection import Json
from bandstand.retrievers.lexical import LexicalSettings
from bandstand.retrievers.opensearch_lexical import NAME, lexical_search
from bandstand.retrievers.opensearch_round import Asked
from bandstand.retrievers.opensearch_trigram import trigram_searches
from bandstand.retrievers.trigram import TrigramSettings
from bandstand.types import Query


def text_searches(
    lexical: LexicalSettings | None = None, trigram: TrigramSettings | None = None, *, deadline_s: float
) -> Callable[[Query], Mapping[Asked, Json]]:
    """The searches of a query, under these settings.

    Where a correction is shown, lexical looks for the corrected words, trigram for the typed ones as well; see
    `CorrectedRetriever`.
    """
    lexical, trigram = lexical or LexicalSettings(), trigram or TrigramSettings()

    def searches(query: Query) -> Mapping[Asked, Json]:
        words = lexical_search(replace(query, normalized=query.meant), lexical, deadline_s=deadline_s)
        found: dict[Asked, Json] = {} if words is None else {(NAME, query.meant): words}
        for text in _texts(query):
            by_name = trigram_searches(replace(query, normalized=text), trigram, deadline_s=deadline_s)
            found |= {(name, text): search for name, search in by_name.items()}
        return found

    return searches


def _texts(query: Query) -> tuple[str, ...]:
    """As meant, and where that differs, as typed."""
    correction = query.correction
    typed = correction.typed if correction is not None and correction.text == query.meant else query.normalized
    return tuple(dict.fromkeys((query.meant, typed)))
