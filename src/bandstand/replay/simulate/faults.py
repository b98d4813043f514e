"""Retrievers that can be made to fail quietly: they go on answering, with nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from bandstand.replay.home import ReplayHome
from bandstand.retrievers.base import Retriever
from bandstand.types import Candidates, Query


class FaultyRetriever:
    """Another retriever, until it is ``broken``: from then on the right number of the wrong entities."""

    def __init__(self, inner: Retriever) -> None:
        self._inner = inner
        self.name = inner.name
        self.broken = False

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; every ordinal is moved on by a number that the query gives."""
        found = self._inner.retrieve(query, depth)
        if not self.broken or not len(found):
            return found
        largest = int(found.ordinals.max()) + 1
        moved = (found.ordinals + crc32(query.normalized.encode("utf-8", "replace")) % largest) % largest
        return Candidates(retriever=self.name, ordinals=moved.astype(np.int32), scores=found.scores)


class FaultyHome(ReplayHome):
    """A home whose retrievers can be broken one by one."""

    faulty: Mapping[str, FaultyRetriever]

    def break_down(self, arm: str) -> None:
        """From now on a retriever answers with nonsense."""
        self.faulty[arm].broken = True

    def _retrievers(self) -> dict[str, Retriever]:
        self.faulty = {name: FaultyRetriever(each) for name, each in super()._retrievers().items()}
        return dict(self.faulty)
