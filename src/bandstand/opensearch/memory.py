"""The memory of several machines: each has a copy in LMDB, and every batch is a commit in OpenSearch first."""

from __future__ import annotations

import threading
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bandstand.errors import Conflict, StorageError
from bandstand.memory_index.environment import DATABASES, Environment, LmdbEnvironment
from bandstand.memory_index.identity import Meta
from bandstand.opensearch.connection import Cluster, Json, Operation, named
from bandstand.opensearch.indices import STATE, Schema, ensure
from bandstand.opensearch.memory_writes import Place, Recorder, Writes, apply, packed, unpacked
from bandstand.types import Clock

if TYPE_CHECKING:
    from bandstand.memory_index.environment import ReadTransaction, WriteTransaction


_ID = "memory"
_PART_BYTES = 4_000_000
_FOLD_EVERY = 16
"""Commits after which the journal is folded into the base."""

_KEPT_S = 30.0
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


_COMMIT = "commit"
_JOURNAL = b"journal"
_ERASE = "erase"
"""How often it was ordered that what was deleted be overwritten."""
_AT_ONCE = 50_000


class ReplicatedEnvironment(Environment):
    """See `Environment`: ``copy`` holds a copy on this machine, and every batch is a commit of a journal first.

    All copies go through the same states in the same order.

    A search reads a handful of dependent records for one look-up; from the copy that takes microseconds, from a cluster
    each step would be a round trip. The copy is bounded by the memory's own bounds, and is rebuilt from the cluster
    wherever it is missing. Reads need no cluster: they see the last state that this machine has followed.

    Raises:
        Conflict: from `writing`, when another machine has committed meanwhile; nothing of the batch remains.
        Unavailable: from `writing` and `follow`, when the cluster cannot be reached; nothing of the batch remains.
    """

    def __init__(self, copy: LmdbEnvironment, *, journal: MemoryJournal) -> None:
        self.path, self.dbs = copy.path, copy.dbs
        self._copy = copy
        self._journal = journal
        self._turn = threading.RLock()
        self._erased = self._erasing = 0
        try:
            self.follow()
        except BaseException:
            self.close()
            raise

    def reading(self) -> AbstractContextManager[ReadTransaction]:
        """See `Environment`: of the copy, as far as it has followed."""
        return self._copy.reading()

    def erase(self) -> bool:
        """See `Environment`: in the copies of all machines, and in the journal.

        Copies follow a commit that says so. It is done once the journal holds nothing from before that commit.
        """
        with self._turn:
            if not self._erasing:
                with self.writing() as txn:
                    Meta(txn, self.dbs["meta"]).add(_ERASE, 1)
                _, self._erasing = self._stands()
            self._erase_copy()
            self._journal.fold(self._journal.state())
            if self._journal.state().oldest < self._erasing or self._erased != self._ordered_erasures():
                return False
            self._erasing = 0
            return True

    def used(self) -> tuple[int, int]:
        """See `Environment`: of the copy."""
        return self._copy.used()

    def check_alone(self) -> None:
        """See `Environment`."""
        raise Conflict(
            "the memory of this cluster belongs to another catalogue: restore the newest snapshot of all its indices,"
            " or begin anew: new index prefix, new home folders"
        )

    def close(self) -> None:
        """See `Environment`."""
        self._copy.close()

    def follow(self) -> int:
        """See `Environment`."""
        with self._turn:
            # In this order: another process of this machine may commit between the two, and the cluster has every
            # commit before a copy has. So a copy that was seen first can never be ahead of its own cluster.
            (journal, mine), state = self._stands(), self._journal.state()
            self._refuse_others(journal, mine, state)
            before = mine
            if mine + 1 < state.oldest and mine < state.folded:
                mine = self._begin_from_base(state)
            for commit in state.commits:
                if commit["number"] > mine:
                    self._apply(self._journal.read(commit), state.journal, commit["number"])
            self._erase_copy()
            return state.head - before

    @contextmanager
    def writing(self) -> Iterator[WriteTransaction]:
        """See `Environment`: committed in the cluster and here after the block, undone when it raises."""
        with self._turn:
            self.follow()
            with self._copy.writing() as txn:
                recorder = Recorder(txn, self.dbs)
                yield cast("WriteTransaction", recorder)
                if recorder.writes:
                    number = Meta(txn, self.dbs["meta"]).get(_COMMIT) + 1
                    # First there, then here: what is lost between the two is followed like anybody else's commit.
                    self._note(txn, self._journal.publish(number, recorder.writes), number)

    def _ordered_erasures(self) -> int:
        with self.reading() as txn:
            return Meta(txn, self.dbs["meta"]).get(_ERASE)

    def _erase_copy(self) -> None:
        """Overwrite what was deleted from the copy where a commit says so, in each process that may have written it."""
        ordered = self._ordered_erasures()
        if self._erased != ordered and self._copy.erase():
            self._erased = ordered

    def _refuse_others(self, journal: str, mine: int, state: State) -> None:
        """Raise where this is no copy of that cluster's memory."""
        if mine and journal != state.journal:
            raise StorageError(
                f"the memory in {self.path} is a copy of another cluster's: set the address and the index prefix of"
                " that one, or delete the folder to begin from this cluster's"
            )
        if mine > state.head:
            raise StorageError(
                f"the memory in {self.path} holds commit {mine}, this cluster only {state.head}: it was set back to an"
                " older snapshot; restore the newest one, or delete the folder to begin from what the cluster holds"
            )
        if not mine and self._own():
            raise StorageError(
                f"the memory in {self.path} is this machine's own, not a copy of a cluster's: choose another home"
                " folder for the cluster"
            )

    def _own(self) -> bool:
        """Whether something was learned here without a cluster."""
        with self.reading() as txn:
            return not txn.get(_JOURNAL, db=self.dbs["meta"]) and Meta(txn, self.dbs["meta"]).get("version") > 0

    def _stands(self) -> tuple[str, int]:
        """The journal that this is a copy of, and the commit that it has come to."""
        with self.reading() as txn:
            journal = txn.get(_JOURNAL, db=self.dbs["meta"]) or b""
            return bytes(journal).decode(), Meta(txn, self.dbs["meta"]).get(_COMMIT)

    def _note(self, txn: WriteTransaction, journal: str, number: int) -> None:
        txn.put(_JOURNAL, journal.encode(), db=self.dbs["meta"])
        Meta(txn, self.dbs["meta"]).set(_COMMIT, number)

    def _apply(self, writes: Iterable[tuple[Place, bytes | None]], journal: str, number: int) -> None:
        """One commit of somebody else; passed over where another process of this machine has applied it."""
        with self._copy.writing() as txn:
            if Meta(txn, self.dbs["meta"]).get(_COMMIT) < number:
                apply(txn, self.dbs, writes)
                self._note(txn, journal, number)

    def _begin_from_base(self, state: State) -> int:
        """Fill an empty copy with all that is folded; the commit from which to follow on."""
        with self._copy.writing() as txn:
            for name in DATABASES:
                txn.drop(self.dbs[name], delete=False)
            self._note(txn, state.journal, 0)  # what is half filled is a copy too
        source = self._journal.base()
        while some := list(islice(source, _AT_ONCE)):
            with self._copy.writing() as txn:
                apply(txn, self.dbs, some)
        with self._copy.writing() as txn:
            self._note(txn, state.journal, state.folded)
        return state.folded


def replicated(journal: MemoryJournal) -> Callable[[Path, int], ReplicatedEnvironment]:
    """Opens the copy in a folder, with a map of some bytes to begin with, as what follows a journal."""

    def open_env(path: Path, map_size: int) -> ReplicatedEnvironment:
        return ReplicatedEnvironment(LmdbEnvironment(path, map_size), journal=journal)

    return open_env
