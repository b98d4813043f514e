"""The log of a cluster: written to this machine's outbox first, read in the cluster's order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bandstand.errors import DamagedRecord, NotFound
from bandstand.feedback.codec import decode_event, decode_impression
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import NOTHING_SPARED, Control, EntryKind, Log, LogEntry, Spared
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.log_order import Order, Ref
from bandstand.opensearch.outbox import Outbox
from bandstand.opensearch.relay import FORGOTTEN, Ends, Relay, RelayThread, forgotten
from bandstand.opensearch.ubi_indices import EVENTS, QUERIES, UbiIndices
from bandstand.types import Clock, Event, Impression

_SEARCHES_HELD = 2_000


class _Place(NamedTuple):
    """An entry of the order with its seq."""

    seq: int
    ref: Ref


class ClusterLog(Log):
    """A `Log` whose file is an outbox. What is appended is durable there, whether or not the cluster is up.

    ``append_*`` return numbers of the outbox; everything that reads (`read`, `head`, ...) speaks of the cluster's
    order, and `reached` translates. ``ship=False`` leaves delivery to who calls `deliver`.

    Raises:
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
        super().__init__(path, clock=clock, settings=settings)
        self._outbox = Outbox(path, busy_s=self._settings.busy_s)
        self._indices = UbiIndices(cluster)
        self._order = Order(cluster)
        self._relay = Relay(
            Ends(outbox=self._outbox, indices=self._indices, order=self._order, forget=super().delete_user)
        )
        self._searches: OrderedDict[str, bytes] = OrderedDict()
        self._deleted_upto: tuple[int, int] = (0, 0)
        self._thread = RelayThread(self._relay, self._outbox, clock) if deliver else None

    def deliver(self) -> int:
        """Deliver everything that waits in the outbox; how many rows that were.

        Raises:
            Unavailable, StorageError: the cluster did not take it; it still waits.
        """
        self.flush()
        total = 0
        while self._outbox.claim() and (count := self._relay.step()):
            total += count
        return total

    def waiting(self) -> int:
        """See `Log.waiting`."""
        return self._outbox.waiting()

    def reached(self, position: int, seq: int) -> bool:
        """See `Log.reached`."""
        place = self._outbox.place(seq)
        return place is not None and place <= position

    def read(self, after: int, limit: int, *, kind: EntryKind | None = None) -> list[LogEntry]:
        """See `Log.read`: in the cluster's order. Entries that were deleted since are passed over."""
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
        """See `Log.impression`: from this machine's outbox, else from the cluster once it was delivered there."""
        try:
            return super().impression(query_id)
        except NotFound:
            record = self._searches.get(query_id) or self._indices.search_record(query_id, now=self._clock())
            if record is None:
                raise
            return decode_impression(record)

    def events_of(self, query_id: str, *, limit: int) -> list[Event]:
        """See `Log.events_of`: those that the cluster holds and finds."""
        return self.events_of_each([query_id], limit=limit)[0]

    def events_of_each(self, query_ids: Sequence[str], *, limit: int) -> list[list[Event]]:
        """See `Log.events_of_each`, in one request."""
        found = self._indices.events_of(query_ids, limit=limit, now=self._clock())
        return [[decode_event(record) for record in records] for records in found]

    def head(self) -> int:
        """The cluster's newest seq, also where its entry was deleted since."""
        return self._order.tail().last

    def count(self, kind: EntryKind | None = None, *, after: int = 0) -> int:
        """How many searches and events the cluster holds and finds; orders are not counted, but where ``after`` is."""
        if after:
            return sum(1 for _ in self._places(after, kind))
        schemas = {"impression": (QUERIES,), "event": (EVENTS,), "control": ()}.get(kind or "", (QUERIES, EVENTS))
        return sum(self._indices.count(schema, now=self._clock()) for schema in schemas)

    def delete_user(self, user_id: str) -> dict[str, int]:
        """See `Log.delete_user`: here and in the cluster; other machines follow when they read the order."""
        here = super().delete_user(user_id)
        searches, events = self._indices.delete_user(user_id, now=self._clock())
        return {
            "impressions": max(here["impressions"], searches),
            "events": max(here["events"], events),
        }

    def drop_control(self, seq: int) -> None:
        """See `Log.drop_control`: what stays is a hash, by which machines that are away still know whom to forget."""
        for entry in self.read(seq - 1, 1):
            if entry.seq == seq and isinstance(entry.record, Control):
                user = entry.record.payload.get("user_id", "")
                self._order.replace_order(seq, {"payload": {FORGOTTEN: forgotten(str(user))}})

    def surplus(self, most_bytes: int) -> int:  # noqa: ARG002 - see `Log`
        """None: how much a cluster holds is watched there."""
        return 0

    def prune(
        self,
        before: float,
        *,
        upto: int | None = None,  # noqa: ARG002 - what was not learned from yet is younger than ``before``
        spared: Spared = NOTHING_SPARED,
        batch: int = 1_000,  # noqa: ARG002 - the cluster deletes by itself
    ) -> int:
        """Delete what was logged before the time ``before``, in the cluster; the outbox clears itself."""
        entries = [entry for seq in spared.seqs if seq for entry in self.read(seq - 1, 1) if entry.seq == seq]
        events = [entry.record.id for entry in entries if isinstance(entry.record, Event)]
        return self._indices.delete_before(before, now=self._clock(), searches=spared.searches, events=events)

    def close(self) -> None:
        """Write what is queued, try to deliver it, and close. What the cluster does not take now waits on disk.

        Raises:
            StorageError: searches were left that could not be written.
        """
        try:
            self.flush()
            if self._thread is not None:
                self._thread.stop()
        finally:
            self._outbox.close()
            super().close()

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
                record = _order(ref) if ref.order is not None else self._decoded(ref, by_seq[seq])
            except DamagedRecord as error:
                raise DamagedRecord(str(error), seq=seq, time=ref.time) from error
            if record is not None:
                found.append(LogEntry(seq, _KINDS[ref.kind], ref.time, record))
        return found

    def _decoded(self, ref: Ref, record: bytes | None) -> Impression | Event | None:
        if record is None:
            return None
        if ref.kind == "impression":
            self._hold(str(ref.id), record)
        return _DECODERS[ref.kind](record)

    def _hold(self, query_id: str, record: bytes) -> None:
        """Keep a search that was just read: events on it come soon."""
        self._searches[query_id] = record
        while len(self._searches) > _SEARCHES_HELD:
            self._searches.popitem(last=False)


def _order(ref: Ref) -> Control | None:
    """The order that an entry is; None once it was carried out."""
    content: Mapping[str, Any] = ref.order or {}
    return Control(kind=content["kind"], payload=content["payload"]) if "kind" in content else None


_KINDS: Mapping[str, EntryKind] = {"impression": "impression", "event": "event", "control": "control"}
_DECODERS: Mapping[str, Callable[[bytes], Impression | Event]] = {
    "impression": decode_impression,
    "event": decode_event,
}
