"""Who claimed what lately, how much of it the log bears out, and what looks like somebody who pushes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bandstand.feedback.attribution import Attribution, position_of, related_to
from bandstand.feedback.joined import entries
from bandstand.feedback.log import Log
from bandstand.feedback.rewards import RateGuard
from bandstand.learner.orders import search_of
from bandstand.types import Event, Impression
from bandstand.types.times import MINUTE_S

_FEW = 10
"""Fewer events than these say nothing."""

_MUCH = 0.5


@dataclass(slots=True)
class Claims:
    """What one claimant did: searches, events, those of them that cannot be so, and what they were about."""

    claimant: str
    searches: int = 0
    events: int = 0
    refused: int = 0
    users: set[str] = field(default_factory=set)
    entities: Counter[str] = field(default_factory=Counter)
    queries: Counter[str] = field(default_factory=Counter)
    minutes: Counter[int] = field(default_factory=Counter)

    @property
    def busiest_minute(self) -> int:
        """The most events in one minute."""
        return _most(self.minutes)

    @property
    def most_on_one_entity(self) -> int:
        """The most events on one entity."""
        return _most(self.entities)

    @property
    def flags(self) -> tuple[str, ...]:
        """What is not as people are: nothing, for most."""
        if self.events < _FEW:
            return ()
        found = {
            "mostly refused": self.refused > _MUCH * self.events,
            "one entity": self.most_on_one_entity > _MUCH * self.events,
            "one query": _most(self.queries) > _MUCH * self.events,
            "bursts": self.busiest_minute > RateGuard().burst,
        }
        return tuple(name for name, holds in found.items() if holds)


def claims(log: Log, attribution: Attribution, *, since: float) -> list[Claims]:
    """By claimant, what was logged from ``since`` on (seconds since 1970); who is flagged first, then who said most."""
    found: dict[str, Claims] = {}
    for entry in entries(log):
        record = entry.record
        if entry.time < since or not isinstance(record, Impression | Event):
            continue
        claimant = record.query.claimant if isinstance(record, Impression) else record.claimant
        if claimant is None:
            continue
        mine = found.setdefault(claimant, Claims(claimant))
        if isinstance(record, Impression):
            mine.searches += 1
        else:
            _count(mine, record, entry.time, search_of(log, record), attribution)
    return sorted(found.values(), key=lambda each: (-len(each.flags), -each.events, -each.searches, each.claimant))


def _count(mine: Claims, event: Event, time: float, asked: Impression | None, attribution: Attribution) -> None:
    mine.events += 1
    mine.minutes[int(time // MINUTE_S)] += 1
    mine.users |= {event.user_id} if event.user_id else set()
    mine.entities[event.object_id or ""] += 1
    mine.queries[asked.query.normalized if asked else event.user_query or ""] += 1
    possible = asked is not None and attribution.follows(asked, event)
    found = possible and asked is not None and (related_to(event) or position_of(asked, event))
    mine.refused += not found


def _most(counted: Mapping[str, int] | Mapping[int, int]) -> int:
    return max(counted.values(), default=0)
