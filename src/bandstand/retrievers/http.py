"""A retriever that asks a service over HTTP: any language, any index, ids and scores as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pybreaker
import urllib3

from bandstand.errors import RetrievalError
from bandstand.retrievers.base import Retriever
from bandstand.types import DEPTHS, Candidates, Query, RetrieverSpec

_RETRIED = (502, 503, 504)
_COST_MS = 20.0
_KEPT = 64
"""Connections kept open: as many as searches may run side by side in one process (`Settings.search_threads`)."""


class HttpAnswer(msgspec.Struct):
    """What the service answers with: ids of entities, best first, a score for each, and columns of its spec."""

    ids: list[str]
    scores: list[float]
    columns: dict[str, list[float]] = {}


class HttpRetriever(Retriever):
    """Posts each query as JSON to ``url`` and reads an `HttpAnswer`.

    The body holds ``query`` (as typed), ``normalized``, ``depth``, ``kinds``, ``filters`` (attribute to values),
    ``year_gte``, ``year_lte`` and ``locale``; nothing about the user. The service is always asked for the greatest
    depth, so that a smaller one is a prefix of it. It may ignore kinds and filters: what they forbid is left out here.

    Args:
        url: where to post.
        spec: the retriever's name and traits; or only its name. A price of 20 ms makes it one that the bandit decides
            about.
        deadline_ms: milliseconds for all attempts together.
        retries: further attempts after a connection that failed, or a 502, 503 or 504.
        headers: sent along, such as ``Authorization``.
        failures: failed calls in a row after which the service is left alone for ``pause_s`` seconds.
        pause_s: seconds after which one call tries again.
    """

    def __init__(
        self,
        url: str,
        spec: RetrieverSpec | str = "http",
        *,
        deadline_ms: float = 150.0,
        retries: int = 1,
        headers: Mapping[str, str] | None = None,
        failures: int = 5,
        pause_s: float = 30.0,
    ) -> None:
        self.spec = RetrieverSpec(spec, cost_ms=_COST_MS) if isinstance(spec, str) else spec
        self._url = url
        attempt_s = deadline_ms / 1e3 / (retries + 1)
        self._pool = urllib3.PoolManager(
            maxsize=_KEPT,
            headers={**urllib3.make_headers(keep_alive=True, accept_encoding=True), **(headers or {})},
            timeout=urllib3.Timeout(total=attempt_s),
            retries=urllib3.Retry(retries, status_forcelist=_RETRIED, allowed_methods=None, raise_on_status=False),
        )
        self._breaker = pybreaker.CircuitBreaker(fail_max=failures, reset_timeout=pause_s, name=self.name)

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `Retriever`; a blank query is not asked."""
        if depth <= 0 or not query.normalized:
            return Candidates.empty(self.name)
        try:
            answer = self._breaker.call(self._asked, query)
        except pybreaker.CircuitBreakerError as cause:
            raise RetrievalError(
                f"{self.name}: {self._url} failed too often and is left alone for {self._breaker.reset_timeout:g} s"
            ) from cause
        return self.candidates(query, depth, answer.ids, answer.scores, **answer.columns)

    def close(self) -> None:
        """See `Retriever`."""
        self._pool.clear()

    def _asked(self, query: Query) -> HttpAnswer:
        try:
            response = self._pool.request("POST", self._url, json=_body(query))
        except urllib3.exceptions.HTTPError as cause:
            raise RetrievalError(f"{self.name}: {self._url} does not answer: {cause}") from cause
        if response.status != 200:
            raise RetrievalError(f"{self.name}: {self._url} answered {response.status}; it has to answer 200")
        return self._read(response.data)

    def _read(self, content: bytes) -> HttpAnswer:
        try:
            answer = msgspec.json.decode(content, type=HttpAnswer)
        except msgspec.DecodeError as cause:
            raise RetrievalError(
                f'{self.name}: {self._url} has to answer {{"ids": [...], "scores": [...]}}: {cause}'
            ) from cause
        lengths = {len(answer.scores), *map(len, answer.columns.values())} - {len(answer.ids)}
        if lengths or set(answer.columns) - set(self.spec.columns):
            raise RetrievalError(
                f"{self.name}: {self._url} has to answer as many scores and values of its columns as ids, and no"
                f" column but {', '.join(self.spec.columns) or 'none'}"
            )
        return answer


def _body(query: Query) -> dict[str, object]:
    return {
        "query": query.text,
        "normalized": query.normalized,
        "depth": DEPTHS[-1],
        "kinds": query.kinds,
        "filters": dict(query.filters.values),
        "year_gte": query.filters.year_gte,
        "year_lte": query.filters.year_lte,
        "locale": query.locale,
    }
