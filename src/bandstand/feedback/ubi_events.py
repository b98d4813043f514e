"""UBI 1.3 events in and out: accepted leniently (older schemas, drifted mappings), emitted strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from bandstand.errors import BadInput, TooLarge
from bandstand.feedback.ablation import ABLATION
from bandstand.feedback.attribution import RELATED_TO
from bandstand.feedback.fields import iso, mapping, number, text, timestamp
from bandstand.feedback.ubi_queries import impression_from_ubi, query_to_ubi
from bandstand.types import Event
from bandstand.types.actions import ACTION_NAMES
from bandstand.types.hashing import digest
from bandstand.types.times import DAY_S

_ID_LIMIT = 100
_OBJECT_ID_LIMIT = 256
_MESSAGE_LIMIT = 1024
_POSITION_LIMIT = 1_000_000
_HASH_BYTES = 16
_TEXTS = ("application", "message", "message_type")
_IDS = ("query_id", "session_id", "client_id", "user_id")
_OWN = ("user_query", "play_seconds")
_TOP_LEVEL = frozenset(("action_name", "timestamp", "event_id", "object_id", "event_attributes", *_IDS, *_OWN, *_TEXTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """How much one request and one event may hold; `future_s` is how far a clock may run ahead."""

    max_bytes: int = 8 * 2**20
    max_events: int = 10_000
    max_payload: int = 64 * 2**10
    max_query: int = 10_000
    future_s: float = DAY_S


DEFAULT_LIMITS = EventLimits()


def parse_event(raw: Mapping[str, object], *, now: float, limits: EventLimits = DEFAULT_LIMITS) -> Event:
    """The event that a client meant.

    Ids may also stand in ``event_attributes`` (where older schemas had them), ``position.ordinal`` may be UBI 1.2's
    ``{"index": n}``, and ``play_seconds`` may stand at the top. A missing ``timestamp`` becomes ``now``, whole
    seconds, so that a repeat within the second is recognised. Without ``event_id`` the id is a hash of the content.

    Raises:
        BadInput: naming the first field that cannot be used.
    """
    payload = _payload(raw, limits.max_payload)
    attributes = mapping(raw.get("event_attributes"), "event_attributes")
    action = text(raw.get("action_name"), "action_name", _ID_LIMIT)
    if action is None:
        raise BadInput(f"action_name is required: {ACTION_NAMES}, or a name of your own", field="action_name")
    for name in _TEXTS:
        text(raw.get(name), name, _MESSAGE_LIMIT if name == "message" else _ID_LIMIT)
    text(attributes.get(RELATED_TO), f"event_attributes.{RELATED_TO}", _OBJECT_ID_LIMIT)
    time = _time(raw, now, limits.future_s)
    return Event(
        id=text(raw.get("event_id"), "event_id", _ID_LIMIT) or _content_id(payload, time),
        action=action.lower(),
        time=time,
        query_id=_id(raw, attributes, "query_id"),
        user_query=_user_query(raw, attributes, limits.max_query),
        user_id=_id(raw, attributes, "user_id"),
        session_id=_id(raw, attributes, "session_id"),
        client_id=_id(raw, attributes, "client_id"),
        object_id=_object_id(raw, attributes),
        position=_position(attributes),
        play_seconds=_play_seconds(raw, attributes),
        payload=payload.decode(),
    )


def event_to_ubi(event: Event) -> dict[str, object]:
    """The event as a UBI 1.3 document; what the client added stands in ``event_attributes``.

    The schema demands ``event_attributes.position``: an event that has none says ``{"ordinal": 0, "known": false}``.
    """
    raw = orjson.loads(event.payload)
    extra = {name: value for name, value in raw.items() if name not in _TOP_LEVEL}
    attributes = {**extra, **(raw.get("event_attributes") or {})}
    for name in (*_IDS, *_OWN):
        attributes.pop(name, None)
    attributes["position"] = _ubi_position(attributes.get("position"), event.position)
    attributes |= {"object": _ubi_object(attributes.pop("object", None), event.object_id)} if event.object_id else {}
    attributes |= {} if event.play_seconds is None else {"play_seconds": event.play_seconds}
    texts = {name: text(raw.get(name), name, _MESSAGE_LIMIT) for name in _TEXTS}
    document: dict[str, object | None] = {
        "action_name": event.action,
        "timestamp": iso(event.time),
        "event_id": event.id,
        "query_id": event.query_id,
        "session_id": event.session_id,
        "client_id": event.client_id,
        "user_id": event.user_id,
        "user_query": event.user_query,
        **texts,
        "event_attributes": attributes,
    }
    return {name: value for name, value in document.items() if value is not None}


def _payload(raw: Mapping[str, object], limit: int) -> bytes:
    try:
        payload = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:
        raise BadInput(f"the event is not plain JSON: {error}") from error
    if len(payload) > limit:
        raise BadInput(f"the event has {len(payload)} bytes; at most {limit} are allowed")
    return payload


def _content_id(payload: bytes, time: float) -> str:
    return digest(payload + iso(time).encode(), _HASH_BYTES).hex()


def _time(raw: Mapping[str, object], now: float, future_s: float) -> float:
    time = timestamp(raw.get("timestamp"), "timestamp")
    if time is None:
        return float(int(now))
    if time > now + future_s:
        raise BadInput(
            f"timestamp is {time - now:.0f} s ahead of this server; set the client's clock", field="timestamp"
        )
    return time


def _id(raw: Mapping[str, object], attributes: Mapping[str, object], name: str) -> str | None:
    own = text(raw.get(name), name, _ID_LIMIT)
    return own or text(attributes.get(name), f"event_attributes.{name}", _ID_LIMIT)


def _user_query(raw: Mapping[str, object], attributes: Mapping[str, object], limit: int) -> str | None:
    found = text(raw.get("user_query"), "user_query", limit)
    found = found or text(attributes.get("user_query"), "event_attributes.user_query", limit)
    # UBI: "for a message_type of QUERY, we would expect the text to be about what the user is searching on".
    is_query = found is None and raw.get("message_type") == "QUERY"
    return text(raw.get("message"), "message", _MESSAGE_LIMIT) if is_query else found


def _object_id(raw: Mapping[str, object], attributes: Mapping[str, object]) -> str | None:
    item = mapping(attributes.get("object"), "event_attributes.object")
    for name in ("object_id_type", "object_id_field"):
        text(item.get(name), f"event_attributes.object.{name}", _ID_LIMIT)
    for name in ("object_id", "internal_id"):
        if found := text(item.get(name), f"event_attributes.object.{name}", _OBJECT_ID_LIMIT):
            return found
    return text(raw.get("object_id"), "object_id", _OBJECT_ID_LIMIT)


def _position(attributes: Mapping[str, object]) -> int | None:
    field = "event_attributes.position.ordinal"
    position = attributes.get("position")
    ordinal = position
    if isinstance(position, Mapping):
        ordinal = None if position.get("known") is False else position.get("ordinal")
    if isinstance(ordinal, Mapping):
        ordinal = ordinal.get("index")
    value = number(ordinal, field)
    if value is None:
        return None
    if value != int(value) or not 1 <= value <= _POSITION_LIMIT:
        raise BadInput(f"{field} must be a whole number from 1 (the first hit) to {_POSITION_LIMIT}", field=field)
    return int(value)


def _play_seconds(raw: Mapping[str, object], attributes: Mapping[str, object]) -> float | None:
    field = "event_attributes.play_seconds"
    value = number(attributes.get("play_seconds"), field)
    if value is None:
        field, value = "play_seconds", number(raw.get("play_seconds"), "play_seconds")
    if value is not None and value < 0:
        raise BadInput(f"{field} must not be negative", field=field)
    return value


def _ubi_position(sent: object, ordinal: int | None) -> dict[str, object]:
    kept = (
        {name: value for name, value in sent.items() if name not in {"ordinal", "known"}}
        if isinstance(sent, dict)
        else {}
    )
    if ordinal is not None:
        return {**kept, "ordinal": ordinal}
    return kept if "xy" in kept else {**kept, "ordinal": 0, "known": False}


def _ubi_object(sent: object, object_id: str) -> dict[str, object]:
    return {**(sent if isinstance(sent, dict) else {}), "object_id": object_id}


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
                raise BadInput(f"{ABLATION} is the platform's own: send {ACTION_NAMES}")  # noqa: TRY301
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
