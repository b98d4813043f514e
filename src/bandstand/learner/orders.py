"""An operator's orders about learning itself: pause it, resume it, and forget a stretch of the log.

They are control records of the log, so that a running server obeys them, and they hold wherever the learner runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bandstand.catalog.text import beginning, normalize
from bandstand.errors import BadInput, NotFound
from bandstand.feedback.joined import entries
from bandstand.feedback.log import Control, Log, LogEntry
from bandstand.types import Event, Impression

PAUSE, RESUME = "pause_learning", "resume_learning"
"""Control records: ``{}``. What is logged in between waits, and is learned once learning goes on."""

FORGET_STRETCH = "forget_stretch"
"""Control record: the fields of a `Stretch`."""

PAUSED = b"learner/paused"
"""In the learner's state while it is paused: the number of the order."""

FORGOTTEN = b"learner/forgotten"
"""Number of the last order to forget a stretch that was carried out."""

_AT_ONCE = 100


def is_paused(state: Callable[[bytes], bytes | None]) -> bool:
    """Whether learning is paused; ``state`` reads the learner's state, e.g. `Memory.state`."""
    return state(PAUSED) is not None


def resumed(log: Log, after: int) -> bool:
    """Whether an order to go on stands anywhere behind a position."""
    while controls := log.read(after, _AT_ONCE, kind="control"):
        if any(isinstance(each.record, Control) and each.record.kind == RESUME for each in controls):
            return True
        after = controls[-1].seq
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is to be forgotten: everything that was logged from ``since`` on and before ``until`` (seconds since 1970).

    With ``user``, ``query`` or ``claimant`` only what was that user's, about that query in any spelling that normalises
    alike, or claimed by them.
    """

    since: float
    until: float | None = None
    user: str | None = None
    query: str | None = None
    claimant: str | None = None

    def __post_init__(self) -> None:
        """Refuse a stretch that holds nothing."""
        if self.until is not None and self.until <= self.since:
            raise BadInput("nothing lies between since and until", field="until")

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Stretch:
        """The stretch that an order names."""
        return cls(**{each.name: payload[each.name] for each in fields(cls) if each.name in payload})

    def entries(self, log: Log) -> Iterator[LogEntry]:
        """The searches and events of a log that lie in it, in order; orders stay."""
        for entry in entries(log):
            record, within = entry.record, self.since <= entry.time and (self.until is None or entry.time < self.until)
            if within and not isinstance(record, Control) and self._matches(log, record):
                yield entry

    def _matches(self, log: Log, record: Impression | Event) -> bool:
        claimant = record.claimant if isinstance(record, Event) else record.query.claimant
        if self.claimant not in (None, claimant):
            return False
        if self.user is None and self.query is None:
            return True
        search = record if isinstance(record, Impression) else search_of(log, record)
        asked = None if search is None else search.query
        user = record.user_id if isinstance(record, Event) and record.user_id else asked and asked.user_id
        text = asked.normalized if asked else _read((isinstance(record, Event) and record.user_query) or "")
        return (self.user is None or user == self.user) and (self.query is None or text == _read(self.query))


def _read(query: str) -> str:
    return beginning(normalize(beginning(query)))


def search_of(log: Log, event: Event) -> Impression | None:
    """The search that an event names, if the log holds it."""
    if event.query_id is None:
        return None
    try:
        return log.impression(event.query_id)
    except NotFound:
        return None
