"""What the log holds: searches, events and control records, as rows of its table and as what its followers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bandstand.feedback.codec import (
    decode_event,
    decode_impression,
    decode_json,
    encode_event,
    encode_impression,
    encode_json,
)
from bandstand.types import Event, Impression

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
    """The entry of a row (raises `StorageError` where it is damaged)."""
    return LogEntry(seq, kind, time, _DECODERS[kind](payload))


def _control(payload: bytes) -> Control:
    kind, values = decode_json(payload)
    return Control(kind=kind, payload=values)


_DECODERS: dict[EntryKind, Callable[[bytes], Impression | Event | Control]] = {
    "impression": decode_impression,
    "event": decode_event,
    "control": _control,
}
