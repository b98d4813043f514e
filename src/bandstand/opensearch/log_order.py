"""The order of the cluster's log: numbered batches, each appended by whoever finds the next number free.

Documents of ``ubi_queries`` and ``ubi_events`` say what happened; a batch says in which order an outbox delivered some
of them. Batch n is created only by who has seen batch n - 1, and only one can create it, so that the batches are one
sequence without gaps (as in the transaction log of Delta Lake, Armbrust et al., VLDB 2020).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from bandstand.errors import StorageError
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.indices import Schema, ensure
from bandstand.types.hashing import digest

Json = dict[str, Any]

LOG = Schema(
    part="log",
    format=1,
    properties={
        "number": {"type": "long"},
        "first": {"type": "long"},
        "last": {"type": "long"},
        "spool": {"type": "keyword"},
        "upto": {"type": "long", "index": False},
        "entries": {"type": "object", "enabled": False},
    },
)

_USER, _FORGOTTEN = "user_id", "forgotten"
_SESSIONS, _FORGOTTEN_SESSIONS = "sessions", "forgotten_sessions"
"""In an order that was carried out, the names of user and sessions give way to hashes under the second keys, by which a
machine that was away still recognises whom to forget."""

_AT_ONCE = 8
_REMEMBERED = 256


class Ref(NamedTuple):
    """One entry: its kind, its document (id and index; neither for an order to followers), when it was logged.

    ``order`` is the content of an order, which is small and has no document of its own.
    """

    kind: str
    id: str | None
    within: str | None
    time: float
    order: Json | None = None

    def forgets(self, user: str) -> bool:
        """Whether it is an order to forget a user, carried out or not."""
        return bool(self._payload.get(_USER) == user or self._payload.get(_FORGOTTEN) == _hashed(user))

    def forgets_session(self, session: str) -> bool:
        """Whether it is an order to forget somebody who was seen in a session, carried out or not."""
        named, hashed = self._payload.get(_SESSIONS, ()), self._payload.get(_FORGOTTEN_SESSIONS, ())
        return session in named or _hashed(session) in hashed

    @property
    def _payload(self) -> Json:
        payload: Json = (self.order or {}).get("payload", {})
        return payload


class Tail(NamedTuple):
    """A place in the sequence: the number of a batch, and the seq of its last entry."""

    number: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries with seqs from ``first``, delivered from what ``outbox`` had logged up to its own number ``upto``."""

    number: int
    first: int
    outbox: str
    upto: int
    entries: tuple[Ref, ...]

    @property
    def tail(self) -> Tail:
        """Where it ends."""
        return Tail(self.number, self.first + len(self.entries) - 1)


class Order:
    """Reads and extends the sequence. Reads are by id, hence of the newest state. Safe for threads.

    Raises:
        Unavailable, StorageError: from every method, see `Cluster`.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._name = self._first = ""
        self._ends: OrderedDict[int, int] = OrderedDict({0: 0})
        self._tail = Tail()

    def tail(self) -> Tail:
        """Where the sequence ends now."""
        if not self._tail.number:
            self._tail = self._searched_tail()
        while batches := self.after(self._tail.number):
            self._tail = max(self._tail, batches[-1].tail)
        return self._tail

    def name(self) -> str:
        """What tells this sequence from another one that was begun under the same name: a hash of its first batch."""
        if not self._first and (batches := self.after(0)):
            self._first = digest(f"{batches[0].outbox} {batches[0].upto}").hex()
        return self._first

    def after(self, number: int) -> list[Batch]:
        """The next few batches after that of a number, at most 8; none at the end.

        Raises:
            StorageError: the batch of that number, which was there once, is gone.
        """
        documents = self._cluster.mget(self._index(), [str(n) for n in range(number, number + 1 + _AT_ONCE)])
        if number and str(number) not in documents:
            raise StorageError(
                f"{self._cluster.where} holds less of the log than before (batch {number} is gone: was an older"
                " snapshot restored?); restore the newest snapshot, or begin anew: new index prefix, new home folders"
            )
        batches: list[Batch] = []
        for following in range(number + 1, number + 1 + _AT_ONCE):
            if str(following) not in documents:
                break
            batches.append(_decoded(documents[str(following)].source))
            self._remember(batches[-1].tail)
        return batches

    def following(self, position: int) -> list[Batch]:
        """The next few batches that hold entries after a seq; none at the end."""
        number = self._ends.get(position)
        if number is not None:
            return self.after(number)
        self._cluster.refresh(self._index())
        query = {"range": {"last": {"gt": position}}}
        body = {"query": query, "sort": [{"number": "asc"}], "size": _AT_ONCE}
        hits = self._cluster.search(self._index(), body)["hits"]["hits"]
        return [_decoded(hit["_source"]) for hit in hits]

    def append(self, at: Tail, *, outbox: str, upto: int, entries: Sequence[Ref]) -> Batch:
        """Append at least one entry to the sequence that ends at ``at``; durable on return.

        Raises:
            Conflict: it does not end there any more.
        """
        batch = Batch(number=at.number + 1, first=at.last + 1, outbox=outbox, upto=upto, entries=tuple(entries))
        self._cluster.put(self._index(), str(batch.number), _encoded(batch), create=True)
        self._remember(batch.tail)
        return batch

    def carried_out(self, seq: int) -> None:
        """Replace an order by what machines that were away need; harmless where there is no such order."""
        for batch in self.following(seq - 1)[:1]:
            place = seq - batch.first
            if 0 <= place < len(batch.entries) and (order := batch.entries[place].order) is not None:
                payload = order.get("payload", {})
                hashes = {
                    _FORGOTTEN: _hashed(str(payload.get(_USER, ""))),
                    _FORGOTTEN_SESSIONS: [_hashed(session) for session in payload.get(_SESSIONS, ())],
                }
                if "kind" in order:  # else it was replaced before
                    self._replace(batch.number, place, {"payload": hashes})

    def _replace(self, number: int, place: int, content: Json) -> None:
        def edit(source: Json) -> Json:
            source["entries"][place][4] = content
            return source

        self._cluster.change(self._index(), str(number), edit)

    def _searched_tail(self) -> Tail:
        self._cluster.refresh(self._index())
        body = {"sort": [{"number": "desc"}], "size": 1, "_source": ["number", "last"]}
        hits = self._cluster.search(self._index(), body)["hits"]["hits"]
        return Tail(hits[0]["_source"]["number"], hits[0]["_source"]["last"]) if hits else Tail()

    def _index(self) -> str:
        self._name = self._name or ensure(self._cluster, LOG)
        return self._name

    def _remember(self, tail: Tail) -> None:
        self._ends[tail.last] = tail.number
        while len(self._ends) > _REMEMBERED:
            self._ends.popitem(last=False)


def _hashed(user: str) -> str:
    """A user as 32 hex digits."""
    return blake2b(user.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _encoded(batch: Batch) -> Json:
    return {
        "number": batch.number,
        "first": batch.first,
        "last": batch.tail.last,
        "spool": batch.outbox,
        "upto": batch.upto,
        "entries": [list(ref) for ref in batch.entries],
    }


def _decoded(values: Json) -> Batch:
    return Batch(
        number=values["number"],
        first=values["first"],
        outbox=values["spool"],
        upto=values["upto"],
        entries=tuple(Ref(*entry) for entry in values["entries"]),
    )
