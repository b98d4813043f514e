"""UBI documents as searches with their events: one a line, in any order, without holding them in memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import IO, Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.joined import Joined
from bandstand.feedback.ubi_events import impression_from_ubi, parse_event
from bandstand.types import Event, Impression

_Record = TypeVar("_Record")

_FUTURE = float("inf")
_NEVER = 0.0
"""The time of an event that says none: it belongs to no search."""
_SEARCH, _EVENT = b'"query_attributes"', b'"action_name"'


def searches_from_ubi(
    source: IO[bytes], *, window: float = 1800.0, unused: Counter[str] | None = None
) -> Iterator[Joined]:
    """Searches in the order of the file, each with its events, as `write_ubi` writes them.

    The file (seekable) is read twice: once to learn where the events of each search stand, 16 bytes an event, and once
    for the searches. ``unused`` counts the events that belong to none, by reason.

    Raises:
        BadInput: A line is neither a search nor an event, or was not written by Bandstand.
    """
    events = _EventIndex(source)
    attribution = Attribution(window=window)
    counts: Counter[str] = Counter() if unused is None else unused
    used = 0
    for number, at, line in _lines(source):
        if _is_search(line):
            impression = _named(number, line, _search)
            named = events.of(impression.query.id, after=at + len(line))
            used += len(named)
            own = {event.id: event for event in named}
            counts["with an id that was there before"] += len(named) - len(own)
            kept = attribution.of(impression, own.values())
            counts.update(_reason(impression, each, window) for each in own.values() if each not in kept)
            yield Joined(impression=impression, events=kept, attribution=attribution)
    if orphans := len(events) - used:
        counts["of no search in the file"] += orphans


class _EventIndex:
    """Where the events of each search stand in a file."""

    def __init__(self, source: IO[bytes]) -> None:
        keys, places = array("Q"), array("Q")
        for number, at, line in _lines(source):
            if not _is_search(line):
                event = _named(number, line, _event)
                keys.append(_key(event.query_id or ""))
                places.append(at)
        found: NDArray[np.uint64] = np.frombuffer(keys, np.uint64)
        order = np.argsort(found, kind="stable")
        self._keys, self._places = found[order], np.frombuffer(places, np.uint64)[order]
        self._source = source

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, query_id: str, *, after: int) -> list[Event]:
        """The events that name a search, in the order of the file, which is left at the place ``after``."""
        key = np.uint64(_key(query_id))
        first, last = np.searchsorted(self._keys, key), np.searchsorted(self._keys, key, "right")
        found = []
        for place in self._places[first:last].tolist():
            self._source.seek(place)
            found.append(_event(orjson.loads(self._source.readline())))
        if found:
            self._source.seek(after)
        return [event for event in found if event.query_id == query_id]


def _lines(source: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, where it begins, line) of every line that is not blank."""
    source.seek(0)
    number = at = 0
    while line := source.readline():
        number += 1
        if line.strip():
            yield number, at, line
        at += len(line)


def _is_search(line: bytes) -> bool:
    """Told by its attributes; a line that names both is looked into."""
    if _SEARCH not in line or _EVENT not in line:
        return _SEARCH in line
    try:
        return "query_attributes" in orjson.loads(line)
    except orjson.JSONDecodeError:
        return False


def _named(number: int, line: bytes, read: Callable[[Any], _Record]) -> _Record:
    """What ``read`` makes of a line; the number of the line stands in every complaint."""
    try:
        return read(orjson.loads(line))
    except (BadInput, orjson.JSONDecodeError) as error:
        raise BadInput(f"line {number}: {error}") from error


def _search(document: Any) -> Impression:  # noqa: ANN401  JSON as it was read
    return impression_from_ubi(document)


def _event(document: Any) -> Event:  # noqa: ANN401  JSON as it was read
    if not isinstance(document, dict) or "action_name" not in document:
        raise BadInput("neither a UBI query nor a UBI event: it has no query_attributes and no action_name")
    return parse_event({**document, "timestamp": document.get("timestamp") or _NEVER}, now=_FUTURE)


def _reason(impression: Impression, event: Event, window: float) -> str:
    delay = event.time - impression.query.time
    if event.time == _NEVER:
        return "without a time"
    return "before their search" if delay < 0 else f"more than {window:g} s after their search"


def _key(query_id: str) -> int:
    return int.from_bytes(blake2b(query_id.encode("utf-8", "surrogatepass"), digest_size=8).digest())
