"""The durable log: searches, events and control records in one order, in SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from bandstand.errors import DamagedRecord, NotFound
from bandstand.feedback.codec import (
    decode_event,
    decode_impression,
    decode_json,
    encode_event,
    encode_impression,
    encode_json,
)
from bandstand.feedback.commit import CommitSettings, GroupCommit
from bandstand.feedback.sqlite import checkpoint, connect, mapped
from bandstand.types import Clock, Event, Impression

EntryKind = Literal["impression", "event", "control"]

Row = tuple[str, str | None, float, str | None, str | None, str | None, bytes]
"""Kind, id, time of logging, query id, user id, session id, payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """An order to whoever follows the log, e.g. ``Control(kind="forget", payload={"user_id": "u1"})``."""

    kind: str
    payload: Mapping[str, Any]


class LogEntry(NamedTuple):
    """One record of the log; ``time`` is when it was logged, the record itself says when it happened."""

    seq: int
    kind: EntryKind
    time: float
    record: Impression | Event | Control


class Spared(NamedTuple):
    """What pruning passes over: entries by seq, and searches by id with everything that was done on them."""

    seqs: Collection[int] = ()
    searches: Collection[str] = ()


NOTHING_SPARED = Spared()


class Appended(NamedTuple):
    """What became of events: new ones, ones that were there already, and the seq up to which all of them stand."""

    accepted: int
    duplicates: int
    last_seq: int


def impression_row(impression: Impression, now: float) -> Row:
    """A search as it is stored (raises `BadInput` where it cannot be encoded)."""
    query = impression.query
    return ("impression", query.id, now, query.id, query.user_id, query.session_id, encode_impression(impression))


def event_row(event: Event, now: float) -> Row:
    """An event as it is stored (raises `BadInput` where it cannot be encoded)."""
    return ("event", event.id, now, event.query_id, event.user_id, event.session_id, encode_event(event))


def control_row(kind: str, payload: Mapping[str, Any], now: float) -> Row:
    """An order as it is stored (raises `BadInput` where it is not plain JSON)."""
    return ("control", None, now, None, None, None, encode_json([kind, dict(payload)]))


def decoded(seq: int, kind: EntryKind, time: float, payload: bytes) -> LogEntry:
    """The entry of a row (raises `DamagedRecord` with its place where it cannot be decoded)."""
    try:
        return LogEntry(seq, kind, time, _DECODERS[kind](payload))
    except DamagedRecord as error:
        raise DamagedRecord(str(error), seq=seq, time=time) from error


def _control(payload: bytes) -> Control:
    kind, values = decode_json(payload)
    return Control(kind=kind, payload=values)


_DECODERS: dict[EntryKind, Callable[[bytes], Impression | Event | Control]] = {
    "impression": decode_impression,
    "event": decode_event,
    "control": _control,
}


_INSERT = """INSERT INTO log (kind, id, time, query_id, user_id, session_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO NOTHING"""
# Not sqlite_sequence: that also counts numbers drawn for duplicates, which no follower will ever reach.
_HEAD = "SELECT coalesce(max(seq), 0) FROM log"
_EVENTS_OF = "SELECT payload FROM log WHERE kind = 'event' AND query_id = ? ORDER BY seq LIMIT ?"

# What a user did without being named, on a search that was theirs, goes too. Control records stay until their
# reader drops them: one of them may be the order to forget this very user.
_DELETE_USER = """DELETE FROM log WHERE kind != 'control' AND (user_id = :user OR (kind = 'event' AND user_id IS NULL
AND query_id IN (SELECT id FROM log WHERE kind = 'impression' AND user_id = :user))) RETURNING kind"""


