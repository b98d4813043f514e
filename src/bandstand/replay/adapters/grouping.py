"""From single clicks in time order to searches with their answers, holding no more than what is still open."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, TypeVar

from bandstand.catalog.readers.base import Rejected
from bandstand.replay.stream import Answer, Ask, Deed, Moment

WINDOW = 1800.0
"""Seconds after a search within which a click belongs to it, as the platform itself joins them."""

REORDERED = 10_000
"""Rows that may stand out of order; an earlier row that comes later than that is refused."""

T = TypeVar("T")


class Timed(NamedTuple, Generic[T]):
    """A row with its time and line."""

    time: float
    line: int
    row: T


def sorted_nearly(rows: Iterable[Timed[T] | Rejected], *, room: int = REORDERED) -> Iterator[Timed[T] | Rejected]:
    """Rows by time, equal times by line. A row that is too late for its place comes as `Rejected`."""
    heap: list[tuple[float, int, Timed[T]]] = []
    given = float("-inf")
    for row in rows:
        if isinstance(row, Rejected):
            yield row
        elif row.time < given:
            yield Rejected(
                row.line, f"it is earlier than rows more than {room} lines before: sort the file by time", ""
            )
        else:
            heapq.heappush(heap, (row.time, row.line, row))
            if len(heap) > room:
                earliest = heapq.heappop(heap)[2]
                given = earliest.time
                yield earliest
    while heap:
        yield heapq.heappop(heap)[2]


@dataclass(slots=True)
class OpenAsks:
    """Searches by key, to which clicks are still added; given out in the order in which they were asked."""

    window: float = WINDOW
    _open: dict[Hashable, Ask] = field(default_factory=dict)
    _later: list[tuple[float, int, Moment]] = field(default_factory=list)
    _count: int = 0

    def get(self, key: Hashable) -> Ask | None:
        """The open search of a key."""
        return self._open.get(key)

    def ask(self, key: Hashable, ask: Ask) -> None:
        """A new search, not earlier than any before."""
        self._open[key] = ask

    def answer(self, key: Hashable, answer: Answer) -> None:
        """One more answer; of several for one entity the best grade stays, at the time of the first."""
        ask = self._open[key]
        known = {each.entity_id: each for each in ask.answers}
        first = known.get(answer.entity_id)
        known[answer.entity_id] = answer if first is None else first._replace(grade=max(first.grade, answer.grade))
        self._open[key] = replace(ask, answers=tuple(known.values()))

    def deed(self, deed: Deed) -> None:
        """Behaviour without a search."""
        heapq.heappush(self._later, (deed.time, self._count, deed))
        self._count += 1

    def closed(self, now: float = float("inf")) -> Iterator[Moment]:
        """What is complete at ``now``, in time order; everything without a time."""
        while self._open:
            key, ask = next(iter(self._open.items()))
            if ask.time + self.window >= now:
                break
            yield from self._deeds(ask.time)
            # Without an answer there is nothing to judge by: it is asked, learned from, and left out of the figures.
            yield self._open.pop(key) if ask.answers else replace(self._open.pop(key), counted=False)
        first = next(iter(self._open.values()), None)
        yield from self._deeds(now if first is None else first.time)

    def _deeds(self, until: float) -> Iterator[Moment]:
        while self._later and self._later[0][0] <= until:
            yield heapq.heappop(self._later)[2]
