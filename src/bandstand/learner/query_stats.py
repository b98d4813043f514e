"""What was asked how often, and how it went: one bounded record for each query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from bandstand.learner.open_searches import KeyValue
from bandstand.memory_index.keys import query_key
from bandstand.types.times import DAY_S

MAX_QUERIES_COUNTED = 20_000
KEPT_DAYS = 60

_PREFIX = b"asked/"
_LOW_WATER = 0.95

Day = tuple[int, int, int]
"""Searches, clicked ones, satisfied ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStats:
    """One query: its text, how often it was asked, clicked on and satisfied, when last, and the same by day.

    ``text`` is empty, and ``users`` holds hashes of who asked, until enough users have; then it is the other way round:
    what only one user ever typed is not to be read by others.
    """

    text: str = ""
    users: tuple[str, ...] = ()
    searches: int = 0
    clicked: int = 0
    satisfied: int = 0
    last: float = 0.0
    days: dict[int, Day] = field(default_factory=dict)

    def with_search(self, *, clicked: bool, satisfied: bool, time: float) -> QueryStats:
        """With one more search."""
        day = int(time) // DAY_S
        searches, clicks, successes = self.days.get(day, (0, 0, 0))
        days = {**self.days, day: (searches + 1, clicks + clicked, successes + satisfied)}
        return replace(
            self,
            searches=self.searches + 1,
            clicked=self.clicked + clicked,
            satisfied=self.satisfied + satisfied,
            last=max(self.last, time),
            days={day: days[day] for day in sorted(days)[-KEPT_DAYS:]},
        )


class QueryCounts:
    """The records within the learner's transaction; ``agree_users`` must have asked before a text is kept."""

    def __init__(self, state: KeyValue, *, agree_users: int) -> None:
        self._state = state
        self._agree_users = agree_users

    def add(self, normalized: str, who: str, *, clicked: bool, satisfied: bool, time: float) -> None:
        """Count one finalized search by ``who``, a hash, empty for nobody in particular."""
        if not normalized:
            return
        key = _PREFIX + query_key(normalized)
        record = _loaded(self._state.get(key)).with_search(clicked=clicked, satisfied=satisfied, time=time)
        if not record.text:
            users = tuple(dict.fromkeys((*record.users, who)))
            known = len(users) >= self._agree_users
            record = replace(record, text=normalized if known else "", users=() if known else users)
        self._state.put(key, _dumped(record))

    def forget(self, who: str) -> None:
        """Take a user out of what is not everybody's yet; what only this user asked goes as a whole."""
        for key, raw in self._state.scan(_PREFIX):
            record = _loaded(raw)
            if who in record.users:
                left = tuple(user for user in record.users if user != who)
                if left:
                    self._state.put(key, _dumped(replace(record, users=left)))
                else:
                    self._state.delete(key)

    def evict(self, limit: int = MAX_QUERIES_COUNTED) -> int:
        """Bring the records down to a bound, those asked longest ago first; how many went."""
        held = sorted((_loaded(raw).last, key) for key, raw in self._state.scan(_PREFIX))
        surplus = held[: len(held) - int(_LOW_WATER * limit)] if len(held) > limit else []
        for _, key in surplus:
            self._state.delete(key)
        return len(surplus)


def read_query_stats(scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]) -> Iterator[QueryStats]:
    """Every query that enough users asked; ``scan`` gives the stored pairs under a prefix, e.g. `Memory.scan`."""
    return (record for _, raw in scan(_PREFIX) if (record := _loaded(raw)).text)


def read_one_query(get: Callable[[bytes], bytes | None], normalized: str) -> QueryStats | None:
    """One query's record; None where nobody, or too few users, asked it. ``get`` is e.g. `Memory.state`."""
    record = _loaded(get(_PREFIX + query_key(normalized)))
    return record if record.text else None


def _loaded(raw: bytes | None) -> QueryStats:
    if not raw:
        return QueryStats()
    text, users, searches, clicked, satisfied, last, days = orjson.loads(raw)
    by_day: dict[int, Day] = {int(day): (asked, clicks, successes) for day, asked, clicks, successes in days}
    return QueryStats(
        text=text,
        users=tuple(users),
        searches=searches,
        clicked=clicked,
        satisfied=satisfied,
        last=last,
        days=by_day,
    )


def _dumped(record: QueryStats) -> bytes:
    days: list[Any] = [(day, *counts) for day, counts in record.days.items()]
    return orjson.dumps(
        (record.text, record.users, record.searches, record.clicked, record.satisfied, record.last, days)
    )
