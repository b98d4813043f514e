"""The catalogue in OpenSearch: one document an entity; ordinals and places in the feed are reserved beforehand."""

from __future__ import annotations

import secrets
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bandstand.catalog.codec import decode, encode, kind_by_name
from bandstand.catalog.store import CHUNK, Change, Store
from bandstand.errors import BadInput, NotFound, StorageError, Unavailable
from bandstand.opensearch.connection import Cluster, Document, Json, Operation, named
from bandstand.opensearch.indices import (
    STATE,
    Schema,
    described,
    drop,
    drop_unaliased,
    ensure,
    live_index,
    next_version,
    swap,
)
from bandstand.types import Chapter, Clock, Entity, History, Ordinals
from bandstand.types.hashing import digest
from bandstand.types.history import UNTOLD

_ID = "catalog"
_PATIENCE_S = 120.0
"""How long a writer may take for what it has reserved before others stop waiting for it."""

_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Reservation:
    """A writer's numbers: changes from ``seq`` on, new entities from ``ordinal`` on."""

    id: str
    seq: int
    ordinal: int


class Numbering:
    """One state document, changed by optimistic concurrency only: the next numbers, and which are still being written.

    A reader of the change feed must miss nothing: it reads up to the `head`, which stays below the oldest numbers that
    somebody is still writing. A writer that dies is waited for at most two minutes; one that is only slow finds at the
    end that nobody has waited, and writes again under new numbers.
    """

    def __init__(
        self, cluster: Cluster, index: str, *, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._cluster = cluster
        self._index = index
        self._clock = clock
        self._sleep = sleep
        self._name = ""

    def reserve(self, changes: int, entities: int) -> Reservation:
        """Take numbers for so many changes, and for so many new entities among them."""
        mine = uuid.uuid4().hex

        def take(state: Json) -> Json:
            if state.get("paused", 0.0) > self._clock():
                raise Unavailable("the catalogue is being moved to a new index; try again in a moment", retry_after=1)
            now, seq, ordinal = self._clock(), named(state, "seq"), named(state, "ordinal")
            waited_for = [entry for entry in state.get("open", []) if entry["until"] > now]
            entry = {"id": mine, "seq": seq, "ordinal": ordinal, "until": now + _PATIENCE_S}
            return {**state, "seq": seq + changes, "ordinal": ordinal + entities, "open": [*waited_for, entry]}

        state = self._cluster.change(self._index, _ID, take)
        entry = state["open"][-1]
        return Reservation(mine, entry["seq"] + 1, entry["ordinal"])

    def finish(self, reservation: Reservation) -> bool:
        """Say that everything under these numbers can be found; False when it took too long, and must be done again."""
        in_time = False

        def leave(state: Json) -> Json:
            nonlocal in_time
            others = [entry for entry in state.get("open", []) if entry["id"] != reservation.id]
            in_time = len(others) < len(state.get("open", []))
            return {**state, "open": others}

        self._cluster.change(self._index, _ID, leave)
        return in_time

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody writes while the block runs, which may take two minutes at most; waits for those who do."""
        self._pause_until(self._clock() + _PATIENCE_S)
        try:
            while self._writing():
                self._sleep(_LOOK_AGAIN_S)
            yield
        finally:
            self._pause_until(0.0)

    def _pause_until(self, moment: float) -> None:
        self._cluster.change(self._index, _ID, lambda state: {**state, "paused": moment})

    def _writing(self) -> bool:
        document = self._cluster.get(self._index, _ID)
        return document is not None and any(e["until"] > self._clock() for e in document.source.get("open", []))

    def name(self) -> str:
        """The random name of this numbering; given to it when first asked for."""
        if not self._name:
            new = secrets.token_hex(8)
            state = self._cluster.change(self._index, _ID, lambda state: {**state, "name": state.get("name", new)})
            self._name = str(state["name"])
        return self._name

    def ordinal(self) -> int:
        """How many ordinals are given."""
        document = self._cluster.get(self._index, _ID)
        return 0 if document is None else named(document.source, "ordinal")

    def head(self) -> int:
        """The newest change of which it and all before it can be found."""
        document = self._cluster.get(self._index, _ID)
        if document is None:
            return 0
        now = self._clock()
        waited_for = [entry["seq"] for entry in document.source.get("open", []) if entry["until"] > now]
        return min(named(document.source, "seq"), *waited_for) if waited_for else named(document.source, "seq")


CATALOG = Schema(
    part="catalog",
    format=2,
    properties={
        "id": {"type": "keyword"},
        "ordinal": {"type": "integer"},
        "seq": {"type": "long"},
        "live": {"type": "boolean"},
        "added": {"type": "double", "index": False, "doc_values": False},
        "digest": {"type": "keyword", "index": False, "doc_values": False},
        "payload": {"type": "binary"},
    },
)

_Edits = Callable[[dict[str, Document]], list["_Edit"]]
"""What to write, given those documents that there are."""

_HEAD = ("id", "ordinal", "live", "added", "digest")
_GONE = (404, 409)


@dataclass(frozen=True, slots=True)
class _Edit:
    """A document to write, and the one that it replaces; its numbers are given by a reservation."""

    source: Json
    old: Document | None


class OpenSearchStore(Store):
    """See `bandstand.catalog.store.Store`.

    Any number of processes may write at the same time: a document is made, or changed, only as it was read, and who
    loses such a race reads again. A deleted entity keeps its document, since its ordinal is never given away.

    Raises:
        StorageError, Unavailable: from any method, see `Cluster`.
    """

    def __init__(self, cluster: Cluster, *, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        _name_kinds(cluster)
        self._index = ensure(cluster, CATALOG)
        self._numbering = Numbering(cluster, ensure(cluster, STATE), clock=clock)

    def upsert(self, entities: Iterable[Entity]) -> int:
        """See `Store`."""
        source, changed = iter(entities), 0
        while chunk := {entity.id: entity for entity in islice(source, CHUNK)}:
            payloads = {id_: encode(entity) for id_, entity in chunk.items()}
            changed += self._written(list(chunk), lambda known, p=payloads: self._edits(p, known))  # type: ignore[misc]
        return changed

    def _edits(self, payloads: dict[str, bytes], known: dict[str, Document]) -> list[_Edit]:
        """What to write of the entities: those that are new, were deleted, or have another content."""
        edits, now = list[_Edit](), self._clock()
        for id_, payload in payloads.items():
            content, old = _content(payload), known.get(key_of(id_))
            live = old is not None and old.source["live"]
            if old is not None and live and old.source["digest"] == content["digest"]:
                continue
            added = old.source["added"] if old is not None and live else now
            edits.append(_Edit({"id": id_, "live": True, "added": added, **content}, old))
        return edits

    def delete(self, ids: Iterable[str]) -> int:
        """See `Store`."""

        def edits(known: dict[str, Document]) -> list[_Edit]:
            return [_Edit({**old.source, "live": False}, old) for old in known.values() if old.source["live"]]

        source, gone = iter(dict.fromkeys(ids)), 0
        while chunk := list(islice(source, CHUNK)):
            gone += self._written(chunk, edits, whole=True)
        return gone

    def _written(self, ids: list[str], edits_of: _Edits, *, whole: bool = False) -> int:
        """Write what is to be changed until no race is lost; how many documents that were."""
        written, left = 0, ids
        while left:
            known = self._cluster.mget(self._index, [*map(key_of, left)], None if whole else _HEAD)
            edits = [edit for edit in edits_of(known) if edit.source["id"] in set(left)]
            lost = self._write(edits) if edits else []
            written += len(edits) - len(lost)
            left = [edit.source["id"] for edit in lost]
        return written

    def _write(self, edits: Sequence[_Edit]) -> list[_Edit]:
        """Write under numbers that followers wait for; what others have changed meanwhile."""
        lost = list[_Edit]()
        while edits:
            reservation = self._numbering.reserve(len(edits), sum(edit.old is None for edit in edits))
            statuses = self._cluster.bulk(self._index, _operations(edits, reservation), refresh=True)
            lost += [edit for edit, status in zip(edits, statuses, strict=True) if status in _GONE]
            if self._numbering.finish(reservation):
                break
            # Followers may have gone past these numbers before the documents were there: once more, under new ones.
            ids = [
                key_of(edit.source["id"]) for edit, status in zip(edits, statuses, strict=True) if status not in _GONE
            ]
            edits = [_Edit(document.source, document) for document in self._cluster.mget(self._index, ids).values()]
        return lost

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """See `Store`."""
        found = self._cluster.get(self._index, key_of(id))
        if found is None or not found.source["live"]:
            raise NotFound(f"there is no entity {id!r}")
        return _entity(found.source)

    def get_many(self, ordinals: Ordinals) -> list[Entity | None]:
        """See `Store`."""
        return self._by_ordinal(ordinals, [{"term": {"live": True}}])

    def recall(self, ordinals: Ordinals) -> list[Entity | None]:
        """See `Store`."""
        return self._by_ordinal(ordinals, [])

    def _by_ordinal(self, ordinals: Ordinals, conditions: list[Json]) -> list[Entity | None]:
        wanted = np.asarray(ordinals).tolist()
        if not wanted:
            return []
        query = {"bool": {"filter": [{"terms": {"ordinal": wanted}}, *conditions]}}
        hits = self._cluster.scan(self._index, query, sort="ordinal", fields=("id", "ordinal", "payload"))
        found = {hit["_source"]["ordinal"]: _entity(hit["_source"]) for hit in hits}
        return [found.get(ordinal) for ordinal in wanted]

    def ordinals(self, ids: Sequence[str], *, within_s: float | None = None) -> Ordinals:
        """See `Store`."""
        keys = [key_of(id_) for id_ in ids]
        found = self._cluster.mget(self._index, list(dict.fromkeys(keys)), ("ordinal", "live"), timeout=within_s)
        numbers = {key: doc.source["ordinal"] for key, doc in found.items() if doc.source["live"]}
        return np.fromiter((numbers.get(key, -1) for key in keys), np.int32, len(keys))

    def scan(self, batch: int = 5_000) -> Iterator[tuple[int, Entity]]:  # noqa: ARG002 - pages are the cluster's
        """See `Store`."""
        hits = self._cluster.scan(
            self._index, {"term": {"live": True}}, sort="ordinal", fields=("id", "ordinal", "payload")
        )
        for hit in hits:
            yield hit["_source"]["ordinal"], _entity(hit["_source"])

    def changes(self, after: int, limit: int) -> list[Change]:
        """See `Store`."""
        head = self.head()
        if after >= head:
            return []
        numbers = {"range": {"seq": {"gt": after, "lte": head}}}
        hits = self._cluster.scan(self._index, numbers, sort="seq", page=min(limit, 5_000))
        return [_change(hit["_source"], self._numbering.name()) for hit in islice(hits, limit)]

    def head(self) -> int:
        """See `Store`: the newest number up to which all changes can be read."""
        return self._numbering.head()

    def count(self) -> int:
        """See `Store`."""
        return int(
            self._cluster.request("POST", f"/{self._index}/_count", {"query": {"term": {"live": True}}})["count"]
        )

    def history(self) -> History:
        """See `Store`: one chapter, the numbering's; what of it was set back is missed at its end only."""
        return History((Chapter(UNTOLD, self._numbering.name()),), self.head())

    def ordinal_history(self) -> History:
        """See `Store`: likewise."""
        return History((Chapter(UNTOLD, self._numbering.name()),), self._numbering.ordinal())

    def close(self) -> None:
        """Nothing is held open but the cluster's connections, which are closed by who opened them."""


def rebuild(cluster: Cluster, *, clock: Clock) -> None:
    """Copy the catalogue into an index of this version's mapping and let the alias stand for that.

    Searches see the old index until the swap and the new one from then on. Changes go on meanwhile and are copied in
    rounds, until little is left; for that last round writers are asked to come back in a moment.
    """
    drop_unaliased(cluster, CATALOG.part)
    alias, name = cluster.index(CATALOG.part), next_version(cluster, CATALOG)
    copied = 0
    while (seq := _copied(cluster, alias, name, copied)) - copied > CHUNK:
        copied = seq
    with Numbering(cluster, ensure(cluster, STATE), clock=clock).paused():
        cluster.refresh(alias)
        _copied(cluster, alias, name, copied)
        old = swap(cluster, CATALOG.part, name)
    drop(cluster, old)


def _copied(cluster: Cluster, source: str, target: str, after: int) -> int:
    """Copy every document that changed after a place in the feed; the newest place."""
    newest = after

    def documents() -> Iterator[Operation]:
        nonlocal newest
        for hit in cluster.scan(source, {"range": {"seq": {"gt": after}}}, sort="seq"):
            newest = max(newest, hit["_source"]["seq"])
            version = {"version": hit["_source"]["seq"], "version_type": "external"}
            yield {"index": {"_id": hit["_id"], **version}}, hit["_source"]

    cluster.bulk(target, documents(), refresh=True)
    return newest


def key_of(id_: str) -> str:
    """The document id of an entity id, which may be longer than OpenSearch allows.

    Raises:
        BadInput: the id is not valid text.
    """
    try:
        return digest(id_.encode(), 16).hex()
    except UnicodeEncodeError as error:
        raise BadInput(f"an id is not valid text: {error}", field="id") from error


def _operations(edits: Sequence[_Edit], numbers: Reservation) -> Iterator[Operation]:
    """Make, or replace as it was read, each document, numbered in order."""
    ordinal = numbers.ordinal
    for seq, edit in enumerate(edits, start=numbers.seq):
        key = key_of(edit.source["id"])
        if edit.old is None:
            yield {"create": {"_id": key}}, {**edit.source, "seq": seq, "ordinal": ordinal}
            ordinal += 1
        else:
            state = {"if_seq_no": edit.old.seq_no, "if_primary_term": edit.old.term}
            yield {"index": {"_id": key, **state}}, {**edit.source, "seq": seq, "ordinal": edit.old.source["ordinal"]}


def _content(payload: bytes) -> Json:
    return {"digest": digest(payload, 16).hex(), "payload": b64encode(payload).decode()}


def _name_kinds(cluster: Cluster) -> None:
    """Bring an index of format 1, which held kinds by their place in a list, up to this one, which holds their names.

    Every document is replaced as it was read, and left if another process was faster, until none is left to change;
    then the index says that it is of this format. Whoever is interrupted begins again and repeats nothing.
    """
    index = live_index(cluster, cluster.index(CATALOG.part))
    if index is None or described(cluster, index) != {**CATALOG.meta, "format": 1}:
        return
    while 409 in cluster.bulk(index, _renamed(cluster, index), refresh=True):
        pass
    cluster.request("PUT", f"/{index}/_mapping", {"_meta": {"bandstand": CATALOG.meta}})


def _renamed(cluster: Cluster, index: str) -> Iterator[Operation]:
    cluster.refresh(index)
    hits = cluster.scan(index, {"match_all": {}}, sort="ordinal", fields=("id",))
    while ids := [hit["_id"] for hit in islice(hits, CHUNK)]:
        for key, document in cluster.mget(index, ids).items():
            payload = b64decode(document.source["payload"])
            if (renamed := kind_by_name(payload)) != payload:
                state = {"if_seq_no": document.seq_no, "if_primary_term": document.term}
                yield {"index": {"_id": key, **state}}, {**document.source, **_content(renamed)}


def _entity(source: Json) -> Entity:
    try:
        return decode(source["id"], kind_by_name(b64decode(source["payload"])))  # another machine may be renaming kinds
    except (KeyError, ValueError) as error:
        raise StorageError(f"a stored entity is damaged: {error!r}. Ingest it again.") from error


def _change(source: Json, chapter: str) -> Change:
    entity = _entity(source) if source["live"] else None
    return Change(source["seq"], source["ordinal"], entity, source["added"], chapter)
