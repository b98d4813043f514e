"""What a number in a store belongs to: a history of chapters, each begun by a process that wrote, under a random name.

A store that was made anew, or put back from a backup, has other chapters from there on: so a stored place says by the
name of its chapter whether it still means what it meant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

UNTOLD = 0
"""Where the chapter begins that holds what a version without chapters had written."""


class Chapter(NamedTuple):
    """The numbers of a store from ``first`` on, up to the next chapter; ``name`` has 16 hex digits."""

    first: int
    name: str


class Place(NamedTuple):
    """A number and the name of its chapter; "" where a version without chapters has stored the number."""

    number: int = 0
    chapter: str = ""


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class History:
    """The ``chapters`` of a store, ascending, and the ``last`` number that it has given."""

    chapters: tuple[Chapter, ...] = ()
    last: int = 0

    @property
    def place(self) -> Place:
        """Where it ends."""
        return self.at(self.last)

    def at(self, number: int) -> Place:
        """The place of a number."""
        found = bisect_right(self.chapters, number, key=lambda chapter: chapter.first) if number else 0
        return Place(number, self.chapters[found - 1].name if found else "")

    def holds(self, place: Place) -> bool:
        """Whether this is the store, with nothing before the place taken back, that the place was stored of."""
        if place.number > self.last:
            return False
        return place.number == 0 or place.chapter in (self.at(place.number).chapter, *self._untold(place.number))

    def shared(self, number: int, known: Collection[Chapter]) -> int:
        """The last number, at most ``number``, up to which this store has no chapter that is not ``known``.

        Who knows no chapter at all, as a version without them has stored the number, knows the one of that time.
        """
        last = 0
        for chapter, following in pairwise((*self.chapters, Chapter(self.last + 1, ""))):
            if chapter not in known and (known or chapter.first != UNTOLD):
                break
            last = following.first - 1
        return min(number, last)

    def _untold(self, number: int) -> tuple[str, ...]:
        """The name that fits where none was stored: none does after the chapter of that time."""
        later = self.chapters[1].first if len(self.chapters) > 1 else number + 1
        told = self.chapters[:1] and self.chapters[0].first == UNTOLD and number < later
        return ("",) if told else ()
