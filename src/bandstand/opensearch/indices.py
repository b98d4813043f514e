"""Indices by version behind an alias: built beside the live one and swapped; some follow the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bandstand.catalog.store import Change
from bandstand.errors import BandstandError, Conflict, Unavailable
from bandstand.opensearch.connection import Cluster, Json, Operation, named
from bandstand.opensearch.failures import item_failure
from bandstand.types import BEGINNING, Place

_VERSION = re.compile(r"-v(\d{4,})$")
_STARTS_S = "10s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What an index of a part is made of. Raise ``format`` with every change of the mapping or of the analysis.

    ``facts`` is what else must be the same for the index to be of use, such as the encoder of its vectors.
    """

    part: str
    format: int
    properties: Json
    settings: Json = field(default_factory=dict)
    dynamic: bool | str = "strict"
    facts: Json = field(default_factory=dict)

    @property
    def meta(self) -> Json:
        """What an index says of itself."""
        return {"part": self.part, "format": self.format, **self.facts}

    def body(self, shards: int) -> Json:
        """The request that creates such an index. Copies grow with the cluster: none on one node, one on more."""
        settings = {"number_of_shards": shards, "auto_expand_replicas": "0-1", **self.settings}
        return {
            "settings": {"index": settings},
            "mappings": {"dynamic": self.dynamic, "_meta": {"bandstand": self.meta}, "properties": self.properties},
        }


def ensure(cluster: Cluster, schema: Schema) -> str:
    """The alias of a part's index, which is made where it is missing.

    Raises:
        Unavailable: it was made by another version of the program; the message says how to build it anew.
    """
    alias = cluster.index(schema.part)
    live = live_index(cluster, alias)
    if live is None:
        create(cluster, schema, f"{alias}-v0001", alias=alias)
    elif (found := described(cluster, live)) != schema.meta:
        raise Unavailable(
            f"{cluster.where}: the index {live} is made as {found}, this version needs {schema.meta}; run"
            " `bandstand index --rebuild`"
        )
    # Another process may have made it a moment ago: before its shards have started, even a read by id fails.
    started = {"wait_for_active_shards": cluster.settings.shards, "timeout": _STARTS_S, "ignore": 408}
    cluster.request("GET", f"/_cluster/health/{alias}", params=started)
    return alias


def create(cluster: Cluster, schema: Schema, name: str, *, alias: str | None = None) -> None:
    """Make an index, at once under its alias where one is named; harmless where another process was faster."""
    body = schema.body(cluster.settings.shards)
    if alias is not None:
        body["aliases"] = {alias: {}}
    try:
        cluster.request("PUT", f"/{name}", body, params={"wait_for_active_shards": "1"})
    except BandstandError as error:
        if "resource_already_exists_exception" not in str(error):
            raise


def live_index(cluster: Cluster, alias: str) -> str | None:
    """The index behind an alias, None where there is none."""
    held = _aliased(cluster, alias)
    if len(held) > 1:
        raise Conflict(f"{cluster.where}: {alias} stands for {', '.join(held)}; leave one of them in the alias")
    return held[0] if held else None


def described(cluster: Cluster, index: str) -> Json:
    """What an index says of itself, see `Schema.meta`; {} where it is not ours."""
    mappings: Json = cluster.request("GET", f"/{index}/_mapping")[index]["mappings"]
    meta: Json = mappings.get("_meta", {}).get("bandstand", {})
    return meta


def next_version(cluster: Cluster, schema: Schema) -> str:
    """Make an empty index of the version after every one that there is; the name, in no alias yet."""
    alias = cluster.index(schema.part)
    names = cluster.request("GET", f"/{alias}-v*", params={"allow_no_indices": "true"})
    versions = [int(match[1]) for name in names if (match := _VERSION.search(name))]
    name = f"{alias}-v{max(versions, default=0) + 1:04d}"
    create(cluster, schema, name)
    return name


def swap(cluster: Cluster, part: str, name: str) -> list[str]:
    """Let the alias of a part stand for another index from one moment to the next; the indices that it stood for."""
    alias = cluster.index(part)
    old = [index for index in _aliased(cluster, alias) if index != name]
    actions: list[Json] = [{"remove": {"index": index, "alias": alias}} for index in old]
    actions.append({"add": {"index": name, "alias": alias}})
    cluster.request("POST", "/_aliases", {"actions": actions})
    return old


def drop(cluster: Cluster, names: list[str]) -> None:
    """Delete indices, by their own names."""
    for name in names:
        cluster.request("DELETE", f"/{name}", params={"ignore_unavailable": "true"})


