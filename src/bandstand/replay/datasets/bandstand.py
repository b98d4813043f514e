"""Bandstand's own log, exported as UBI: what was searched for, and what was then chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.errors import BadInput
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.fields import text
from bandstand.feedback.rewards import DEFAULT_WEIGHTS, grade_of
from bandstand.feedback.ubi_events import parse_event
from bandstand.replay.datasets.base import WINDOW, LogFolder, OpenAsks, Timed, Zones, sorted_nearly, stable_hash
from bandstand.replay.stream import PLAY_GRADE, Answer, Ask, Dataset, Interaction, Moment
from bandstand.types import Event
from bandstand.types.times import DAY_S

_LIMIT = 10_000
_SKEW = Attribution().skew


@dataclass(frozen=True, slots=True, kw_only=True)
class BandstandAdapter:
    """A folder with ``log.ndjson`` (`bandstand export ubi`) and ``catalog.ndjson``.

    A search's answers are what was clicked, played or saved within half an hour of it. Clicks come from what the policy
    of that time had shown: a replay on them favours policies like that one, and only off-policy evaluation corrects it.
    """

    name = "bandstand"

    def open(self, path: Path) -> Dataset:
        """See `Adapter`."""
        folder = LogFolder.of(path)
        protocol = "logged searches; clicked, played or saved within 1800 s = answers; biased to what was shown then"
        return folder.dataset(self.name, protocol, lambda: _stream(folder))


def _stream(folder: LogFolder) -> Iterator[Moment | Rejected]:
    open_asks, seen = OpenAsks(), set[int]()
    for item in sorted_nearly(_documents(folder)):
        if isinstance(item, Rejected):
            yield item
            continue
        yield from open_asks.closed(item.time - _SKEW)
        if isinstance(item.row, Ask):
            digest = int(stable_hash(item.row.id), 16)
            if digest in seen:
                yield Rejected(item.line, "the query id was there before", item.row.id)
            else:
                seen.add(digest)
                open_asks.ask(item.row.id, item.row)
        else:
            refused = _acted(open_asks, item.row, item.line)
            if refused is not None:
                yield refused
    yield from open_asks.closed()


def _acted(open_asks: OpenAsks, event: Event, line: int) -> Rejected | None:
    worth = grade_of(event)
    if event.object_id is None or worth <= 0:
        return None
    grade = PLAY_GRADE if worth >= DEFAULT_WEIGHTS.worth["play"] else 1
    if event.query_id is None:
        open_asks.interaction(
            Interaction(
                id=event.id,
                time=event.time,
                entity_id=event.object_id,
                grade=grade,
                text=event.user_query or "",
                user=event.user_id,
                session=event.session_id or event.client_id,
            )
        )
        return None
    ask = open_asks.get(event.query_id)
    if ask is None:
        return Rejected(line, f"no search of this id within the {WINDOW:.0f} s before it", event.query_id)
    open_asks.answer(event.query_id, Answer(event.object_id, grade, max(event.time, ask.time)))
    return None


def _documents(folder: LogFolder) -> Iterator[Timed[Ask | Event] | Rejected]:
    zones = Zones()
    for line, raw in enumerate(read_lines(folder.log), start=1):
        if raw.isspace():
            continue
        try:
            document = orjson.loads(raw)
            time = zones.seconds(document["timestamp"])
            row: Ask | Event = (
                parse_event(document, now=time + DAY_S) if "action_name" in document else _ask(document, time)
            )
        except orjson.JSONDecodeError as error:
            yield Rejected(line, f"not JSON: {error}", raw.strip())
        except (KeyError, TypeError) as error:
            yield Rejected(line, f"neither a UBI query nor a UBI event: it lacks {error}", raw.strip())
        except BadInput as error:
            yield Rejected(line, str(error), raw.strip())
        else:
            # A client's clock may be behind, and times without fractions always are: an action comes after its search.
            yield Timed(time if isinstance(row, Ask) else time + _SKEW, line, row)


def _ask(document: dict[str, Any], time: float) -> Ask:
    attributes = document.get("query_attributes") or {}
    id_ = text(document["query_id"], "query_id", _LIMIT)
    if id_ is None:
        raise BadInput("query_id is empty", field="query_id")
    return Ask(
        id=id_,
        time=time,
        text=text(document["user_query"], "user_query", _LIMIT) or "",
        user=text(attributes.get("user_id"), "user_id", _LIMIT),
        session=text(attributes.get("session_id") or document.get("client_id"), "session_id", _LIMIT),
    )
