"""The retrievers of a cluster (BM25, trigrams, nearest neighbours), and what their first round trip asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import name_keys, terms
from bandstand.errors import BandstandError, RetrievalError, Unavailable
from bandstand.opensearch.connection import Cluster, Json, hits_of
from bandstand.opensearch.first_round import Asked, FirstRound, ranked, scored
from bandstand.opensearch.indices import Serving
from bandstand.opensearch.text_index import LONGEST_TERM, POPULARITY, conditions
from bandstand.opensearch.vector_index import VECTOR, LiveVectors
from bandstand.retrievers.base import Retriever, check, finish, inside, permitted
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.encoder import EncoderOf
from bandstand.retrievers.lexical import LexicalRetriever, LexicalSettings
from bandstand.retrievers.text_index import ALIAS_GRAMS, EXACT, GRAMS, grams
from bandstand.retrievers.trigram import TrigramRetriever, TrigramSettings, raise_aliased, similarities, spelling
from bandstand.types import DEPTHS, Candidates, Query, Scores

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
        names: list[Json] = [
            {"term": {EXACT: {"value": key, "boost": settings.exact}}} for key in sorted(name_keys(query.normalized))
        ]
        parts.append({"dis_max": {"queries": names}})
    matching: Json = {"bool": {"should": parts, "filter": conditions(query), "minimum_should_match": 1}}
    popular: Json = {"field": POPULARITY, "factor": settings.popularity, "missing": 0.0}
    functions: list[Json] = [{"weight": 1.0}, {"field_value_factor": popular}]
    prior = {"query": matching, "functions": functions, "score_mode": "sum", "boost_mode": "multiply"}
    return ranked({"function_score": prior}, size=DEPTHS[-1], deadline_s=deadline_s)


def _best_field(word: str, settings: LexicalSettings) -> Json:
    fields = [{"term": {name: {"value": word, "boost": boost}}} for name, boost in settings.boosts.items()]
    return {"dis_max": {"queries": fields, "tie_breaker": settings.spread}}


class OpenSearchLexical(Retriever):
    """See `LexicalRetriever`; never more than the largest of `DEPTHS` candidates."""

    spec = replace(LexicalRetriever.spec, inline=False)

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


class OpenSearchTrigram(Retriever):
    """See `TrigramRetriever`; the head that similarity orders is the cluster's."""

    spec = replace(TrigramRetriever.spec, inline=False)

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
        similarity = similarities(text, columns.latin_titles[ordinals].tolist(), columns.latin_names[ordinals].tolist())
        raise_aliased(similarity, text, ordinals, aliased.ranking[0], self._catalog)
        scores = similarity + np.float32(settings.coverage) * bm25 / bm25.max(initial=np.finfo(np.float32).tiny)
        shared_ms = named.shared_ms + aliased.shared_ms
        facts = spelling(similarity)
        return finish(self.name, ordinals, scores, mask=None, depth=depth, columns=facts, shared_ms=shared_ms)


def text_searches(
    lexical: LexicalSettings | None = None, trigram: TrigramSettings | None = None, *, deadline_s: float
) -> Callable[[Query], Mapping[Asked, Json]]:
    """The searches of a query, under these settings.

    Lexical looks for the words that name something, trigram for the typed ones as well where a correction is shown; see
    `CorrectedRetriever`.
    """
    lexical, trigram = lexical or LexicalSettings(), trigram or TrigramSettings()

    def searches(query: Query) -> Mapping[Asked, Json]:
        words = lexical_search(replace(query, normalized=query.named), lexical, deadline_s=deadline_s)
        found: dict[Asked, Json] = {} if words is None else {(NAME, query.named): words}
        for text in _texts(query):
            by_name = trigram_searches(replace(query, normalized=text), trigram, deadline_s=deadline_s)
            found |= {(name, text): search for name, search in by_name.items()}
        return found

    return searches


def _texts(query: Query) -> tuple[str, ...]:
    """The words that name something, and where a correction is shown, what was typed."""
    correction = query.correction
    typed = correction.typed if correction is not None and correction.text == query.meant else query.normalized
    return tuple(dict.fromkeys((query.named, typed)))


_DECIMALS = 6

EXAMINED = 400
"""How many neighbours the graph is searched for, whatever depth is wanted: so a smaller depth is a prefix of a larger
one, and few of the nearest are missed."""


_GONE = ("index_not_found", "search_phase_execution", "no_shard_available", "illegal_index_shard_state")
"""What a search of an index says that is just being deleted, as others take its place."""


class OpenSearchDense(Retriever):
    """See `DenseRetriever`; approximate, and never more than the largest of `DEPTHS` candidates.

    Queries are encoded by the encoder of the vectors that serve, also while another one's are being built beside them.
    """

    spec = DenseRetriever.spec

    def __init__(
        self, cluster: Cluster, live: LiveVectors, encoder_of: EncoderOf, catalog: Catalog, *, deadline_s: float
    ) -> None:
        self._cluster = cluster
        self._live = live
        self._encoder_of = encoder_of
        self._catalog = catalog
        self._deadline_s = deadline_s

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """At most ``depth`` nearest entities, none for a blank query.

        Raises:
            RetrievalError: the query cannot be encoded, or the cluster could not answer, or not in time.
        """
        if not query.normalized or depth <= 0:
            return Candidates.empty(self.name)
        try:
            hits = self._hits(query)
        except BandstandError as error:
            raise RetrievalError(str(error)) from error
        ordinals, scores = scored(hits)
        mask = permitted(query, self._catalog.columns.live)
        return finish(self.name, ordinals, np.round(cosines(scores), _DECIMALS), mask=mask, depth=depth)

    def _hits(self, query: Query) -> list[Json]:
        """What the cluster finds, by the vectors that serve now where those that were asked are gone."""
        served = self._live.served
        try:
            return self._found(query, served)
        except Unavailable as error:
            gone = any(kind in str(error) for kind in _GONE)
            if not gone or self._live.refresh().index == served.index:
                raise
            return self._found(query, self._live.served)

    def _found(self, query: Query, served: Serving) -> list[Json]:
        body = self._body(query, self._encoder_of(served.facts["encoder"]).encode_query(query.normalized))
        check()
        (answer,) = self._cluster.msearch([(served.index, body)], timeout=self._deadline_s)
        return hits_of(answer)

    def _body(self, query: Query, vector: Scores) -> Json:
        wanted: Json = {"vector": vector.tolist(), "k": EXAMINED}
        if clauses := conditions(query):
            wanted["filter"] = {"bool": {"filter": clauses}}
        return ranked({"knn": {VECTOR: wanted}}, size=DEPTHS[-1], deadline_s=self._deadline_s)


def cosines(scores: Scores) -> Scores:
    """Inner products of what Lucene scores by them: 1 + x for x >= 0, else 1 / (1 - x)."""
    products: Scores = np.where(scores >= 1, scores - 1, 1 - 1 / np.maximum(scores, np.float32(1e-9)))
    return products
