"""The one way to the cluster: opensearch-py's client, and requests that raise only our own errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer

from bandstand.errors import BandstandError, Conflict, MissingDependency, Unavailable
from bandstand.opensearch.failures import failure, item_failure, mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Frozen values of one connection.

    ``urls`` are http or https addresses of nodes; a node that fails is left alone for some seconds. ``aws_region``
    turns on request signing for ``aws_service`` ("es" or "aoss") with the credentials that boto3 finds. ``prefix``
    begins the name of every index. ``timeout_s`` is for requests that name no deadline of their own.
    """

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    aws_region: str | None = None
    aws_service: str = "es"
    prefix: str = "bandstand"
    shards: int = 1
    timeout_s: float = 30.0
    connections: int = 32


_LEFT_ALONE_S = 3
"""How long a node that failed is not asked, the first time; longer each further time."""


class _FastSerializer(JSONSerializer):  # type: ignore[misc]  # opensearch-py is untyped here
    """JSON by orjson; bytes go out as they are."""

    def loads(self, s: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise SerializationError(s, error) from error

    def dumps(self, data: object) -> bytes:
        return data if isinstance(data, bytes) else orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def new_client(settings: ClusterSettings) -> OpenSearch:
    """A client over the nodes of ``settings``; nothing is sent yet.

    Raises:
        MissingDependency: requests are to be signed, and boto3 is not installed.
    """
    # It logs every failure as a warning; ours carry the same, and whoever meets them says so once.
    logging.getLogger("opensearch").setLevel(logging.ERROR)
    return OpenSearch(
        list(settings.urls),
        http_auth=_auth(settings),
        ca_certs=settings.ca_file,
        connection_class=Urllib3HttpConnection,
        pool_maxsize=settings.connections,
        timeout=settings.timeout_s,
        max_retries=2,
        retry_on_timeout=False,
        dead_timeout=_LEFT_ALONE_S,
        serializer=_FastSerializer(),
    )


def _auth(settings: ClusterSettings) -> object:
    if settings.aws_region is None:
        return (settings.user, settings.password or "") if settings.user else None
    try:
        import boto3
    except ImportError as error:
        raise MissingDependency("signing requests to OpenSearch needs boto3: pip install boto3") from error
    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise MissingDependency("no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret")
    return Urllib3AWSV4SignerAuth(credentials, settings.aws_region, settings.aws_service)


Json = dict[str, Any]
Operation = tuple[Json, Json | None]
"""One step of a bulk request: the action with its metadata, and the document where the action has one."""

BULK_BYTES = 8_000_000
"""How large a bulk request grows before the next one begins."""

_RETRIES = 5
_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read; ``seq_no`` and ``term`` name this state of it."""

    id: str
    source: Json
    seq_no: int
    term: int


class Cluster:
    """A connection to the cluster, shared by all threads of a process.

    Raises:
        Unavailable: not now (unreachable, too slow, overloaded, a shard without copy); says when to try again.
        StorageError: the cluster refuses (rights, mapping, disk); says what to mend.
        Conflict: an optimistic write lost against another one.
    """

    def __init__(self, settings: ClusterSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self.where = f"OpenSearch at {', '.join(settings.urls)}"
        self._sleep = sleep
        with mapped(self.where):
            self._client = new_client(settings)

    def index(self, part: str) -> str:
        """The name (an alias) of a part's index."""
        return f"{self.settings.prefix}-{part}"

    def request(
        self, method: str, path: str, body: object = None, *, params: Json | None = None, timeout: float | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Send one request; ``body`` is an object for JSON, or bytes as they are. ``timeout`` is seconds."""
        headers = {"content-type": "application/x-ndjson"} if isinstance(body, bytes) else None
        with mapped(self.where):
            return self._client.transport.perform_request(
                method, path, params=params, body=body, timeout=timeout or self.settings.timeout_s, headers=headers
            )

    def get(self, index: str, id: str) -> Document | None:  # noqa: A002 - the field's name
        """The newest state of a document, searchable yet or not; None when there is none."""
        return self.mget(index, [id]).get(id)

    def mget(
        self, index: str, ids: Sequence[str], fields: Sequence[str] | None = None, *, timeout: float | None = None
    ) -> dict[str, Document]:
        """The newest states of those of ``ids`` that exist; of their content only ``fields``."""
        found: dict[str, Document] = {}
        params = {"_source_includes": ",".join(fields)} if fields else None
        for start in range(0, len(ids), _PAGE):
            body = {"ids": list(ids[start : start + _PAGE])}
            answer = self.request("POST", f"/{index}/_mget", body, params=params, timeout=timeout)
            for doc in answer["docs"]:
                if "error" in doc:
                    raise item_failure(404, doc["error"], self.where)
                if doc.get("found"):
                    found[doc["_id"]] = Document(
                        doc["_id"], doc.get("_source", {}), doc["_seq_no"], doc["_primary_term"]
                    )
        return found

    def put(
        self,
        index: str,
        id: str,  # noqa: A002 - the field's name
        source: Json,
        *,
        create: bool = False,
        at: Document | None = None,
        refresh: bool = False,
    ) -> None:
        """Write a document: ``create`` only where there is none, ``at`` only over this state of it.

        Raises:
            Conflict: there is one, or it has changed since.
        """
        params: Json = {"op_type": "create"} if create else {}
        if at is not None:
            params |= {"if_seq_no": at.seq_no, "if_primary_term": at.term}
        if refresh:
            params["refresh"] = "true"
        self.request("PUT", f"/{index}/_doc/{quote(id, safe='')}", source, params=params)

    def change(
        self,
        index: str,
        id: str,  # noqa: A002 - the field's name
        edit: Callable[[Json], Json],
    ) -> Json:
        """Edit a document ({} where there is none) until nobody came in between; what was written."""
        while True:
            document = self.get(index, id)
            source = edit(dict(document.source) if document else {})
            try:
                self.put(index, id, source, create=document is None, at=document)
            except Conflict:
                continue
            return source

    def delete(self, index: str, id: str) -> None:  # noqa: A002 - the field's name
        """Remove a document if it is there."""
        self.bulk(index, [({"delete": {"_id": id}}, None)])

    def bulk(self, index: str, operations: Iterable[Operation], *, refresh: bool = False) -> list[int]:
        """Apply operations in order; their statuses. 404 and 409 (not there, lost a race) are the caller's to judge.

        What the cluster has no room for at the moment (429) is sent again, more and more slowly.
        """
        statuses: list[int] = []
        for lines in _pages(operations):
            statuses += self._bulk_page(index, lines)
        if refresh:
            self.refresh(index)
        return statuses

    def _bulk_page(self, index: str, lines: list[bytes]) -> list[int]:
        statuses, waiting = [429] * len(lines), list(range(len(lines)))
        for attempt in range(_RETRIES + 1):
            answer = self.request("POST", f"/{index}/_bulk", b"".join(lines[at] for at in waiting))
            for at, item in zip(waiting, answer["items"], strict=True):
                (outcome,) = item.values()
                statuses[at] = outcome["status"]
                if statuses[at] >= 400 and not _bearable(statuses[at], outcome.get("error")):
                    raise item_failure(statuses[at], outcome["error"], self.where)
            waiting = [at for at in waiting if statuses[at] == 429]
            if not waiting:
                return statuses
            if attempt < _RETRIES:
                self._sleep(0.1 * 2**attempt)
        raise failure(429, "rejected_execution_exception", f"{len(waiting)} writes", self.where)

    def search(self, index: str, body: Json, *, timeout: float | None = None) -> Json:
        """One search, complete or not at all."""
        params = {"allow_partial_search_results": "false"}
        answer: Json = self.request("POST", f"/{index}/_search", body, params=params, timeout=timeout)
        return answer

    def msearch(
        self, searches: Sequence[tuple[str, Json]], *, timeout: float | None = None
    ) -> list[Json | BandstandError]:
        """Several searches of (index, body) in one round trip: for each its answer, or why there is none."""
        lines = [
            orjson.dumps({"index": index, "allow_partial_search_results": False}) + b"\n" + orjson.dumps(body) + b"\n"
            for index, body in searches
        ]
        params = {"filter_path": "responses.status,responses.error,responses.timed_out,responses.took,responses.hits"}
        answer = self.request("POST", "/_msearch", b"".join(lines), params=params, timeout=timeout)
        return [self._part(part) for part in answer["responses"]]

    def _part(self, part: Json) -> Json | BandstandError:
        if "error" in part:
            return item_failure(int(part.get("status", 500)), part["error"], self.where)
        if part.get("timed_out"):
            return Unavailable(f"{self.where} did not finish a search in time; try again")
        return part

    def scan(
        self, index: str, query: Json, *, sort: str, fields: Sequence[str] | None = None, page: int = _PAGE
    ) -> Iterator[Json]:
        """Every hit of a query, ascending by a field whose values are distinct, a page at a time."""
        body: Json = {"query": query, "size": page, "sort": [{sort: "asc"}], "track_total_hits": False}
        if fields is not None:
            body["_source"] = list(fields)
        while True:
            hits = self.search(index, body)["hits"]["hits"]
            yield from hits
            if len(hits) < page:
                return
            body["search_after"] = hits[-1]["sort"]

    def refresh(self, index: str) -> None:
        """Let searches find everything that was written."""
        self.request("POST", f"/{index}/_refresh")

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._client.close()


def hits_of(answer: Json | BandstandError) -> list[Json]:
    """The hits of one answer of a multi-search; raises where it is an error."""
    if isinstance(answer, BandstandError):
        raise answer
    hits: list[Json] = answer.get("hits", {}).get("hits", [])
    return hits


def named(source: Mapping[str, Any], name: str) -> int:
    """A whole number of a state document, 0 where it is missing."""
    return int(source.get(name, 0))


def _bearable(status: int, error: object) -> bool:
    """Whether a write may fail so: not there, lost a race, or no room now (but for a full disk, which stays full)."""
    blocked = isinstance(error, dict) and error.get("type") == "cluster_block_exception"
    return status in (404, 409) or (status == 429 and not blocked)


def _pages(operations: Iterable[Operation]) -> Iterator[list[bytes]]:
    """Operations as lines, as many together as make a request of `BULK_BYTES`."""
    page, size = list[bytes](), 0
    for action, document in operations:
        line = orjson.dumps(action) + b"\n"
        if document is not None:
            line += orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"
        if page and size + len(line) > BULK_BYTES:
            yield page
            page, size = [], 0
        page.append(line)
        size += len(line)
    if page:
        yield page
