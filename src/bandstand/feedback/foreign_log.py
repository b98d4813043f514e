"""Logs of other systems: rows of a table by a mapping, or UBI documents, as searches and actions in order of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.mapping import Expression, Function, check_columns
from bandstand.catalog.readers.tables import Record, columns_of, read_table
from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.fields import mapping as object_of
from bandstand.feedback.fields import number, text, timestamp
from bandstand.feedback.ubi_events import parse_event
from bandstand.types import Event
from bandstand.types.hashing import digest
from bandstand.types.times import DAY_S

FIELDS = ("time", "query", "user", "session", "clicked", "position", "dwell", "action", "search", "id")
"""What a row may say: when, what was typed, by whom, in which session, the id of the entity that was chosen, its place
on the page (from 1), seconds that it was played or looked at, what was done, and ids of the search and of the row."""

_SKEW = Attribution().skew
_ID_LIMIT, _TEXT_LIMIT = 100, 10_000


def _milliseconds(value: object) -> object:
    return (number(value, "milliseconds") or 0.0) / 1_000


def _from_zero(value: object) -> object:
    return (number(value, "position") or 0.0) + 1


FUNCTIONS: Mapping[str, Function] = {"ms": _milliseconds, "from0": _from_zero}
"""``ms``: milliseconds, as seconds; ``from0``: places that are counted from 0."""


class LogRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One row: somebody searched (nothing is ``clicked``), or did something with an entity, after a search or without.

    ``search`` names the search where the log does; ``time`` is seconds since 1970.
    """

    id: str
    time: float
    query: str = ""
    user: str | None = None
    session: str | None = None
    search: str | None = None
    clicked: str | None = None
    position: int | None = None
    dwell: float | None = None
    action: str | None = None


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """A search of another system, of whose page nothing is known."""

    id: str
    time: float
    text: str
    user: str | None
    session: str | None


def read_log(path: Path, mapping: Mapping[str, Expression]) -> Iterator[LogRow | Rejected]:
    """Every row of a log, as it stands; without a mapping the file must hold UBI 1.3 queries and events, one a line.

    Raises:
        BadInput: the file is missing, damaged or empty, a column is not there, or nothing says what its columns mean.
        MissingDependency: it is Parquet, and pyarrow is not installed.
    """
    columns = columns_of(path)
    if mapping:
        _check(mapping)
        check_columns(mapping, columns)
    elif not {"action_name", "user_query"} & set(columns):
        raise BadInput(
            f"{path} is no UBI log: say what its columns mean, e.g. --map time={columns[0] if columns else 'ts'}",
            field="map",
        )
    for line, record in read_table(path):
        if isinstance(record, Rejected):
            yield record
            continue
        try:
            yield _mapped(record, mapping) if mapping else _document(record)
        except BadInput as error:
            yield Rejected(line, str(error), str(dict(record)))


def _check(mapping: Mapping[str, Expression]) -> None:
    if "time" not in mapping or not {"query", "clicked"} & mapping.keys():
        raise BadInput("map time, and query or clicked or both: without them there is nothing to learn", field="map")


def _mapped(record: Record, mapping: Mapping[str, Expression]) -> LogRow:
    values = {field: expression.read(record, FUNCTIONS) for field, expression in mapping.items()}
    time = _time(_plain(values.get("time")), "time")

    def name(field: str) -> str | None:
        return text(values.get(field), field, _ID_LIMIT)

    row = LogRow(
        id=name("id") or _content_id(values),
        time=time,
        query=text(values.get("query"), "query", _TEXT_LIMIT) or "",
        user=name("user"),
        session=name("session"),
        search=name("search"),
        clicked=name("clicked"),
        position=_position(values.get("position")),
        dwell=_dwell(values.get("dwell")),
        action=name("action"),
    )
    if not row.query and row.clicked is None:
        raise BadInput("it names neither a query nor what was chosen")
    return row


def _document(record: Record) -> LogRow:
    """A UBI event, or a UBI query."""
    if record.get("action_name") is None:
        return _ubi_query(record)
    time = _time(record.get("timestamp"), "timestamp")
    event = parse_event(record, now=time + DAY_S)
    return LogRow(
        id=event.id,
        time=time,
        query=event.user_query or "",
        user=event.user_id,
        session=event.session_id or event.client_id,
        search=event.query_id,
        clicked=event.object_id,
        position=event.position,
        dwell=event.play_seconds,
        action=event.action,
    )


