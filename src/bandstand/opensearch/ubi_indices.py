"""The indices ``ubi_queries`` and ``ubi_events``: one a month behind an alias, in the field names of UBI 1.3."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bandstand.feedback.ubi_events import event_to_ubi
from bandstand.feedback.ubi_queries import query_to_ubi
from bandstand.opensearch.connection import Cluster, Operation
from bandstand.opensearch.failures import item_failure
from bandstand.opensearch.indices import Schema, create
from bandstand.types import Event, Impression
from bandstand.types.times import DAY_S

_ID = {"type": "keyword", "ignore_above": 256}
_TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
_MOMENT = {"type": "date"}
_OWN = {
    "type": "object",
    "dynamic": False,
    "properties": {
        "spool": {"type": "keyword"},
        "seq": {"type": "long"},
        "logged": {"type": "double"},
        "record": {"type": "binary"},
    },
}

QUERIES = Schema(
    part="ubi_queries",
    format=1,
    dynamic=False,
    settings={"refresh_interval": "1s"},
    properties={
        "timestamp": _MOMENT,
        "query_id": _ID,
        "user_query": _TEXT,
        "client_id": _ID,
        "user_id": _ID,
        "application": _ID,
        "object_id_field": _ID,
        "query_response_id": _ID,
        "query_response_hit_ids": _ID,
        "query_attributes": {"type": "flat_object"},
        "bandstand": _OWN,
    },
)
EVENTS = Schema(
    part="ubi_events",
    format=1,
    dynamic=False,
    settings={"refresh_interval": "1s"},
    properties={
        "timestamp": _MOMENT,
        "event_id": _ID,
        "action_name": _ID,
        "query_id": _ID,
        "session_id": _ID,
        "client_id": _ID,
        "user_id": _ID,
        "user_query": _TEXT,
        "application": _ID,
        "message": {"type": "keyword", "ignore_above": 1024},
        "message_type": _ID,
        "event_attributes": {
            "type": "object",
            "dynamic": False,
            "properties": {
                "position": {"type": "object", "dynamic": False, "properties": {"ordinal": {"type": "integer"}}},
                "object": {"type": "object", "dynamic": False, "properties": {"object_id": _ID}},
                "play_seconds": {"type": "float"},
            },
        },
        "bandstand": _OWN,
    },
)


Json = dict[str, Any]

STANDARD_PREFIX = "bandstand"
"""With this prefix of index names, the aliases that OpenSearch's UBI dashboards read are set as well."""

