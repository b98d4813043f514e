"""An index that follows the catalogue's change feed: how far it has come, and building it anew beside the live one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bandstand.cluster.connection import Cluster, Operation, named
from bandstand.cluster.indices import (
    STATE,
    Schema,
    create,
    described,
    drop,
    drop_unaliased,
    ensure,
    live_index,
    next_version,
    swap,
)
from bandstand.errors import Unavailable


class FollowingIndex:
    """The writing side of one index; one writer at a time, and a second one does no harm.

    Documents carry the change that made them as their version, so that an older change never replaces a newer one,
    whoever applies it and however often. How far the index has come is a state document named for the index itself:
    while a new version is built beside the live one, each has its own.
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
        self._index = live
        self._seq = reached(cluster, live)
        if described(cluster, live) != schema.meta:
            self.rebuild()

    @property
    def seq(self) -> int:
        """The change up to which the index that is written holds everything."""
        return self._seq

    @property
    def name(self) -> str:
        """The index that is written: the live one, or the one that will be."""
        return self._index

    def rebuild(self) -> None:
        """Begin a new version; it takes the live one's place when it has reached the newest change."""
        drop_unaliased(self._cluster, self._schema.part)
        self._index, self._seq = next_version(self._cluster, self._schema), 0
        self._cluster.put(self._state, _state_id(self._index), {"seq": 0})

    def write(self, operations: Iterable[Operation], seq: int) -> None:
        """Apply operations and say that everything up to ``seq`` is in; found when this returns."""
        self._cluster.bulk(self._index, operations, refresh=True)
        self._cluster.put(self._state, _state_id(self._index), {"seq": seq})
        self._seq = seq
        if seq >= self._head():
            self._serve()

    def _serve(self) -> None:
        if live_index(self._cluster, self._alias) != self._index:
            drop(self._cluster, swap(self._cluster, self._schema.part, self._index))


def reached(cluster: Cluster, index: str) -> int:
    """The change up to which an index holds everything."""
    document = cluster.get(cluster.index(STATE.part), _state_id(index))
    return 0 if document is None else named(document.source, "seq")


def serving(cluster: Cluster, schema: Schema) -> tuple[str, int]:
    """The live index of a part, and the change that it has reached.

    Raises:
        Unavailable: there is none, or one of another format; the message says what to run.
    """
    live = live_index(cluster, cluster.index(schema.part))
    if live is None:
        raise Unavailable(f"{cluster.where} has no index {cluster.index(schema.part)} yet; run `bandstand index`")
    if described(cluster, live) != schema.meta:
        raise Unavailable(f"{cluster.where}: {live} is of another version; run `bandstand index`")
    return live, reached(cluster, live)


def versioned(ordinal: int, seq: int, action: str = "index") -> dict[str, dict[str, object]]:
    """The action that writes (or deletes) the document of an ordinal as of a change."""
    return {action: {"_id": str(ordinal), "version": seq, "version_type": "external_gte"}}


def _state_id(index: str) -> str:
    return f"index-{index}"
