"""A retriever that looks for the words of a query that name something: corrected, and without those that only ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandstand.retrievers.base import Retriever, finish
from bandstand.types import Candidates, Query


class CorrectedRetriever(Retriever):
    """Asks another retriever by `Query.named`; where that is "", nothing is found.

    With ``typed`` it asks by what was typed as well where that was corrected, and a candidate of both counts by its
    better score: a correction may be wrong.
    """

    def __init__(self, inner: Retriever, *, typed: bool) -> None:
        self._inner = inner
        self._typed = typed
        self.spec = inner.spec

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`."""
        named = self._inner.retrieve(replace(query, normalized=query.named), depth)
        if not self._typed or query.meant == query.normalized:
            return named
        return _better_of(self._inner.retrieve(query, depth), named, depth)


def _better_of(first: Candidates, second: Candidates, depth: int) -> Candidates:
    """Two answers of one retriever as one, each candidate with the facts that go with its better score."""
    return finish(
        first.retriever,
        np.concatenate([first.ordinals, second.ordinals]),
        np.concatenate([first.scores, second.scores]),
        mask=None,
        depth=depth,
        columns={
            name: np.concatenate([first.columns[name], second.columns[name]])
            for name in first.columns.keys() & second.columns.keys()
        },
        shared_ms=first.shared_ms + second.shared_ms,
    )