def _ubi_query(record: Record) -> LogRow:
    time = _time(record.get("timestamp"), "timestamp")
    search = text(record.get("query_id"), "query_id", _ID_LIMIT)
    if search is None:
        raise BadInput("it has neither an action_name nor a query_id", field="query_id")
    attributes = object_of(record.get("query_attributes"), "query_attributes")
    return LogRow(
        id=f"query {search}",
        time=time,
        query=text(record.get("user_query"), "user_query", _TEXT_LIMIT) or "",
        user=text(record.get("user_id") or attributes.get("user_id"), "user_id", _ID_LIMIT),
        session=text(
            record.get("session_id") or attributes.get("session_id") or record.get("client_id"), "session_id", _ID_LIMIT
        ),
        search=search,
    )


def _time(value: object, field: str) -> float:
    found = timestamp(value, field)
    if found is None:
        raise BadInput(f"{field} is empty", field=field)
    return found


def _plain(value: object) -> object:
    """Times of Parquet are datetimes."""
    isoformat = getattr(value, "isoformat", None)
    return value if isoformat is None else isoformat()


def _position(value: object) -> int | None:
    found = number(value, "position")
    if found is not None and (found != int(found) or found < 1):
        raise BadInput("position must be a whole number from 1; of places from 0 map COLUMN:from0", field="position")
    return None if found is None else int(found)


def _dwell(value: object) -> float | None:
    found = number(value, "dwell")
    if found is not None and found < 0:
        raise BadInput("dwell must not be negative", field="dwell")
    return found


def _content_id(values: Mapping[str, object]) -> str:
    return digest("\x1f".join(f"{name}={values[name]}" for name in sorted(values)), 16).hex()


class SortedRows:
    """Rows by time, equal times as they came, each id once; on disk, however many they are.

    Close it to give the space back.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a file that SQLite deletes by itself
        self._database.execute(
            "CREATE TABLE log (id BLOB PRIMARY KEY, time REAL, number INTEGER, row BLOB) WITHOUT ROWID"
        )
        self._number = 0

    def add(self, row: LogRow) -> bool:
        """One more; False where its id was there before."""
        self._number += 1
        # A client's clock may be behind: an action comes after the search that it names.
        time = row.time + _SKEW if row.search and row.clicked else row.time
        values = (digest(row.id, 16), time, self._number, msgspec.msgpack.encode(row))
        return bool(self._database.execute("INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?)", values).rowcount)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM log").fetchone()[0])

    def __iter__(self) -> Iterator[LogRow]:
        decode = msgspec.msgpack.Decoder(LogRow).decode
        for (row,) in self._database.execute("SELECT row FROM log ORDER BY time, number"):
            yield decode(row)

    def close(self) -> None:
        """Delete the file."""
        self._database.close()


def moments(rows: Iterator[LogRow], *, window: float = Attribution().window) -> Iterator[Searched | Event]:
    """Rows in order of time as searches, each once, and what was done on them or without a search.

    Without ids of searches, what one person did with one query within ``window`` seconds of its first row is one
    search. Nothing is made up: an action whose search the log does not hold begins one at its own time.
    """
    known: dict[tuple[str, str], Searched] = {}
    for row in rows:
        _drop_old(known, row.time - window)
        search = None
        if row.query or row.search:
            key = (row.search, "") if row.search else (row.user or row.session or row.id, normalize(row.query))
            search = known.get(key)
            if search is None and row.query:
                search = known[key] = _search(row)
                yield search
        if row.clicked is not None:
            yield _event(row, search)


def _drop_old(known: dict[tuple[str, str], Searched], before: float) -> None:
    """Forget searches that are over; they stand in the order of their times."""
    while known and (first := next(iter(known.items())))[1].time < before:
        del known[first[0]]


def _search(row: LogRow) -> Searched:
    return Searched(
        id=row.search or f"import-{digest(row.id, 12).hex()}",
        time=row.time,
        text=row.query,
        user=row.user,
        session=row.session or row.user,
    )


def _event(row: LogRow, search: Searched | None) -> Event:
    """The action of a row: as it is called there, else a play where it says for how long, else a click."""
    event = Event(
        id=row.id,
        action=(row.action or ("click" if row.dwell is None else "play")).lower(),
        time=row.time,
        user_query=row.query or None,
        user_id=row.user,
        session_id=row.session or row.user,
        object_id=row.clicked,
        position=row.position,
        play_seconds=row.dwell,
    )
    return event if search is None else replace(event, query_id=search.id, user_query=search.text)