def drop_unaliased(cluster: Cluster, part: str) -> None:
    """Delete what unfinished rebuilds of a part have left."""
    alias = cluster.index(part)
    names: dict[str, Any] = cluster.request("GET", f"/{alias}-v*/_alias", params={"allow_no_indices": "true"})
    drop(cluster, [name for name, held in names.items() if _VERSION.search(name) and alias not in held["aliases"]])


def _aliased(cluster: Cluster, alias: str) -> list[str]:
    answer = cluster.request("GET", f"/_alias/{alias}", params={"ignore": 404})
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is None:
        return sorted(answer)
    if answer.get("status") == 404:
        return []
    raise item_failure(500, {"reason": str(error)}, cluster.where)


STATE = Schema(part="state", format=1, properties={}, dynamic=False)
"""Small documents that are read by id: counters, leases. Nothing of them is indexed."""


class FollowingIndex:
    """The writing side of one index; one writer at a time, and a second one does no harm.

    Documents carry the change that made them as their version, so that an older change never replaces a newer one,
    whoever applies it and however often. How far the index has come is a state document named for the index itself:
    while a new version is built beside the live one, each has its own. ``head`` is the catalogue's newest change.

    Derived from, with `operations`, it is a `bandstand.learner.indexer.Follower`.
    """

    def __init__(self, cluster: Cluster, schema: Schema, *, head: Callable[[], int]) -> None:
        self._cluster = cluster
        self._schema = schema
        self._head = head
        self._state = ensure(cluster, STATE)
        self._alias = cluster.index(schema.part)
        live = live_index(cluster, self._alias)
        if live is None:
            live = f"{self._alias}-v0001"
            create(cluster, schema, live, alias=self._alias)
        self.index, self.name = live, schema.part
        self._place = reached(cluster, live)
        if described(cluster, live) != schema.meta:
            self.rebuild()

    @property
    def seq(self) -> int:
        """The change up to which the index that is written holds everything."""
        return self._place.number

    @property
    def place(self) -> Place:
        """The same with its chapter in the catalogue's history."""
        return self._place

    def rebuild(self) -> None:
        """Begin a new version; it takes the live one's place when it has reached the newest change."""
        drop_unaliased(self._cluster, self._schema.part)
        self.index, self._place = next_version(self._cluster, self._schema), BEGINNING
        self._cluster.put(self._state, _state_id(self.index), {"seq": 0})

    def operations(self, changes: Sequence[Change]) -> Iterable[Operation]:
        """What to write of changes of the catalogue."""
        raise NotImplementedError

    def follow(self, changes: Sequence[Change]) -> None:
        """See `bandstand.learner.indexer.Follower`."""
        self.write(self.operations(changes), changes[-1].place)

    def write(self, operations: Iterable[Operation], place: Place) -> None:
        """Apply operations and say that everything up to ``place`` is in; found when this returns."""
        self._cluster.bulk(self.index, operations, refresh=True)
        self._cluster.put(self._state, _state_id(self.index), {"seq": place.number, "chapter": place.chapter})
        self._place = place
        if place.number >= self._head():
            self._serve()

    def _serve(self) -> None:
        if live_index(self._cluster, self._alias) != self.index:
            drop(self._cluster, swap(self._cluster, self._schema.part, self.index))


def reached(cluster: Cluster, index: str) -> Place:
    """The place in the catalogue's history up to which an index holds everything."""
    document = cluster.get(cluster.index(STATE.part), _state_id(index))
    return BEGINNING if document is None else Place(named(document.source, "seq"), document.source.get("chapter", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The index of a part that serves, the ``facts`` of its schema, and the ``place`` up to which it is complete."""

    index: str
    facts: Json
    place: Place


def serving(cluster: Cluster, part: str, format: int) -> Serving:  # noqa: A002 - as `Schema` calls it
    """The live index of a part.

    Raises:
        Unavailable: there is none, or one of another format; the message says what to run.
    """
    live = live_index(cluster, cluster.index(part))
    if live is None:
        raise Unavailable(f"{cluster.where} has no index {cluster.index(part)} yet; run `bandstand index`")
    meta = described(cluster, live)
    if meta.get("format") != format:
        raise Unavailable(f"{cluster.where}: {live} is of another version; run `bandstand index`")
    return Serving(index=live, facts=meta, place=reached(cluster, live))


def versioned(ordinal: int, seq: int, action: str = "index") -> dict[str, dict[str, object]]:
    """The action that writes (or deletes) the document of an ordinal as of a change."""
    return {action: {"_id": str(ordinal), "version": seq, "version_type": "external_gte"}}


def _state_id(index: str) -> str:
    return f"index-{index}"
