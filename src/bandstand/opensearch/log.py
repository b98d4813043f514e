"""The log of a cluster: written to this machine's outbox first, read in the cluster's order."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bandstand.errors import DamagedRecord, NotFound
from bandstand.feedback.codec import decode_event, decode_events, decode_impression, decode_records
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import NOTHING_SPARED, Appended, Control, EntryKind, Log, LogEntry, Spared
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.log_order import Order, Ref
from bandstand.opensearch.outbox import Outbox
from bandstand.opensearch.relay import Relay, RelayThread
from bandstand.opensearch.ubi_indices import EVENTS, QUERIES, UbiIndices
from bandstand.types import Chapter, Clock, Event, History, Impression
from bandstand.types.history import UNTOLD

_SEARCHES_HELD = 2_000


class _Place(NamedTuple):
    """An entry of the order with its seq."""

    seq: int
    ref: Ref


class OpenSearchLog(Log):
    """See `Log`. What is appended is durable in the file ``path``, whether or not the cluster is up.

    ``append_*`` return numbers of the outbox; everything that reads (`read`, `head`, ...) speaks of the cluster's
    order, and `reached` translates. ``deliver=False`` leaves delivery to who calls `deliver`.

    Raises:
        StorageError: the file cannot be used.
        Unavailable: every method that reads, while the cluster cannot be reached. `impression` still answers for this
            machine's searches of the last hour.
    """

    def __init__(
        self,
        path: Path,
        cluster: Cluster,
        *,
        clock: Clock,
        settings: CommitSettings | None = None,
        deliver: bool = True,
    ) -> None:
        self._clock = clock
        self._here = SqliteLog(path, clock=clock, settings=settings)
        self._outbox = Outbox(self._here)
        self._indices = UbiIndices(cluster)
        self._order = Order(cluster)
        self._relay = Relay(self._outbox, self._indices, self._order)
        self._read_lately = _Searches()
        self._deleted_upto: tuple[int, int] = (0, 0)
        self._thread = RelayThread(self._relay, self._outbox, clock) if deliver else None

    def append_events(self, events: Sequence[Event]) -> Appended:
        """See `Log`."""
        return self._here.append_events(events)

    def append_impression(self, impression: Impression) -> None:
        """See `Log`."""
        self._here.append_impression(impression)

    def append_control(self, kind: str, payload: Mapping[str, Any]) -> int:
        """See `Log`."""
        return self._here.append_control(kind, payload)

    def drop_control(self, seq: int) -> None:
        """See `Log`: what stays is a hash, by which machines that are away still know whom to forget."""
        self._order.carried_out(seq)

    def flush(self) -> None:
        """See `Log`."""
        self._here.flush()

    def deliver(self) -> int:
        """See `Log`.

        Raises:
            Unavailable, StorageError: the cluster did not take it; it still waits.
        """
        self.flush()
        total = 0
        while self._outbox.claim() and (count := self._relay.step()):
            total += count
        return total

    def waiting(self) -> int:
        """See `Log`."""
        return self._outbox.waiting()

    def reached(self, position: int, seq: int) -> bool:
        """See `Log`."""
        place = self._outbox.place(seq)
        return place is not None and place <= position

    def read(self, after: int, limit: int, *, kind: EntryKind | None = None) -> list[LogEntry]:
        """See `Log`: in the cluster's order. Entries that were deleted since are passed over."""
        start = self._deleted_upto[1] if kind is None and self._deleted_upto[0] == after else after
        found: list[LogEntry] = []
        last = start
        places: list[_Place] = []
        for place in self._places(start, kind):
            places.append(place)
            last = place.seq
            if len(places) == limit and (found := self._entries(places)):
                return found
            if len(places) == limit:
                places = []
        found = self._entries(places)
        if kind is None and not found:
            self._deleted_upto = (after, last)
        return found

    def impression(self, query_id: str) -> Impression:
        """See `Log`: from this machine's outbox, else from the cluster once it was delivered there."""
        try:
            return self._here.impression(query_id)
        except NotFound:
            record = self._read_lately.get(query_id) or self._indices.search_record(query_id, now=self._clock())
            if record is None:
                raise
            return decode_impression(record)

    def events_of(self, query_id: str, *, limit: int) -> list[Event]:
        """See `Log`: those that the cluster holds and finds."""
        return self.events_of_each([query_id], limit=limit)[0]

    def events_of_each(self, query_ids: Sequence[str], *, limit: int) -> list[list[Event]]:
        """See `Log`, in one request."""
        found = self._indices.events_of(query_ids, limit=limit, now=self._clock())
        return [decode_events(records) for records in found]

    def head(self) -> int:
        """See `Log`: the cluster's newest seq, also where its entry was deleted since."""
        return self._order.tail().last

    def history(self) -> History:
        """See `Log`."""
        return History((Chapter(UNTOLD, self._order.name()),), self._order.tail().last)

    def count(self, kind: EntryKind | None = None, *, after: int = 0) -> int:
        """See `Log`: those that the cluster holds and finds."""
        if after:
            return sum(1 for _ in self._places(after, kind))
        schemas = {"impression": (QUERIES,), "event": (EVENTS,), "control": ()}.get(kind or "", (QUERIES, EVENTS))
        return sum(self._indices.count(schema, now=self._clock()) for schema in schemas)

    def delete(self, entries: Sequence[LogEntry]) -> int:
        """See `Log`: here and in the cluster."""
        self._here.delete(entries)
        searches = [entry.record.query.id for entry in entries if isinstance(entry.record, Impression)]
        events = [entry.record.id for entry in entries if isinstance(entry.record, Event)]
        self._read_lately = _Searches()
        return self._indices.delete(searches, events, now=self._clock())

    def sessions_of(self, user_id: str) -> list[str]:
        """See `Log`: by what is here and what the cluster holds."""
        here = self._here.sessions_of(user_id)
        return sorted({*here, *self._indices.sessions_of(user_id, now=self._clock())})

    def records_of(self, user_id: str, sessions: Collection[str] = ()) -> Iterator[Impression | Event]:
        """See `Log`: those that the cluster holds, and of this machine's those that wait to be delivered."""
        told = set()
        for record in decode_records(self._indices.records_of(user_id, sessions, now=self._clock())):
            told.add(_id_of(record))
            yield record
        yield from (one for one in self._here.records_of(user_id, sessions) if _id_of(one) not in told)

    def delete_user(self, user_id: str, sessions: Collection[str] = ()) -> dict[str, int]:
        """See `Log`: here and in the cluster; other machines follow when they read the order to forget."""
        here = self._here.delete_user(user_id, sessions)
        searches, events = self._indices.delete_user(user_id, sessions, now=self._clock())
        self._read_lately.forget(lambda user: user == user_id, lambda session: session in sessions)
        return {
            "impressions": max(here["impressions"], searches),
            "events": max(here["events"], events),
        }

    def before_newest(self, searches: int) -> int:
        """See `Log`."""
        newest = deque((place.seq for place in self._places(0, "impression")), maxlen=searches + 1)
        return newest[0] if len(newest) > searches else 0

    def surplus(self, most_bytes: int) -> int:  # noqa: ARG002 - see `Log`
        """See `Log`."""
        return 0

    def prune(
        self,
        before: float,
        *,
        upto: int | None = None,  # noqa: ARG002 - what was not learned from yet is younger than ``before``
        spared: Spared = NOTHING_SPARED,
        batch: int = 1_000,  # noqa: ARG002 - the cluster deletes by itself
    ) -> int:
        """See `Log`: in the cluster; the outbox clears itself."""
        entries = [entry for seq in spared.seqs if seq for entry in self.read(seq - 1, 1) if entry.seq == seq]
        events = [entry.record.id for entry in entries if isinstance(entry.record, Event)]
        return self._indices.delete_before(before, now=self._clock(), searches=spared.searches, events=events)

    def close(self) -> None:
        """See `Log`: what the cluster does not take now waits on disk."""
        try:
            self.flush()
            if self._thread is not None:
                self._thread.stop()
        finally:
            self._outbox.close()

    def _places(self, after: int, kind: EntryKind | None) -> Iterator[_Place]:
        """The order's entries after a seq, of one kind if given."""
        while batches := self._order.following(after):
            for batch in batches:
                for seq, ref in enumerate(batch.entries, batch.first):
                    if seq > after and kind in (None, ref.kind):
                        yield _Place(seq, ref)
            after = batches[-1].tail.last

    def _entries(self, places: Sequence[_Place]) -> list[LogEntry]:
        """The entries at places, without those that are gone."""
        stored = [place for place in places if place.ref.within is not None]
        records = self._indices.records([(str(place.ref.within), str(place.ref.id)) for place in stored])
        by_seq = {place.seq: record for place, record in zip(stored, records, strict=True)}
        found: list[LogEntry] = []
        for seq, ref in places:
            try:
                record = self._control(ref) if ref.order is not None else self._decoded(ref, by_seq[seq])
            except DamagedRecord as error:
                raise DamagedRecord(str(error), seq=seq, time=ref.time) from error
            if record is not None:
                found.append(LogEntry(seq, _KINDS[ref.kind], ref.time, record))
        return found

    def _control(self, ref: Ref) -> Control | None:
        """The order that an entry is; None once it was carried out. Whom it forgets is forgotten here as well."""
        self._read_lately.forget(ref.forgets, ref.forgets_session)
        content: Mapping[str, Any] = ref.order or {}
        return Control(kind=content["kind"], payload=content["payload"]) if "kind" in content else None

    def _decoded(self, ref: Ref, record: bytes | None) -> Impression | Event | None:
        if record is None:
            return None
        decoded = _DECODERS[ref.kind](record)
        if isinstance(decoded, Impression):
            self._read_lately.hold(decoded, record)
        return decoded