_OLDEST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_OLDER = "older"
_TERMS = 10_000
_SESSION_OF_QUERY = "query_attributes.session_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record was logged: the outbox, its number there, and when (seconds since 1970)."""

    outbox: str
    seq: int
    logged: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One record as it goes into its index."""

    index: str
    id: str
    source: Json


class UbiIndices:
    """Writes and reads the two aliases. What a document is called, and in which index it stands, follow from itself.

    So a record that is delivered again, by whichever machine, meets itself: ids are those of the event and of the
    search, and the month is that of the record's own time.

    Raises:
        Unavailable, StorageError: from every method, see `Cluster`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: set[str] = set()

    def name(self, schema: Schema, time: float) -> str:
        """The index of a month; events that claim to be from before 2020 share one."""
        month = _OLDER if time < _OLDEST else datetime.fromtimestamp(time, UTC).strftime("%Y.%m")
        return f"{self._cluster.index(schema.part)}-{month}"

    def alias(self, schema: Schema, now: float) -> str:
        """The alias over all months, which holds at least that of ``now``."""
        self._ensure(self.name(schema, now))
        return self._cluster.index(schema.part)

    def of_search(self, impression: Impression, record: bytes, origin: Origin) -> Document:
        """A logged search; ``record`` is its encoded form, from which it is read back bit for bit."""
        source = query_to_ubi(impression)
        for heavy in ("ranking", "ordinals", "scores"):
            source["query_attributes"]["bandstand"].pop(heavy)  # type: ignore[index]  # an object, see query_to_ubi
        source |= {"user_id": impression.query.user_id, "bandstand": _own(record, origin)}
        return Document(index=self.name(QUERIES, impression.query.time), id=impression.query.id, source=source)

    def of_event(self, event: Event, record: bytes, origin: Origin) -> Document:
        """A logged event."""
        source = {**_nameable(event_to_ubi(event)), "bandstand": _own(record, origin)}
        return Document(index=self.name(EVENTS, event.time), id=event.id, source=source)

    def create(self, documents: Sequence[Document]) -> list[bool]:
        """Write documents; whether each came in now, or was there already."""
        for index in {document.index for document in documents}:
            self._ensure(index)
        statuses = self._cluster.bulk(self._cluster.index(EVENTS.part), map(_creation, documents))
        return [status != 409 for status in statuses]

    def outboxes(self, documents: Sequence[Document]) -> list[str | None]:
        """From which outbox the stored documents of these names came; None where there is none (any more)."""
        found = self._fetch([(document.index, document.id) for document in documents], "bandstand.spool")
        return [None if source is None else source["bandstand"]["spool"] for source in found]

    def records(self, places: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """The encoded records at (index, id), newest state, searchable yet or not; None for what was deleted."""
        found = self._fetch(places, "bandstand.record")
        return [None if source is None else b64decode(source["bandstand"]["record"]) for source in found]

    def search_record(self, query_id: str, *, now: float) -> bytes | None:
        """The encoded search of an id: at once when it was made this month or the last, else once it is searchable."""
        recent = {self.name(QUERIES, now), self.name(QUERIES, now - 31 * DAY_S)}
        for record in self.records([(index, query_id) for index in sorted(recent)]):
            if record is not None:
                return record
        body = {"query": {"ids": {"values": [query_id]}}, "_source": ["bandstand.record"]}
        hits = self._cluster.search(self.alias(QUERIES, now), body)["hits"]["hits"]
        return b64decode(hits[0]["_source"]["bandstand"]["record"]) if hits else None

    def events_of(self, query_ids: Sequence[str], *, limit: int, now: float) -> list[list[bytes]]:
        """The encoded events that name each of these searches, as they were logged; at most ``limit`` each."""
        alias = self.alias(EVENTS, now)
        order: list[Json] = [{"bandstand.logged": "asc"}, {"bandstand.seq": "asc"}]
        searches = [
            (
                alias,
                {"query": {"term": {"query_id": name}}, "size": limit, "sort": order, "_source": ["bandstand.record"]},
            )
            for name in query_ids
        ]
        found: list[list[bytes]] = []
        for answer in self._cluster.msearch(searches) if searches else ():
            if isinstance(answer, Exception):
                raise answer
            found.append([b64decode(hit["_source"]["bandstand"]["record"]) for hit in answer["hits"]["hits"]])
        return found

    def count(self, schema: Schema, *, now: float) -> int:
        """How many documents are searchable."""
        return int(self._cluster.request("GET", f"/{self.alias(schema, now)}/_count")["count"])

    def sessions_of(self, user_id: str, *, now: float) -> set[str]:
        """The sessions in which a user was seen, by the documents that are there."""
        queries, events = self._refreshed(now)
        found: set[str] = set()
        for alias, sort, field in ((queries, "query_id", _SESSION_OF_QUERY), (events, "event_id", "session_id")):
            for hit in self._cluster.scan(alias, _own_of(user_id), sort=sort, fields=(field,)):
                value: Any = hit["_source"]
                for name in field.split("."):
                    value = (value or {}).get(name)
                found |= {value} if value else set()
        return found

    def delete_user(self, user_id: str, sessions: Collection[str] = (), *, now: float) -> tuple[int, int]:
        """Delete a user's searches and events, and those of sessions that name nobody; how many of each.

        Unnamed events on those searches go too.
        """
        queries, events = self._refreshed(now)
        asked, done = self._theirs(user_id, sessions, queries)
        deleted = sum(self._delete(events, query) for query in done)
        return sum(self._delete(queries, query) for query in asked), deleted

    def records_of(
        self, user_id: str, sessions: Collection[str], *, now: float
    ) -> Iterator[tuple[Literal["impression", "event"], bytes]]:
        """What `delete_user` would delete: kinds and encoded records, each once, searches first."""
        queries, events = self._refreshed(now)
        asked, done = self._theirs(user_id, sessions, queries)
        for query in asked:
            for hit in self._cluster.scan(queries, query, sort="query_id", fields=("bandstand.record",)):
                yield "impression", b64decode(hit["_source"]["bandstand"]["record"])
        either = {"bool": {"should": done, "minimum_should_match": 1}}
        for hit in self._cluster.scan(events, either, sort="event_id", fields=("bandstand.record",)):
            yield "event", b64decode(hit["_source"]["bandstand"]["record"])

    def _theirs(self, user_id: str, sessions: Collection[str], queries: str) -> tuple[list[Json], list[Json]]:
        """Queries that find a user's searches, and events, with those of sessions that name nobody."""
        some = list(_portions(sorted(sessions)))
        asked = [_own_of(user_id), *(_unnamed({"terms": {"client_id": each}}) for each in some)]
        done = [_own_of(user_id), *(_unnamed({"terms": {"session_id": each}}) for each in some)]
        searches = [
            hit["_id"] for query in asked for hit in self._cluster.scan(queries, query, sort="query_id", fields=())
        ]
        return asked, done + [_unnamed({"terms": {"query_id": each}}) for each in _portions(searches)]

    def delete(self, searches: Sequence[str], events: Sequence[str], *, now: float) -> int:
        """Delete searches and events by their ids; how many there were."""
        aliases = zip(self._refreshed(now), ("query_id", "event_id"), (searches, events), strict=True)
        return sum(
            self._delete(alias, {"terms": {field: some}}) for alias, field, ids in aliases for some in _portions(ids)
        )

    def delete_before(
        self, time: float, *, now: float, searches: Collection[str] = (), events: Collection[str] = ()
    ) -> int:
        """Delete what was logged before a moment, but for some searches with their events, and some events by id.

        Returns how many documents that were.
        """
        spared = [{"terms": {"query_id": sorted(searches)}}, {"ids": {"values": sorted(events)}}]
        logged = {"bool": {"filter": {"range": {"bandstand.logged": {"lt": time}}}, "must_not": spared}}
        return sum(self._delete(alias, logged) for alias in self._refreshed(now))

    def _refreshed(self, now: float) -> tuple[str, str]:
        """The aliases of searches and events, everything in which can be found."""
        aliases = self.alias(QUERIES, now), self.alias(EVENTS, now)
        for alias in aliases:
            self._cluster.refresh(alias)
        return aliases

    def _delete(self, alias: str, query: Json) -> int:
        params = {"conflicts": "proceed", "refresh": "true"}
        return int(
            self._cluster.request("POST", f"/{alias}/_delete_by_query", {"query": query}, params=params)["deleted"]
        )

    def _fetch(self, places: Sequence[tuple[str, str]], field: str) -> list[Json | None]:
        if not places:
            return []
        body = {"docs": [{"_index": index, "_id": name} for index, name in places]}
        docs = self._cluster.request("POST", "/_mget", body, params={"_source_includes": field})["docs"]
        return [_found(doc) for doc in docs]

    def _ensure(self, name: str) -> None:
        """Make an index before the first document of its month, lest one be made without our mapping."""
        if name in self._made:
            return
        schema = QUERIES if name.startswith(self._cluster.index(QUERIES.part)) else EVENTS
        create(self._cluster, schema, name, alias=self._cluster.index(schema.part))
        if self._cluster.settings.prefix == STANDARD_PREFIX:
            action = {"add": {"index": name, "alias": schema.part}}
            self._cluster.request("POST", "/_aliases", {"actions": [action]})
        self._made.add(name)


def _own_of(user_id: str) -> Json:
    return {"term": {"user_id": user_id}}


def _unnamed(query: Json) -> Json:
    """What a query finds that names no user."""
    return {"bool": {"filter": query, "must_not": {"exists": {"field": "user_id"}}}}


def _portions(values: Sequence[str]) -> Iterator[list[str]]:
    """As many at once as one request may name."""
    for start in range(0, len(values), _TERMS):
        yield list(values[start : start + _TERMS])


def _own(record: bytes, origin: Origin) -> Json:
    return {"spool": origin.outbox, "seq": origin.seq, "logged": origin.logged, "record": b64encode(record).decode()}


def _nameable(value: Json, depth: int = 3) -> Json:
    """Without fields whose names OpenSearch cannot hold beside mapped ones (blank, with dots); the record has them."""
    return {
        name: _nameable(inner, depth - 1) if depth and isinstance(inner, dict) else inner
        for name, inner in value.items()
        if name.strip() and "." not in name
    }


def _creation(document: Document) -> Operation:
    return {"create": {"_index": document.index, "_id": document.id}}, document.source


def _found(doc: Json) -> Json | None:
    """What a multi-get found; None where it is not there, or its index is gone with its month."""
    error = doc.get("error")
    if error and error.get("type") != "index_not_found_exception":
        raise item_failure(503, error, "OpenSearch")
    source: Json | None = doc.get("_source")
    return source
