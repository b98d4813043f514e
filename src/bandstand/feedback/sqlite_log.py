"""The log in a SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from bandstand.errors import DamagedRecord, NotFound
from bandstand.feedback.codec import (
    decode_event,
    decode_events,
    decode_impression,
    decode_json,
    decode_records,
    encode_event,
    encode_impression,
    encode_json,
)
from bandstand.feedback.commit import CommitSettings, GroupCommit
from bandstand.feedback.log import NOTHING_SPARED, Appended, Control, EntryKind, Log, LogEntry, Spared
from bandstand.sqlite import CHAPTERS, Database, Format, Values, tell_chapters
from bandstand.types import Clock, Event, History, Impression
from bandstand.types.times import DAY_S

_BY_SESSION = """CREATE INDEX IF NOT EXISTS log_by_session ON log (session_id)
WHERE session_id IS NOT NULL AND user_id IS NULL"""
"""What names a session and nobody: it must go when the one goes who was seen in that session."""


def _find_by_session(connection: sqlite3.Connection) -> None:
    connection.execute(_BY_SESSION)


FORMAT = Format(
    version=3,
    schema=(
        # AUTOINCREMENT never gives a number twice, so a reader's stored position stays valid when the newest rows are
        # deleted. `query_id` finds the events of a search, `user_id` what must go when a user goes.
        """CREATE TABLE log (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT, time REAL NOT NULL, query_id TEXT,
            user_id TEXT, session_id TEXT, payload BLOB NOT NULL, UNIQUE (kind, id))""",
        "CREATE INDEX log_events_by_query ON log (query_id) WHERE kind = 'event' AND query_id IS NOT NULL",
        "CREATE INDEX log_by_user ON log (user_id) WHERE user_id IS NOT NULL",
        _BY_SESSION,
        CHAPTERS,
    ),
    upgrades={1: tell_chapters, 2: _find_by_session},
    signed=False,
    erases=True,
    # Every number that was drawn, also for what was a duplicate or is deleted by now.
    numbers="SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'",
    page_bytes=16_384,  # of 4,096 the last 1,000 bytes would stay empty, as two searches fill a page
)

Row = tuple[str, str | None, float, str | None, str | None, str | None, bytes]
"""Kind, id, time of logging, query id, user id, session id, payload."""


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


def _id_of(record: Impression | Event | Control) -> str | None:
    """The id under which a search or an event is stored; None for an order."""
    if isinstance(record, Control):
        return None
    return record.query.id if isinstance(record, Impression) else record.id


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
_NEWEST = "SELECT seq FROM log WHERE kind = 'impression' ORDER BY seq DESC LIMIT 1 OFFSET ?"
_EVENTS_OF = "SELECT payload FROM log WHERE kind = 'event' AND query_id = ? ORDER BY seq LIMIT ?"

_EVERYTHING = """SELECT seq, time, kind, id, query_id, user_id, session_id, payload FROM log WHERE seq > ?
ORDER BY seq LIMIT ?"""
_AT_ONCE = 1_000

_SESSIONS = "SELECT DISTINCT session_id FROM log WHERE user_id = ? AND session_id IS NOT NULL ORDER BY session_id"

# "+" keeps an index out: that of kinds is the worst for these. Control records stay until their reader drops them: one
# of them may be the order to forget this very user.
_NAMED = "user_id = :user AND +kind != 'control'"
_UNNAMED = "user_id IS NULL AND session_id IN (SELECT value FROM json_each(:sessions)) AND +kind != 'control'"
_THEIR_SEARCHES = f"""SELECT id FROM log WHERE {_NAMED} AND +kind = 'impression'
UNION ALL SELECT id FROM log WHERE {_UNNAMED} AND +kind = 'impression'"""  # noqa: S608 - constants
_THEIRS = (
    # What a user did without being named, on a search that was theirs, goes too.
    """INDEXED BY log_events_by_query WHERE kind = 'event' AND +user_id IS NULL
        AND query_id IN (SELECT value FROM json_each(:searches))""",
    f"WHERE {_UNNAMED}",
    f"WHERE {_NAMED}",
)
_DELETE_USER = tuple(f"DELETE FROM log {which} RETURNING kind" for which in _THEIRS)  # noqa: S608 - constants
_SEQS_OF_USER = " UNION ".join(f"SELECT seq FROM log {which}" for which in _THEIRS) + " ORDER BY seq"  # noqa: S608
_BY_SEQ = "SELECT kind, payload FROM log WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"


class SqliteLog(Log):
    """The log in the SQLite file ``path``. Close it to write what is queued.

    Raises:
        StorageError: the file cannot be opened or is from a newer version; every method, when the disk fails.
    """

    def __init__(self, path: Path, *, clock: Clock, settings: CommitSettings | None = None) -> None:
        self.path, self._clock, self._settings = path, clock, settings or CommitSettings()
        durable = self._settings.durable
        self._writer = GroupCommit(self.open_database(synchronous="FULL" if durable else "OFF"), self._settings)
        self._reader = self.open_database()
        self._queued: dict[str, Impression] = {}

    def open_database(self, *, synchronous: Literal["FULL", "OFF"] = "FULL") -> Database:
        """Another connection to the same file."""
        return Database(self.path, FORMAT, busy_s=self._settings.busy_s, synchronous=synchronous)

    def append_events(self, events: Sequence[Event]) -> Appended:
        """See `Log`."""
        now = self._clock()
        rows = [event_row(event, now) for event in events]
        return self._writer.run(lambda connection: _insert(connection, rows), rows=max(1, len(rows)))

    def append_impression(self, impression: Impression) -> None:
        """See `Log`."""
        query, row = impression.query, impression_row(impression, self._clock())
        # Visible before it is queued: the writer may finish, and take it out, before `post` returns.
        self._queued.setdefault(query.id, impression)
        try:
            self._writer.post(lambda connection: connection.execute(_INSERT, row), lambda: self._unqueue(impression))
        except BaseException:
            self._unqueue(impression)
            raise

    def append_control(self, kind: str, payload: Mapping[str, Any]) -> int:
        """See `Log`."""
        row = control_row(kind, payload, self._clock())
        return self._writer.run(lambda connection: _insert(connection, [row])).last_seq

    def drop_control(self, seq: int) -> None:
        """See `Log`."""
        self._delete("DELETE FROM log WHERE kind = 'control' AND seq = ? RETURNING kind", (seq,))

    def flush(self) -> None:
        """See `Log`."""
        self._writer.run(lambda _: None)

    def deliver(self) -> int:
        """See `Log`: followers read here."""
        self.flush()
        return 0

    def read(self, after: int, limit: int, *, kind: EntryKind | None = None) -> list[LogEntry]:
        """See `Log`."""
        # The index of kinds finds the few orders; of the others it would sort all that there are for every page ("+").
        where = "" if kind is None else " AND kind = ?" if kind == "control" else " AND +kind = ?"
        rows = self._reader.rows(
            f"SELECT seq, kind, time, payload FROM log WHERE seq > ?{where} ORDER BY seq LIMIT ?",  # noqa: S608 - constants
            (after, limit) if kind is None else (after, kind, limit),
        )
        return [decoded(*row) for row in rows]

    def impression(self, query_id: str) -> Impression:
        """See `Log`."""
        # Read the queue first: an impression leaves it only after it can be read from the database.
        queued = self._queued.get(query_id)
        if queued is not None:
            return queued
        rows = self._reader.rows("SELECT payload FROM log WHERE kind = 'impression' AND id = ?", (query_id,))
        if not rows:
            raise NotFound(f"there is no search {query_id!r}: it was never made, or its log entry was deleted since")
        return decode_impression(rows[0][0])

    def events_of(self, query_id: str, *, limit: int) -> list[Event]:
        """See `Log`."""
        return decode_events(payload for (payload,) in self._reader.rows(_EVENTS_OF, (query_id, limit)))

    def events_of_each(self, query_ids: Sequence[str], *, limit: int) -> list[list[Event]]:
        """See `Log`."""
        return [self.events_of(query_id, limit=limit) for query_id in query_ids]

    def reached(self, position: int, seq: int) -> bool:
        """See `Log`."""
        return position >= seq

    def waiting(self) -> int:
        """See `Log`."""
        return 0

    def head(self) -> int:
        """See `Log`."""
        return int(self._reader.rows(_HEAD)[0][0])

    def history(self) -> History:
        """See `Log`."""
        return self._reader.history()

    def count(self, kind: EntryKind | None = None, *, after: int = 0) -> int:
        """See `Log`."""
        where, values = ("", ()) if kind is None else (" AND kind = ?", (kind,))
        return int(self._reader.rows(f"SELECT count(*) FROM log WHERE seq > ?{where}", (after, *values))[0][0])  # noqa: S608

    def before_newest(self, searches: int) -> int:
        """See `Log`."""
        rows = self._reader.rows(_NEWEST, (searches,))
        return int(rows[0][0]) if rows else 0

    def size(self) -> int:
        """Bytes that the entries take, with what the database adds; pages that are free again are not counted."""
        ((pages, free, page_size),) = self._reader.rows(
            "SELECT page_count, freelist_count, page_size"
            " FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        )
        return int((pages - free) * page_size)

    def surplus(self, most_bytes: int) -> int:
        """See `Log`."""
        share = 1 - most_bytes / max(self.size(), 1)
        if share <= 0:
            return 0
        rows = self._reader.rows("SELECT seq FROM log ORDER BY seq LIMIT 1 OFFSET ?", (int(share * self.count()),))
        return int(rows[0][0]) if rows else self.head()

    def damage(self, *, latest: float) -> Iterator[str]:
        """What is not as it was written: pages, records, columns that say otherwise than their record, and times.

        ``latest`` is a moment before which everything was logged.
        """
        yield from self._reader.damage()
        last, before = 0, 0.0
        while rows := self._reader.rows(_EVERYTHING, (last, _AT_ONCE)):
            for seq, time, *columns in rows:
                if not _agrees(columns):
                    yield f"entry {seq} is not what was written"
                elif not before - DAY_S <= time <= latest:
                    yield f"entry {seq} has a time that cannot be"
                before = max(before, min(time, latest))
            last = rows[-1][0]

    def delete(self, entries: Sequence[LogEntry]) -> int:
        """See `Log`: as `delete_user` does it, so that nothing is left on disk."""
        gone = [(entry.kind, _id_of(entry.record)) for entry in entries]
        deleted = self._writer.run(
            lambda connection: connection.executemany("DELETE FROM log WHERE kind = ? AND id = ?", gone).rowcount,
            rows=max(len(gone), 1),
        )
        self._truncate()
        return max(deleted, 0)

    def sessions_of(self, user_id: str) -> list[str]:
        """See `Log`."""
        self.flush()
        return [session for (session,) in self._reader.rows(_SESSIONS, (user_id,))]

    def records_of(self, user_id: str, sessions: Collection[str] = ()) -> Iterator[Impression | Event]:
        """See `Log`: in the order of the log."""
        self.flush()
        named = _named(user_id, sessions)
        searches = json.dumps([id_ for (id_,) in self._reader.rows(_THEIR_SEARCHES, named)])
        seqs = [seq for (seq,) in self._reader.rows(_SEQS_OF_USER, {**named, "searches": searches})]
        for start in range(0, len(seqs), _AT_ONCE):
            rows = self._reader.rows(_BY_SEQ, (json.dumps(seqs[start : start + _AT_ONCE]),))
            yield from decode_records(rows)

    def delete_user(self, user_id: str, sessions: Collection[str] = ()) -> dict[str, int]:
        """See `Log`: rows are overwritten with zeros and the write-ahead log is cut, so that no byte is left on disk.

        Raises:
            StorageError: a reader of another process kept old pages in use; the rows are deleted, call it again.
        """
        named = _named(user_id, sessions)
        deleted = self._writer.run(lambda connection: _forget(connection, named))
        self._truncate()
        return {"impressions": deleted.count("impression"), "events": deleted.count("event")}

    def prune(
        self, before: float, *, upto: int | None = None, spared: Spared = NOTHING_SPARED, batch: int = 1_000
    ) -> int:
        """See `Log`."""
        last, total = 0, 0
        upto = self.head() if upto is None else upto
        some = "SELECT seq, query_id FROM log WHERE seq > ? AND seq <= ? AND time < ? ORDER BY seq LIMIT ?"
        while found := self._reader.rows(some, (last, upto, before, batch)):
            gone = [(seq,) for seq, query_id in found if seq not in spared.seqs and query_id not in spared.searches]
            self._writer.run(_many("DELETE FROM log WHERE seq = ?", gone), rows=max(len(gone), 1))
            last, total = found[-1][0], total + len(gone)
        if total:
            self._truncate()
        return total

    def close(self) -> None:
        """See `Log`."""
        try:
            self._writer.close()
        finally:
            self._reader.close()

    def _unqueue(self, impression: Impression) -> None:
        if self._queued.get(impression.query.id) is impression:
            del self._queued[impression.query.id]

    def _delete(self, statement: str, values: Values) -> list[str]:
        kinds = self._writer.run(lambda connection: [kind for (kind,) in connection.execute(statement, values)])
        self._truncate()
        return kinds

    def _truncate(self) -> None:
        """By a connection of its own, since it may wait for the readers of other processes."""
        with closing(self.open_database()) as database:
            database.truncate_log()


def _agrees(columns: Sequence[Any]) -> bool:
    """Whether a row's columns and its record, the last of them, say the same."""
    kind, *_, payload = columns
    try:
        record = _DECODERS[kind](payload)
    except (DamagedRecord, KeyError):
        return False
    if isinstance(record, Control):
        return columns[1:5] == [None] * 4
    named = record.query if isinstance(record, Impression) else record
    query_id = named.id if isinstance(record, Impression) else record.query_id
    return columns[1:5] == [named.id, query_id, named.user_id, named.session_id]


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> Appended:
    before = connection.total_changes
    connection.executemany(_INSERT, rows)
    accepted = connection.total_changes - before
    return Appended(accepted, len(rows) - accepted, connection.execute(_HEAD).fetchone()[0])


def _named(user_id: str, sessions: Collection[str]) -> dict[str, str]:
    return {"user": user_id, "sessions": json.dumps(sorted(sessions))}


def _forget(connection: sqlite3.Connection, named: Mapping[str, str]) -> list[str]:
    """Delete what is a user's, and of sessions what nobody is named of; the kinds of what there was."""
    searches = json.dumps([id_ for (id_,) in connection.execute(_THEIR_SEARCHES, named)])
    values = {**named, "searches": searches}
    return [kind for statement in _DELETE_USER for (kind,) in connection.execute(statement, values)]


def _many(statement: str, values: Iterable[tuple[object, ...]]) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.executemany(statement, values)
