"""The first round trip of a search: everything cheap that it may ask the cluster, sent together when it first asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import numpy as np

from bandstand.cluster.connection import Cluster, Json, hits_of
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.text_document import ORDINAL
from bandstand.types import Ordinals, Query, Scores

Answers = Mapping[str, Json | BandstandError]
"""By the name of a search within the round: its answer, or why there is none."""

_Key = tuple[str, str, object, object]

_REMEMBERED = 64
"""Queries whose round is kept: as many as may be under way at once."""


class FirstRound:
    """One multi-search a query, whichever arm asks first; the others of the same query read what it brought.

    ``searches`` gives the searches of a query by name; ``index`` is where they look. Safe for threads.
    """

    def __init__(
        self, cluster: Cluster, index: str, searches: Callable[[Query], Mapping[str, Json]], *, deadline_s: float
    ) -> None:
        self._cluster = cluster
        self._index = index
        self._searches = searches
        self._deadline_s = deadline_s
        self._rounds: OrderedDict[_Key, Future[Answers]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, query: Query, name: str) -> tuple[Ordinals, Scores]:
        """The hits of one search of a query's round, none where the query has no such search.

        Raises:
            RetrievalError: the cluster could not answer it, or not in time.
        """
        try:
            answers = self._answers(query)
            hits = hits_of(answers[name]) if name in answers else []
        except BandstandError as error:
            raise RetrievalError(str(error)) from error
        return scored(hits)

    def _answers(self, query: Query) -> Answers:
        key = (query.id, query.normalized, query.kinds, query.filters)
        with self._lock:
            going = self._rounds.get(key)
            if going is None:
                mine = self._rounds[key] = Future()
                while len(self._rounds) > _REMEMBERED:
                    self._rounds.popitem(last=False)
        if going is not None:
            return going.result()
        return self._send(query, mine)

    def _send(self, query: Query, mine: Future[Answers]) -> Answers:
        try:
            searches = self._searches(query)
            asked = [(self._index, body) for body in searches.values()]
            found = self._cluster.msearch(asked, timeout=self._deadline_s) if asked else []
        except BaseException as error:
            mine.set_exception(error)
            raise
        answers = dict(zip(searches, found, strict=True))
        mine.set_result(answers)
        return answers


def ranked(query: Json, *, size: int, deadline_s: float) -> Json:
    """The body of a search that answers with nothing but scores and ordinals, best first, ties by ordinal."""
    return {
        "query": query,
        "size": size,
        "sort": ["_score", {ORDINAL: "asc"}],
        "stored_fields": "_none_",
        "track_total_hits": False,
        "timeout": f"{max(round(deadline_s * 1e3), 1)}ms",
    }


def scored(hits: list[Json]) -> tuple[Ordinals, Scores]:
    """Ordinals int32 (n,) and scores float32 (n,) of the hits of a `ranked` search, in their order."""
    ordinals = np.fromiter((hit["sort"][1] for hit in hits), np.int32, len(hits))
    return ordinals, np.fromiter((hit["sort"][0] for hit in hits), np.float32, len(hits))
