"""The lexical retriever on a cluster: BM25 over the same terms and fields, popularity multiplied in by the cluster."""

from __future__ import annotations

from itertools import islice

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import terms
from bandstand.cluster.connection import Json
from bandstand.retrievers.base import finish, permitted
from bandstand.retrievers.lexical import LexicalSettings
from bandstand.retrievers.opensearch_round import FirstRound, ranked
from bandstand.retrievers.opensearch_text import LONGEST_TERM, POPULARITY, conditions
from bandstand.retrievers.text_document import EXACT
from bandstand.types import DEPTHS, Candidates, Query

NAME = "lexical"

_CONSIDERED = 512
_CLAUSES = 96
"""How many words of a query are looked for: a cluster allows 1,024 clauses, and a word has one for each field."""


def lexical_search(query: Query, settings: LexicalSettings, *, deadline_s: float) -> Json | None:
    """The search of a query; None for one without words.

    score = (Σ_t max_f boost_f · BM25_f(t) + exact) · (1 + popularity · p), as `LexicalRetriever` says. OpenSearch 2
    scores by Lucene's older BM25, which has the factor k1 + 1 as tantivy's: so a score means the same to the ranker.
    """
    words = [word for word in dict.fromkeys(islice(terms(query.normalized), _CONSIDERED)) if len(word) <= LONGEST_TERM]
    if not words:
        return None
    parts: list[Json] = [_best_field(word, settings) for word in words[:_CLAUSES]]
    if len(query.normalized) <= LONGEST_TERM:
        parts.append({"term": {EXACT: {"value": query.normalized, "boost": settings.exact}}})
    matching: Json = {"bool": {"should": parts, "filter": conditions(query), "minimum_should_match": 1}}
    popular: Json = {"field": POPULARITY, "factor": settings.popularity, "missing": 0.0}
    functions: list[Json] = [{"weight": 1.0}, {"field_value_factor": popular}]
    prior = {"query": matching, "functions": functions, "score_mode": "sum", "boost_mode": "multiply"}
    return ranked({"function_score": prior}, size=DEPTHS[-1], deadline_s=deadline_s)


def _best_field(word: str, settings: LexicalSettings) -> Json:
    fields = [{"term": {name: {"value": word, "boost": boost}}} for name, boost in settings.boosts.items()]
    return {"dis_max": {"queries": fields, "tie_breaker": settings.spread}}


class OpenSearchLexical:
    """See `LexicalRetriever`; never more than the largest of `DEPTHS` candidates."""

    name = NAME

    def __init__(self, first: FirstRound, catalog: Catalog) -> None:
        self._first = first
        self._catalog = catalog

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`."""
        if depth <= 0 or not query.normalized:
            return Candidates.empty(self.name)
        found = self._first.ask(query, NAME)
        mask = permitted(query, self._catalog.columns.live)
        return finish(self.name, *found.ranking, mask=mask, depth=depth, shared_ms=found.shared_ms)
