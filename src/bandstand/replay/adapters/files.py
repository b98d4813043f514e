"""The files that an adapter reads: a public dump by its name, or a folder with a log and the catalogue it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.registry import guess_reader
from bandstand.errors import BadInput
from bandstand.feedback.fields import timestamp
from bandstand.types import Entity

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
    clock = value.strip().partition("T")[2] or value.strip().partition(" ")[2]
    return clock.endswith(("Z", "z")) or "+" in clock or "-" in clock
