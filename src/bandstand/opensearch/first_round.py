"""The first round trip of a search: everything cheap that it may ask the cluster, sent together when it first asks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bandstand.errors import BandstandError, RetrievalError
from bandstand.opensearch.connection import Cluster, Json, hits_of
from bandstand.retrievers.text_index import ORDINAL
from bandstand.types import Ordinals, Query, Scores


class Found(NamedTuple):
    """The hits of one search of a round: ordinals and scores, best first; for ``shared_ms`` see `Candidates`."""

    ranking: tuple[Ordinals, Scores]
    shared_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round trip brought, for each search: its answer or why there is none, and its milliseconds.

    The round's time is split as the cluster's own times for its searches (``took``) are; a search that failed has none.
    """

    answers: Mapping[Asked, Json | BandstandError]
    shares_ms: Mapping[Asked, float]


Asked = tuple[str, str]
"""A search of a round: the name of the search, and the normalised text that it looks for."""

_Key = tuple[str, str, object, object]

_REMEMBERED = 64
"""Queries whose round is kept: as many as may be under way at once."""


class FirstRound:
    """One multi-search a query, whichever arm asks first; the others of the same query read what it brought.

    ``searches`` gives all searches of a query, also those for its corrected words; ``index`` is where they look.
    Safe for threads.
    """

    def __init__(
        self,
        cluster: Cluster,
        index: str,
        searches: Callable[[Query], Mapping[Asked, Json]],
        *,
        deadline_s: float,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._cluster = cluster
        self._index = index
        self._searches = searches
        self._deadline_s = deadline_s
        self._timer = timer
        self._rounds: OrderedDict[_Key, Future[Round]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, query: Query, name: str) -> Found:
        """The hits of one search of a query's round, none where the query has no such search.

        Raises:
            RetrievalError: the cluster could not answer it, or not in time.
        """
        began, asked = self._timer(), (name, query.normalized)
        try:
            brought = self._brought(query)
            hits = hits_of(brought.answers[asked]) if asked in brought.answers else []
        except BandstandError as error:
            raise RetrievalError(str(error)) from error
        waited_ms = (self._timer() - began) * 1e3
        return Found(scored(hits), brought.shares_ms.get(asked, 0.0) - waited_ms)

    def _brought(self, query: Query) -> Round:
        key = (query.id, query.meant, query.kinds, query.filters)
        with self._lock:
            going = self._rounds.get(key)
            if going is None:
                mine = self._rounds[key] = Future()
                while len(self._rounds) > _REMEMBERED:
                    self._rounds.popitem(last=False)
        if going is not None:
            return going.result()
        return self._send(query, mine)

    def _send(self, query: Query, mine: Future[Round]) -> Round:
        began = self._timer()
        try:
            searches = self._searches(query)
            asked = [(self._index, body) for body in searches.values()]
            found = self._cluster.msearch(asked, timeout=self._deadline_s) if asked else []
        except BaseException as error:
            mine.set_exception(error)
            raise
        shares = _shares(found, (self._timer() - began) * 1e3)
        brought = Round(dict(zip(searches, found, strict=True)), dict(zip(searches, shares, strict=True)))
        mine.set_result(brought)
        return brought


def _shares(found: Sequence[Json | BandstandError], round_ms: float) -> list[float]:
    """The round's milliseconds split over its searches; evenly where all were faster than the cluster counts."""
    took = [0.0 if isinstance(answer, BandstandError) else float(answer.get("took", 0)) for answer in found]
    total = sum(took)
    return [round_ms * (each / total if total else 1 / len(took)) for each in took]


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
