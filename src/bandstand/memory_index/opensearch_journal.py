"""The memory's commits in OpenSearch: each is a numbered set of writes, there as a whole or not at all."""

from __future__ import annotations

import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from bandstand.cluster.connection import Cluster, Json, Operation, named
from bandstand.cluster.indices import STATE, Schema, ensure
from bandstand.errors import Conflict, StorageError
from bandstand.memory_index.writes import Place, Writes, packed, unpacked
from bandstand.types import Clock

_ID = "memory"
_PART_BYTES = 4_000_000
_FOLD_EVERY = 16
"""Commits after which the journal is folded into the base."""

_KEPT_S = 60.0
"""How long a folded commit stays for those who follow; who is further behind begins from the base."""

MEMORY = Schema(
    part="memory",
    format=1,
    properties={
        "place": {"type": "keyword"},
        "db": {"type": "keyword"},
        "commit": {"type": "long"},
        "key": {"type": "binary"},
        "value": {"type": "binary"},
    },
    # A commit that is folded once more must not bring back what a later one has removed.
    settings={"gc_deletes": "1h"},
)

JOURNAL = Schema(
    part="memory-journal",
    format=1,
    properties={"commit": {"type": "long"}, "writes": {"type": "binary"}},
)


@dataclass(frozen=True, slots=True)
class State:
    """The newest commit, the newest that is folded into the base, and the oldest that the journal still holds.

    ``journal`` names the journal itself, "" before its first commit.
    """

    journal: str
    head: int
    folded: int
    oldest: int
    commits: tuple[Json, ...]


class MemoryJournal:
    """Publishes and reads commits; any number of processes read, and of two that publish the same number one wins.

    The parts of a commit are documents of their own; the commit exists from the moment at which the one state document
    names it, which is written by optimistic concurrency. Values are absolute and carry their commit's number as the
    version of their document in the base: folding them in any order, any number of times, by anybody, gives the same.

    Raises:
        StorageError, Unavailable: from any method, see `Cluster`.
    """

    def __init__(self, cluster: Cluster, *, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._state = ensure(cluster, STATE)
        self._journal = ensure(cluster, JOURNAL)

    def state(self) -> State:
        """Where the journal stands."""
        document = self._cluster.get(self._state, _ID)
        return _state({} if document is None else document.source)

    def publish(self, number: int, writes: Writes) -> str:
        """Make a commit; the name of the journal that it is in.

        Raises:
            Conflict: its number is taken, or those before it are missing; nothing of it was made.
        """
        tag = uuid.uuid4().hex
        parts = [
            ({"create": {"_id": f"{tag}-{at}"}}, {"commit": number, "writes": b64encode(part).decode()})
            for at, part in enumerate(packed(writes, size=_PART_BYTES))
        ]
        self._cluster.bulk(self._journal, parts)
        commit = {"number": number, "tag": tag, "parts": len(parts), "time": self._clock()}
        state = _state(self._cluster.change(self._state, _ID, lambda state: _with(state, commit)))
        if number - state.folded >= _FOLD_EVERY:
            self.fold(state)
        return state.journal

    def read(self, commit: Json) -> Iterator[tuple[Place, bytes | None]]:
        """The writes of one of a state's commits, in order."""
        ids = [f"{commit['tag']}-{at}" for at in range(commit["parts"])]
        for id_ in ids:  # one by one: they are large
            part = self._cluster.get(self._journal, id_)
            if part is None:
                raise StorageError(f"{self._cluster.where}: the memory's commit {commit['number']} is incomplete")
            yield from unpacked(b64decode(part.source["writes"]))

    def base(self) -> Iterator[tuple[Place, bytes]]:
        """Everything that was folded, at least up to the state's ``folded``."""
        base = ensure(self._cluster, MEMORY)
        self._cluster.refresh(base)
        for hit in self._cluster.scan(base, {"match_all": {}}, sort="place"):
            source = hit["_source"]
            value = b64decode(source["value"])
            yield Place(source["db"], b64decode(source["key"]), value), value

    def fold(self, state: State) -> None:
        """Write the commits that the base lacks into it, and drop from the journal what nobody needs any more."""
        latest: dict[Place, tuple[int, bytes | None]] = {}
        for commit in state.commits:
            if commit["number"] > state.folded:
                latest |= {place: (commit["number"], value) for place, value in self.read(commit)}
        base = ensure(self._cluster, MEMORY)
        self._cluster.bulk(base, (_operation(place, *entry) for place, entry in latest.items()))
        left = _state(self._cluster.change(self._state, _ID, lambda now: self._trimmed(now, state.head)))
        gone = {"query": {"range": {"commit": {"lt": left.oldest}}}}
        self._cluster.request("POST", f"/{self._journal}/_delete_by_query", gone, params={"conflicts": "proceed"})

    def _trimmed(self, state: Json, folded: int) -> Json:
        since = self._clock() - _KEPT_S
        kept = [commit for commit in state["commits"] if commit["number"] > folded or commit["time"] >= since]
        return {**state, "folded": max(folded, named(state, "folded")), "commits": kept}


def _state(source: Json) -> State:
    commits = tuple(source.get("commits", ()))
    head = named(source, "head")
    return State(
        source.get("journal", ""), head, named(source, "folded"), commits[0]["number"] if commits else head + 1, commits
    )


def _with(state: Json, commit: Json) -> Json:
    if commit["number"] != named(state, "head") + 1:
        raise Conflict("another learner has committed to this memory: this batch is undone and will be learned again")
    journal = state.get("journal", commit["tag"])
    return {**state, "journal": journal, "head": commit["number"], "commits": [*state.get("commits", ()), commit]}


def _operation(place: Place, number: int, value: bytes | None) -> Operation:
    """The document of a place as of a commit."""
    name = blake2b(b"\0".join((place.db.encode(), place.key, place.value)), digest_size=16).hexdigest()
    version = {"_id": name, "version": number, "version_type": "external_gte"}
    if value is None:
        return {"delete": version}, None
    key, content = b64encode(place.key).decode(), b64encode(value).decode()
    return {"index": version}, {"place": name, "db": place.db, "commit": number, "key": key, "value": content}
