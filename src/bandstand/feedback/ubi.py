"""UBI 1.3 in and out: the body of an events request here, single events and searches in the modules beside.

A body is one UBI event, a JSON list of them, or NDJSON; each event is judged on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from bandstand.errors import BadInput, TooLarge
from bandstand.feedback.ablation import ABLATION
from bandstand.feedback.ubi_event import DEFAULT_LIMITS, EventLimits, event_to_ubi, parse_event
from bandstand.feedback.ubi_query import impression_from_ubi, query_to_ubi
from bandstand.types import Event

__all__ = [
    "DEFAULT_LIMITS",
    "EventLimits",
    "ParsedEvents",
    "Rejected",
    "event_to_ubi",
    "impression_from_ubi",
    "parse_event",
    "parse_events",
    "query_to_ubi",
]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_TYPES = ("ndjson", "jsonl", "json-seq", "jsonlines")


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was not accepted: its index in the request, from 0 and without blank lines, and why."""

    index: int
    reason: str


class ParsedEvents(NamedTuple):
    """What a request held: accepted events with their index, and the rejected ones."""

    events: list[tuple[int, Event]]
    rejected: list[Rejected]


def parse_events(
    body: bytes, content_type: str | None, *, now: float, limits: EventLimits = DEFAULT_LIMITS
) -> ParsedEvents:
    """Parse a request body; a bad event is rejected by index and the others are accepted.

    NDJSON is recognised by its content type, and also without it, as clients often send it as plain JSON.

    Raises:
        TooLarge: more bytes or events than `EventLimits` allows.
        BadInput: the body is empty or is no JSON at all.
    """
    if len(body) > limits.max_bytes:
        raise TooLarge(f"the body has {len(body)} bytes; send at most {limits.max_bytes} at a time")
    parsed = ParsedEvents([], [])
    for index, record in enumerate(_records(body.removeprefix(_BYTE_ORDER_MARK), content_type)):
        if index == limits.max_events:
            raise TooLarge(f"more than {limits.max_events} events; send them in several requests")
        try:
            raw = orjson.loads(record) if isinstance(record, bytes) else record
            if not isinstance(raw, dict):
                raise BadInput("an event must be a JSON object")  # noqa: TRY301 - one place that collects reasons
            event = parse_event(raw, now=now, limits=limits)
            if event.action == ABLATION:
                raise BadInput(f"{ABLATION} is the platform's own: send click, play, save or skip")  # noqa: TRY301
            parsed.events.append((index, event))
        except orjson.JSONDecodeError as error:
            parsed.rejected.append(Rejected(index, f"not JSON: {error}"))
        except BadInput as error:
            parsed.rejected.append(Rejected(index, str(error)))
    return parsed


def _records(body: bytes, content_type: str | None) -> Iterator[object]:
    """Either parsed JSON values, or the lines (bytes) of NDJSON, which are parsed one by one."""
    body = body.strip()
    if not body:
        raise BadInput("the body is empty; send one UBI event, a JSON list, or one event a line")
    if any(name in (content_type or "").lower() for name in _LINE_TYPES):
        return _lines(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"\n" not in body or body.startswith(b"["):
            raise BadInput(f"the body is not JSON: {error}") from error
        return _lines(body)
    return iter(value if isinstance(value, list) else [value])


def _lines(body: bytes) -> Iterator[object]:
    return (line for line in body.splitlines() if line.strip())
