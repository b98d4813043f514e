"""Misspelt names: character trigrams find candidates, string similarity orders them, so that exact beats typo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.text import normalize, romanize
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.retrievers.text_index import ALIAS_GRAMS, GRAMS, TextIndex, TextSearcher, grams
from bandstand.types import Candidates, Colour, ContextFeature, Mask, Ordinals, Query, RetrieverSpec, Scores, best_value

PREFIX_WEIGHT = 0.9
"""What an exact beginning of a title counts against a complete name: a typist is not done, a suffix is not typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrigramSettings:
    """Bounds and weights of the trigram retriever; the defaults are measured on misspelt known-item queries.

    ``trigrams``: how many of the query's are looked for, the rarest. ``characters``: how much of the query is
    compared. ``head``: hits that are compared, the most that can be returned. ``aliased``: how many of them are
    compared by their aliases too. ``coverage``: weight of trigram BM25 beside similarity.
    """

    trigrams: int = 32
    characters: int = 128
    head: int = 512
    aliased: int = 32
    coverage: float = 0.5


class TrigramRetriever(Retriever):
    """Candidates by BM25 over trigrams, ordered by similarity to the query.

    score = similarity + coverage · BM25 / (best BM25), in (0, 1 + coverage]; for similarity see `similarities`. It
    goes along as a column, as does what it says of a name, see `spelling`.
    """

    spec = RetrieverSpec(
        "trigram",
        title="spelt alike, letter by letter",
        colour=Colour("#6a5200", "#dfc65c"),
        cost_ms=1.0,
        inline=True,
        columns=("similarity", "alike"),
        fallback=True,
        weight=1.0,
        weights={"alike": 1.0},
        trust="similarity",
        context=(ContextFeature("similarity", best_value("similarity")),),
    )

    def __init__(self, index: TextIndex, catalog: Catalog, settings: TrigramSettings | None = None) -> None:
        self._index = index
        self._catalog = catalog
        self._settings = settings or TrigramSettings()

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; never more than ``settings.head`` candidates."""
        searcher, columns, settings = self._index.searcher(), self._catalog.columns, self._settings
        text = query.normalized[: settings.characters]
        mask = permitted(query, columns.live)
        parsed = self._parsed(searcher, GRAMS, text) if depth > 0 else None
        if parsed is None:
            return Candidates.empty(self.name)
        # The head is the same for every depth, because every hit's place depends on all of it.
        ordinals, bm25 = searcher.head(parsed, kinds=query.kinds, mask=mask, size=settings.head)
        similarity = similarities(text, columns.latin_titles[ordinals].tolist(), columns.latin_names[ordinals].tolist())
        raise_aliased(similarity, text, ordinals, self._aliased(searcher, query, text, mask), self._catalog)
        scores = similarity + np.float32(settings.coverage) * bm25 / bm25.max(initial=np.finfo(np.float32).tiny)
        return finish(self.name, ordinals, scores, mask=None, depth=depth, columns=spelling(similarity))

    def _parsed(self, searcher: TextSearcher, field: str, text: str) -> Any:  # noqa: ANN401 - a tantivy query
        """The query for the text's trigrams in a field, None when nothing holds any."""
        found = searcher.rarest((field,), grams(text), self._settings.trigrams)
        return searcher.any_of([searcher.term(field, gram) for gram, _ in found]) if found else None

    def _aliased(self, searcher: TextSearcher, query: Query, text: str, mask: Mask) -> Ordinals:
        """The entities whose aliases hold most of the text's trigrams."""
        parsed = self._parsed(searcher, ALIAS_GRAMS, text)
        if parsed is None:
            return np.empty(0, np.int32)
        return searcher.head(parsed, kinds=query.kinds, mask=mask, size=self._settings.aliased)[0]


def spelling(similarity: Scores) -> Mapping[str, Scores]:
    """The facts of the retriever: ``similarity`` (n,), and ``alike``, its fourth power.

    A name that shares half of its letters with the query is no other spelling of it: .9 counts .66, .5 counts .06.
    """
    return {"similarity": similarity, "alike": similarity**4}


def raise_aliased(similarity: Scores, text: str, ordinals: Ordinals, aliased: Ordinals, catalog: Catalog) -> None:
    """Raise, in place, the similarity (n,) of hits to that of their best alias, for those that are ``aliased``.

    Raises:
        RetrievalError: the entities cannot be read.
    """
    # Aliases are few and not in the columns: only the few entities that they matter for are fetched.
    at = np.flatnonzero(np.isin(ordinals, aliased))
    try:
        owners = catalog.entities(ordinals[at])
    except BandstandError as error:
        raise RetrievalError(f"the entities behind aliases cannot be read: {error}") from error
    named = zip(at.tolist(), owners, strict=True)
    names = [(place, _latin(alias)) for place, entity in named for alias in entity.aliases]
    if names:
        places, aliases = map(list, zip(*names, strict=True))
        np.maximum.at(similarity, places, similarities(text, aliases, aliases))


def similarities(text: str, titles: Sequence[str], names: Sequence[str]) -> Scores:
    """How alike a normalised text and n entities are, by title and by complete name; float32 (n,) in [0, 1].

    The highest of: rapidfuzz's ``ratio`` (normalised indel similarity) to the title and to the name,
    ``token_sort_ratio`` (the same with words sorted) to the name, and `PREFIX_WEIGHT` times the ratio to the
    title's beginning of the text's length. Titles and names are in Latin letters, see `romanize`; the text is put so.
    """
    from rapidfuzz import fuzz
    from rapidfuzz.process import cdist

    if not titles:
        return np.empty(0, np.float32)
    query = romanize(text)
    typed = slice(len(query))
    compared = (
        (1.0, fuzz.ratio, titles),
        (1.0, fuzz.ratio, names),
        (1.0, fuzz.token_sort_ratio, names),
        (PREFIX_WEIGHT, fuzz.ratio, [title[typed] for title in titles]),
    )
    weighted = [
        weight * cdist([query], choices, scorer=scorer, dtype=np.float32)[0] for weight, scorer, choices in compared
    ]
    return np.asarray(np.max(weighted, axis=0) / 100.0, np.float32)


@lru_cache(maxsize=65_536)
def _latin(name: str) -> str:
    return romanize(normalize(name))
