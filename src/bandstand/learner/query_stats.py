"""What was asked how often, and how it went: one bounded record for each query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from bandstand.learner.open_searches import KeyValue
from bandstand.memory_index.keys import SUPPORTERS, query_key
from bandstand.types.times import DAY_S

MAX_QUERIES_COUNTED = 20_000
KEPT_DAYS = 60

_PREFIX = b"asked/"
_LOW_WATER = 0.95


class Day(NamedTuple):
    """A day, counted since 1970: searches, clicked ones, satisfied ones."""

    day: int
    searches: int = 0
    clicked: int = 0
    satisfied: int = 0


class QueryStats(msgspec.Struct, frozen=True, array_like=True):
    """One query: its text, how often it was asked, clicked on and satisfied, when last, and the same by day.

    ``users`` holds hashes of the first who asked. ``text`` is empty until enough users have: what only one user ever
    typed is not to be read by others.
    """

    text: str = ""
    users: tuple[str, ...] = ()
    searches: int = 0
    clicked: int = 0
    satisfied: int = 0
    last: float = 0.0
    days: tuple[Day, ...] = ()
    version: int = 1

    def with_search(self, *, clicked: bool, satisfied: bool, time: float) -> QueryStats:
        """With one more search."""
        days = {day.day: day for day in self.days}
        day, searches, clicks, successes = days.get(at := int(time) // DAY_S, Day(at))
        days[at] = Day(day, searches + 1, clicks + clicked, successes + satisfied)
        return replace(
            self,
            searches=self.searches + 1,
            clicked=self.clicked + clicked,
            satisfied=self.satisfied + satisfied,
            last=max(self.last, time),
            days=tuple(sorted(days.values())[-KEPT_DAYS:]),
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
        if not record.text or record.users:  # of a version that did not remember who asked for what is known
            users = tuple(dict.fromkeys((*record.users, who)))[: max(SUPPORTERS, self._agree_users)]
            known = len(users) >= self._agree_users
            record = replace(record, text=normalized if known else "", users=users)
        self._state.put(key, msgspec.json.encode(record))

    def forget(self, *who: str) -> None:
        """Take users out: what too few others asked is not everybody's any more, what nobody else did goes whole."""
        for key, raw in self._state.scan(_PREFIX):
            record = _loaded(raw)
            left = tuple(user for user in record.users if user not in who)
            if len(left) < len(record.users):
                text = record.text if len(left) >= self._agree_users else ""
                if left:
                    self._state.put(key, msgspec.json.encode(replace(record, text=text, users=left)))
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
    return msgspec.json.decode(raw, type=QueryStats) if raw else QueryStats()