class Log:
    """The log in the SQLite file ``path``, for any number of threads and processes. Close it to write what is queued.

    Raises:
        StorageError: the file cannot be opened or is from a newer version; every method, when the disk fails.
    """

    def __init__(self, path: Path, *, clock: Clock, settings: CommitSettings | None = None) -> None:
        self._path, self._clock, self._settings = path, clock, settings or CommitSettings()
        self._writer = GroupCommit(path, self._settings)
        self._reader = connect(path, busy_s=self._settings.busy_s)
        self._reading = threading.Lock()
        self._queued: dict[str, Impression] = {}

    def append_events(self, events: Sequence[Event]) -> Appended:
        """Append and return once durable; an id that is already in the log, or earlier in ``events``, changes nothing.

        Raises:
            BadInput: an event cannot be encoded; then none is written.
            StorageError, Unavailable: see `GroupCommit.run`.
        """
        now = self._clock()
        rows = [event_row(event, now) for event in events]
        return self._writer.run(lambda connection: _insert(connection, rows), rows=max(1, len(rows)))

    def append_impression(self, impression: Impression) -> None:
        """Queue a search for the next transaction, before every later write of this process; does not wait for it.

        A query id that is already logged keeps its first impression: later pages repeat the same ranking.

        Raises:
            BadInput: it cannot be encoded.
            StorageError, Unavailable: see `GroupCommit.post`.
        """
        query, row = impression.query, impression_row(impression, self._clock())
        # Visible before it is queued: the writer may finish, and take it out, before `post` returns.
        self._queued.setdefault(query.id, impression)
        try:
            self._writer.post(lambda connection: connection.execute(_INSERT, row), lambda: self._unqueue(impression))
        except BaseException:
            self._unqueue(impression)
            raise

    def append_control(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Append an order for the log's followers and return its seq once durable.

        Raises:
            BadInput: ``payload`` is not plain JSON.
            StorageError, Unavailable: see `GroupCommit.run`.
        """
        row = control_row(kind, payload, self._clock())
        return self._writer.run(lambda connection: _insert(connection, [row])).last_seq

    def drop_control(self, seq: int) -> None:
        """Delete a control record that has been carried out, as it may name the user whom it made forget."""
        self._delete("DELETE FROM log WHERE kind = 'control' AND seq = ? RETURNING kind", (seq,))

    def flush(self) -> None:
        """Return once everything that this process queued before is durable."""
        self._writer.run(lambda _: None)

    def deliver(self) -> int:
        """Return once the log's followers can read everything that was appended here; how many entries had to travel.

        Raises:
            Unavailable, StorageError: the cluster did not take it; it still waits.
        """
        self.flush()
        return 0

    def read(self, after: int, limit: int, *, kind: EntryKind | None = None) -> list[LogEntry]:
        """At most ``limit`` entries with ``seq > after``, in order; only of one ``kind`` if given.

        Raises:
            DamagedRecord: an entry cannot be decoded; says which.
        """
        where = "" if kind is None else " AND kind = ?"
        rows = self._select(
            f"SELECT seq, kind, time, payload FROM log WHERE seq > ?{where} ORDER BY seq LIMIT ?",  # noqa: S608 - constants
            (after, limit) if kind is None else (after, kind, limit),
        )
        return [decoded(*row) for row in rows]

    def impression(self, query_id: str) -> Impression:
        """The search with this id, also one that is still queued.

        Raises:
            NotFound: it was never made, or was deleted.
            StorageError: it is damaged.
        """
        # Read the queue first: an impression leaves it only after it can be read from the database.
        queued = self._queued.get(query_id)
        if queued is not None:
            return queued
        rows = self._select("SELECT payload FROM log WHERE kind = 'impression' AND id = ?", (query_id,))
        if not rows:
            raise NotFound(f"there is no search {query_id!r}: it was never made, or its log entry was deleted since")
        return decode_impression(rows[0][0])

    def events_of(self, query_id: str, *, limit: int) -> list[Event]:
        """The first ``limit`` events that name this search, in the order of the log."""
        return [decode_event(payload) for (payload,) in self._select(_EVENTS_OF, (query_id, limit))]

    def events_of_each(self, query_ids: Sequence[str], *, limit: int) -> list[list[Event]]:
        """`events_of` for each of several searches."""
        return [self.events_of(query_id, limit=limit) for query_id in query_ids]

    def reached(self, position: int, seq: int) -> bool:
        """Whether a follower that stands at ``position`` has read what was appended as ``seq``."""
        return position >= seq

    def waiting(self) -> int:
        """How many entries wait to be delivered to where the log's followers read: none, they read here."""
        return 0

    def head(self) -> int:
        """The seq of the newest entry, 0 where there is none; later entries are above every seq ever given."""
        return int(self._select(_HEAD, ())[0][0])

    def count(self, kind: EntryKind | None = None, *, after: int = 0) -> int:
        """How many entries the log holds after a seq, of one kind if given."""
        where, values = ("", ()) if kind is None else (" AND kind = ?", (kind,))
        return int(self._select(f"SELECT count(*) FROM log WHERE seq > ?{where}", (after, *values))[0][0])  # noqa: S608

    def size(self) -> int:
        """Bytes that the entries take, with what the database adds; pages that are free again are not counted."""
        ((pages, free, page_size),) = self._select(
            "SELECT page_count, freelist_count, page_size"
            " FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
            (),
        )
        return int((pages - free) * page_size)

    def surplus(self, most_bytes: int) -> int:
        """The seq up to which the oldest entries are too many for a size, all taken as equally long; 0: none are."""
        share = 1 - most_bytes / max(self.size(), 1)
        if share <= 0:
            return 0
        rows = self._select("SELECT seq FROM log ORDER BY seq LIMIT 1 OFFSET ?", (int(share * self.count()),))
        return int(rows[0][0]) if rows else self.head()

    def delete_user(self, user_id: str) -> dict[str, int]:
        """Delete the user's searches and events, also unnamed events on those searches; counts by kind.

        The rows are overwritten with zeros and the write-ahead log is cut, so that the bytes are gone from the files.

        Raises:
            StorageError: a reader of another process kept old pages in use; the rows are deleted, call it again.
        """
        deleted = self._delete(_DELETE_USER, {"user": user_id})
        return {"impressions": deleted.count("impression"), "events": deleted.count("event")}

    def prune(
        self, before: float, *, upto: int | None = None, spared: Spared = NOTHING_SPARED, batch: int = 1_000
    ) -> int:
        """Delete what was logged before the time ``before``, up to seq ``upto`` (a follower's position) if given.

        Works in transactions of ``batch`` rows, so that other writers get their turn; returns how many rows went.
        """
        last, total = 0, 0
        upto = self.head() if upto is None else upto
        while True:
            found = self._select(
                "SELECT seq, query_id FROM log WHERE seq > ? AND seq <= ? AND time < ? ORDER BY seq LIMIT ?",
                (last, upto, before, batch),
            )
            if not found:
                break
            gone = [(seq,) for seq, query_id in found if seq not in spared.seqs and query_id not in spared.searches]
            self._writer.run(_many("DELETE FROM log WHERE seq = ?", gone), rows=max(len(gone), 1))
            last, total = found[-1][0], total + len(gone)
        if total:
            checkpoint(self._path, busy_s=self._settings.busy_s)
        return total

    def close(self) -> None:
        """Write what is queued and close the file.

        Raises:
            StorageError: searches were left that could not be written.
        """
        try:
            self._writer.close()
        finally:
            self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _unqueue(self, impression: Impression) -> None:
        if self._queued.get(impression.query.id) is impression:
            del self._queued[impression.query.id]

    def _delete(self, statement: str, values: Any) -> list[str]:  # noqa: ANN401 - whatever sqlite3 binds
        kinds = self._writer.run(lambda connection: [kind for (kind,) in connection.execute(statement, values)])
        checkpoint(self._path, busy_s=self._settings.busy_s)
        return kinds

    def _select(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        with self._reading, mapped(self._path):
            return self._reader.execute(statement, values).fetchall()


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> Appended:
    before = connection.total_changes
    connection.executemany(_INSERT, rows)
    accepted = connection.total_changes - before
    return Appended(accepted, len(rows) - accepted, connection.execute(_HEAD).fetchone()[0])


def _many(statement: str, values: Iterable[tuple[object, ...]]) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.executemany(statement, values)
