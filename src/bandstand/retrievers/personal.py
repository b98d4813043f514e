"""The personal retriever: what this user, or this session, chose before, and what goes with it."""

from __future__ import annotations

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.retrievers.base import Retriever, finish, permitted
from bandstand.types import Candidates, Colour, Query, RetrieverSpec


class PersonalRetriever(Retriever):
    """The user's history in the memory index, best for the present query first; nothing without user and session."""

    spec = RetrieverSpec(
        "personal",
        title="what this listener chose before",
        colour=Colour("#a3216d", "#ff9fd0"),
        cost_ms=0.05,
        columns=("times", "days", "like_query", "past", "alike", "peers", "mates"),
        inline=True,
        answers_query=False,
        weight=0.5,
    )

    def __init__(self, memory: Memory, catalog: Catalog) -> None:
        self._memory = memory
        self._catalog = catalog

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; a blank query gives the history as it is."""
        if query.actor is None or depth <= 0:
            return Candidates.empty(self.name)
        try:
            rows = self._memory.personal(query.actor, query.normalized, now=query.time)
        except BandstandError as error:
            raise RetrievalError(f"the user's history cannot be read: {error}") from error
        columns = {name: getattr(rows, name) for name in self.spec.columns}
        mask = permitted(query, self._catalog.columns.live)
        return finish(self.name, rows.ordinals, rows.scores, mask=mask, depth=depth, columns=columns)