def _id_of(record: Impression | Event) -> str:
    return record.query.id if isinstance(record, Impression) else record.id


class _Held(NamedTuple):
    """A search: whose it is, in which session, and its encoded record."""

    user: str | None
    session: str | None
    record: bytes


class _Searches:
    """The encoded searches that were read last: events on them come soon. Safe for threads."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Held] = OrderedDict()
        self._using = threading.Lock()

    def get(self, query_id: str) -> bytes | None:
        """The record of a search, None where it is not held."""
        with self._using:
            held = self._records.get(query_id)
            return None if held is None else held.record

    def hold(self, impression: Impression, record: bytes) -> None:
        """Keep a search, in place of the oldest where there are too many."""
        with self._using:
            query = impression.query
            self._records[query.id] = _Held(query.user_id, query.session_id, record)
            while len(self._records) > _SEARCHES_HELD:
                self._records.popitem(last=False)

    def forget(self, whose: Callable[[str], bool], of_session: Callable[[str], bool]) -> None:
        """Drop the searches of certain users, and those of certain sessions that name nobody."""
        with self._using:
            gone = [
                id_
                for id_, (user, session, _) in self._records.items()
                if (whose(user) if user is not None else session is not None and of_session(session))
            ]
            for query_id in gone:
                del self._records[query_id]


_KINDS: Mapping[str, EntryKind] = {"impression": "impression", "event": "event", "control": "control"}
_DECODERS: Mapping[str, Callable[[bytes], Impression | Event]] = {
    "impression": decode_impression,
    "event": decode_event,
}
