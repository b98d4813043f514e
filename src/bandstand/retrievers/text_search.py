"""Reading the text index: term statistics, query parts, and the head of a ranking under a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from bandstand.errors import RetrievalError
from bandstand.retrievers.base import inside
from bandstand.retrievers.text_document import KIND, MARKER, ORDINAL
from bandstand.types import Kind, Mask, Ordinals, Scores

PUSHED_DOWN = 4_096
"""A mask that allows no more entities than this becomes part of the query; above it hits are filtered afterwards."""

CONSIDERED = 512
"""How many terms of a query are looked up: a pasted page of text is no reason to look up more."""

FARTHEST = 65_536
"""How many hits are looked at, at most, to find allowed ones."""

TIES = 4
"""One more hit for each so many is looked at from the beginning, which is usually where the last one's ties end."""


class TextSearcher:
    """One state of the text index; several threads may use it. Methods raise RetrievalError only."""

    def __init__(self, searcher: Any, schema: Any) -> None:  # noqa: ANN401 - tantivy has no types of its own
        self._searcher = searcher
        self._schema = schema

    def state(self, name: str) -> dict[str, list[int]]:
        """The stored fields of a marker document, empty when there is none."""
        hits = self._search(self.term(MARKER, name), 1)
        return dict(self._searcher.doc(hits[0][1]).to_dict()) if hits else {}

    def doc_freq(self, field: str, term: str) -> int:
        """How many documents hold the term; deleted ones count until their segment is merged."""
        return int(self._searcher.doc_freq(field, term))

    def rarest(self, fields: Sequence[str], terms: Iterable[str], limit: int) -> list[tuple[str, tuple[str, ...]]]:
        """The terms that some field holds, each with those fields.

        At most ``limit`` of them, the rarest of the first `CONSIDERED`, in the given order: so that the same terms
        make the same sums of scores.
        """
        known: list[tuple[int, int, str, tuple[str, ...]]] = []
        for position, term in enumerate(islice(terms, CONSIDERED)):
            counts = [(field, self.doc_freq(field, term)) for field in fields]
            holding = tuple(field for field, count in counts if count)
            if holding:
                known.append((sum(count for _, count in counts), position, term, holding))
        kept = sorted(sorted(known)[:limit], key=lambda entry: entry[1])
        return [(term, holding) for _, _, term, holding in kept]

    def term(self, field: str, text: str, boost: float = 1.0) -> Any:  # noqa: ANN401
        """The query for one term of one field."""
        import tantivy

        query = tantivy.Query.term_query(self._schema, field, text, "freq")
        return query if boost == 1.0 else tantivy.Query.boost_query(query, float(boost))

    def any_of(self, parts: Sequence[Any]) -> Any:  # noqa: ANN401
        """The query that one part or more must match, scored by their sum."""
        import tantivy

        return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])

    def best_of(self, parts: Sequence[Any], spread: float) -> Any:  # noqa: ANN401
        """The query scored by its best part, plus ``spread`` times the others."""
        import tantivy

        return tantivy.Query.disjunction_max_query(list(parts), float(spread))

    def head(self, query: Any, *, kinds: Sequence[Kind], mask: Mask, size: int) -> tuple[Ordinals, Scores]:  # noqa: ANN401
        """The ``size`` best hits inside ``mask``, best first, ties by ordinal.

        Fewer when no more than that match, or when fewer lie among the first `FARTHEST` hits. The index gives ties in
        the order of its segments, which depends on when they were merged: so those of the last hit are all looked at.
        """
        query = self._narrowed(query, kinds, mask)
        limit = size + size // TIES
        while True:
            hits = self._search(query, limit)
            scores = np.fromiter((score for score, _ in hits), np.float32, len(hits))
            ordinals = np.array(self._searcher.fast_field_values(ORDINAL, [at for _, at in hits]), np.int32)
            kept = np.flatnonzero(inside(ordinals, mask))
            enough = len(kept) >= size > 0 and scores[kept[size - 1]] > scores[-1]
            if enough or len(hits) < limit or limit >= FARTHEST:
                best = kept[np.lexsort((ordinals[kept], -scores[kept]))[:size]]
                return ordinals[best], scores[best]
            limit *= 2 if len(kept) >= size else 4

    def _narrowed(self, query: Any, kinds: Sequence[Kind], mask: Mask) -> Any:  # noqa: ANN401
        """The query, with as much of the condition as the index can check by itself; scores stay as they are."""
        import tantivy

        conditions = []
        if kinds:
            conditions.append(tantivy.Query.term_set_query(self._schema, KIND, list(kinds)))
        if np.count_nonzero(mask) <= PUSHED_DOWN < len(mask):
            conditions.append(tantivy.Query.term_set_query(self._schema, ORDINAL, np.flatnonzero(mask).tolist()))
        if not conditions:
            return query
        must = tantivy.Occur.Must
        silent = [(must, tantivy.Query.const_score_query(condition, 0.0)) for condition in conditions]
        return tantivy.Query.boolean_query([(must, query), *silent])

    def _search(self, query: Any, limit: int) -> list[tuple[float, Any]]:  # noqa: ANN401
        try:
            return list(self._searcher.search(query, limit, count=False).hits)
        except (ValueError, OSError) as error:
            raise RetrievalError(f"the text index cannot be searched: {error}") from error
