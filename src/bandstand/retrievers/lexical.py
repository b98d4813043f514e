"""BM25 over the words of an entity's fields, with complete names first and popularity as a prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import name_keys, terms
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.retrievers.text_index import (
    ALBUM,
    ALIASES,
    ARTISTS,
    ATTRIBUTES,
    EXACT,
    KIND,
    TITLE,
    TextIndex,
    TextSearcher,
)
from bandstand.types import Candidates, Colour, ContextFeature, Query, RetrieverSpec

_BOOSTS = MappingProxyType({TITLE: 1.0, ARTISTS: 1.0, ALIASES: 0.8, ALBUM: 0.5, ATTRIBUTES: 0.6, KIND: 0.3})


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalSettings:
    """Weights of the lexical score; the defaults are measured on known-item queries.

    ``boosts``: by field. ``spread``: the share that a term's other fields add to its best one. ``exact``: boost
    of a complete name. ``popularity``: how much a popularity of 1 adds, as a share of the text score. ``words``:
    how many different query terms are looked for, the rarest. ``head``: hits that are ordered, the most that can
    be returned.
    """

    boosts: Mapping[str, float] = field(default_factory=lambda: _BOOSTS)
    spread: float = 0.1
    exact: float = 1.0
    popularity: float = 0.1
    words: int = 32
    head: int = 512


_HALF = 10.0
"""The BM25 score that is squashed to one half."""


def _squashed_top(found: Candidates) -> float:
    top = max(float(found.scores[0]), 0.0)
    return top / (top + _HALF)


def _gap(found: Candidates, rank: int) -> float:
    """By which share the best score is above that at a rank, or at the last one; 1 without a second candidate."""
    top, other = float(found.scores[0]), float(found.scores[min(rank, len(found)) - 1])
    if top <= 0:
        return 0.0
    return (top - other) / top if len(found) > 1 else 1.0


class LexicalRetriever(Retriever):
    """Per term the best field's BM25, summed over terms, so that words may be spread over fields.

    score = (Σ_t max_f boost_f · BM25_f(t) + exact) · (1 + popularity · p), for p the entity's popularity in [0, 1]:
    a disjunction-max query as in Lucene; BM25 with tantivy's k1 = 1.2, b = 0.75.
    """

    spec = RetrieverSpec(
        "lexical",
        title="words of titles and names (BM25)",
        colour=Colour("#1d5fa8", "#8cc0ff"),
        cost_ms=0.3,
        inline=True,
        fallback=True,
        weight=1.0,
        context=(
            ContextFeature("top", _squashed_top),
            ContextFeature("gap2", lambda found: _gap(found, 2)),
            ContextFeature("gap10", lambda found: _gap(found, 10)),
        ),
    )

    def __init__(self, index: TextIndex, catalog: Catalog, settings: LexicalSettings | None = None) -> None:
        self._index = index
        self._catalog = catalog
        self._settings = settings or LexicalSettings()

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; never more than ``settings.head`` candidates."""
        searcher, columns = self._index.searcher(), self._catalog.columns
        parsed = self._parsed(searcher, query.normalized)
        if depth <= 0 or parsed is None:
            return Candidates.empty(self.name)
        mask = permitted(query, columns.live)
        # The head is the same for every depth: so ties and the prior cannot make a smaller depth another ranking.
        ordinals, scores = searcher.head(parsed, kinds=query.kinds, mask=mask, size=self._settings.head)
        prior = np.float32(1.0) + np.float32(self._settings.popularity) * columns.popularity[ordinals]
        return finish(self.name, ordinals, scores * prior, mask=None, depth=depth)

    def _parsed(self, searcher: TextSearcher, normalized: str) -> Any:  # noqa: ANN401 - a tantivy query
        """The query for a normalised text, None when nothing holds any of its words."""
        boosts, settings = self._settings.boosts, self._settings
        words = searcher.rarest(tuple(boosts), dict.fromkeys(terms(normalized)), settings.words)
        parts = [
            searcher.best_of([searcher.term(name, word, boosts[name]) for name in fields], settings.spread)
            for word, fields in words
        ]
        if names := [key for key in sorted(name_keys(normalized)) if searcher.doc_freq(EXACT, key)]:
            parts.append(searcher.best_of([searcher.term(EXACT, key, settings.exact) for key in names], 0.0))
        return searcher.any_of(parts) if parts else None
