"""What every adapter of a data set offers, the files that it reads, and how single clicks become searches."""

from __future__ import annotations

import calendar
import heapq
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.registry import guess_reader
from bandstand.errors import BadInput
from bandstand.feedback.fields import timestamp
from bandstand.replay.stream import Answer, Ask, Dataset, Interaction, Moment, sha256_of
from bandstand.types import Entity
from bandstand.types.hashing import digest

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")

Month = tuple[int, int]
"""Year and month, which compare as they should."""


class Adapter(Protocol):
    """Opens the files of one kind of data set. Its fields, frozen, are the options of its protocol."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def open(self, path: Path) -> Dataset:
        """The data set of a file or folder.

        Raises:
            BadInput: it is missing, or not of this kind; the message names what is.
        """


def month_of(text: str, field: str) -> Month:
    """``YYYY-MM`` as numbers.

    Raises:
        BadInput: it is no month.
    """
    match = _MONTH.fullmatch(text)
    if match is None:
        raise BadInput(f"{field} must be YYYY-MM, not {text!r}", field=field)
    return int(match[1]), int(match[2])


def month_start(month: Month) -> float:
    """Unix time of the month's first second, UTC."""
    return float(calendar.timegm((*month, 1, 0, 0, 0)))


def next_month(month: Month) -> Month:
    """The month after."""
    return (month[0] + 1, 1) if month[1] == 12 else (month[0], month[1] + 1)


def months(first: Month, last: Month) -> Iterator[Month]:
    """From the first to the last, both included."""
    while first <= last:
        yield first
        first = next_month(first)


def stable_hash(*parts: object) -> str:
    """16 hex digits that depend on nothing but the parts."""
    return digest("\x1f".join(map(str, parts))).hex()


def generator(seed: int, *parts: object) -> np.random.Generator:
    """A generator of its own for every part of a data set: drawing more in one changes nothing in another."""
    return np.random.default_rng([seed, int(stable_hash(*parts), 16)])


def table_file(folder: Path, name: str) -> Path:
    """The file of a name in a folder, plain or packed.

    Raises:
        BadInput: there is none.
    """
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise BadInput(f"{folder} has no {name} or {name}.gz")


_ENDINGS = ("ndjson", "csv", "ndjson.gz", "csv.gz")


@dataclass(frozen=True, slots=True)
class LogFolder:
    """``log.ndjson`` or ``log.csv`` beside ``catalog.ndjson`` or ``catalog.csv`` (any reader's format), plain or gz."""

    log: Path
    catalog: Path

    @classmethod
    def of(cls, folder: Path) -> LogFolder:
        """The files of a folder.

        Raises:
            BadInput: one is missing.
        """
        return cls(_file(folder, "log"), _file(folder, "catalog"))

    def dataset(self, name: str, protocol: str, stream: Callable[[], Iterator[Moment | Rejected]]) -> Dataset:
        """The data set of this log and catalogue."""
        digest = sha256_of((self.log, self.catalog))
        return Dataset(name=name, protocol=protocol, sha256=digest, catalog=self.entities, stream=stream)

    @property
    def is_csv(self) -> bool:
        """Whether the log is CSV rather than NDJSON."""
        return ".csv" in self.log.suffixes

    def entities(self) -> Iterator[Entity | Rejected]:
        """The catalogue."""
        for row in guess_reader(self.catalog).read(self.catalog):
            yield row if isinstance(row, Rejected) else row.entity


class Zones:
    """Reads times, and refuses to mix those that name their zone with those that do not.

    The first time decides: unix numbers and ISO 8601 with a zone go together, ISO 8601 without one is UTC throughout.
    """

    def __init__(self) -> None:
        self._zoned: bool | None = None

    def seconds(self, value: object) -> float:
        """Seconds since 1970.

        Raises:
            BadInput: it is no time, or of the other sort than the first.
        """
        seconds = timestamp(value, "time")
        if seconds is None:
            raise BadInput("time is empty", field="time")
        zoned = not isinstance(value, str) or _is_number(value) or _names_zone(value)
        if self._zoned is None:
            self._zoned = zoned
        if zoned != self._zoned:
            having = "with a zone" if self._zoned else "without a zone"
            raise BadInput(f"mixed time zones: the first time is {having}, this one is not", field="time")
        return seconds


def dump_file(path: Path, name: str) -> Path:
    """The file of a public dump: ``path`` itself, or what is called ``name`` in it where it is a folder.

    Raises:
        BadInput: there is none.
    """
    found = path / name if path.is_dir() else path
    if not found.is_file():
        raise BadInput(f"there is no file {found}: give {name}, or the folder that holds it")
    return found


def _file(folder: Path, name: str) -> Path:
    for ending in _ENDINGS:
        if (path := folder / f"{name}.{ending}").is_file():
            return path
    raise BadInput(f"{folder} has no {name}.ndjson or {name}.csv (or either with .gz)")


def _is_number(value: str) -> bool:
    return value.strip().replace(".", "", 1).isdigit()


def _names_zone(value: str) -> bool:
    time = value.strip()
    clock = time.partition("T")[2] or time.partition(" ")[2]
    return time.endswith(("Z", "z", "UTC")) or "+" in clock or "-" in clock


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

    def interaction(self, interaction: Interaction) -> None:
        """Behaviour without a search."""
        heapq.heappush(self._later, (interaction.time, self._count, interaction))
        self._count += 1

    def closed(self, now: float = float("inf")) -> Iterator[Moment]:
        """What is complete at ``now``, in time order; everything without a time."""
        while self._open:
            key, ask = next(iter(self._open.items()))
            if ask.time + self.window >= now:
                break
            yield from self._interactions(ask.time)
            # Without an answer there is nothing to judge by: it is asked, learned from, and left out of the figures.
            yield self._open.pop(key) if ask.answers else replace(self._open.pop(key), counted=False)
        first = next(iter(self._open.values()), None)
        yield from self._interactions(now if first is None else first.time)

    def _interactions(self, until: float) -> Iterator[Moment]:
        while self._later and self._later[0][0] <= until:
            yield heapq.heappop(self._later)[2]
