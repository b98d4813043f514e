"""The growth of every process's counters by the minute, in a small SQLite file that outlives the processes."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from bandstand.catalog.sqlite import connect, mapped

MINUTE_S, HOUR_S = 60, 3600
KEPT_MINUTES_S, KEPT_HOURS_S = 2 * 86_400, 90 * 86_400
"""How long single minutes are kept before they become hours, and how long hours are."""

Counts = dict[str, float]
"""Growth by the name of a sample, labels included; names that begin with `MAX` hold a largest value instead."""

MAX = "max:"

_VERSION = 1
_SCHEMA = (
    """CREATE TABLE growth (
        start INTEGER NOT NULL, step INTEGER NOT NULL, process TEXT NOT NULL, counts BLOB NOT NULL,
        PRIMARY KEY (start, step, process)
    ) WITHOUT ROWID""",
)
_PUT = "INSERT OR REPLACE INTO growth VALUES (?, ?, ?, ?)"
_TOGETHER = ""
"""The process of an hour: by then it makes no difference which one it was."""


class Minutes:
    """Rows by minute and process; after two days they become rows by hour, and after ninety days they go.

    Safe for threads and processes.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = connect(path, version=_VERSION, schema=_SCHEMA)
        with mapped(path):
            # What a power cut takes are the last seconds of a chart: waiting for the disk is not worth it.
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def put(self, start: int, process: str, counts: Mapping[str, float]) -> None:
        """Set what a process counted in the minute that began at ``start``, in seconds since 1970."""
        with self._lock, mapped(self._path):
            self._connection.execute(_PUT, (start, MINUTE_S, process, _packed(counts)))

    def read(self, since: float) -> Iterator[tuple[int, int, Counts]]:
        """Start, length in seconds, and counts of every row from a time on, oldest first."""
        with self._lock, mapped(self._path):
            rows = self._connection.execute(
                "SELECT start, step, counts FROM growth WHERE start + step > ? ORDER BY start, step DESC", (since,)
            ).fetchall()
        return ((start, step, _unpacked(counts)) for start, step, counts in rows)

    def housekeep(self, now: float) -> None:
        """Turn old minutes into hours and drop old hours; any process may, at any time."""
        before = int(now - KEPT_MINUTES_S) // HOUR_S * HOUR_S
        with self._lock, mapped(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            old = self._connection.execute(
                "SELECT start / ? * ?, counts FROM growth WHERE start < ? ORDER BY start", (HOUR_S, HOUR_S, before)
            ).fetchall()
            hours: dict[int, Counts] = {}
            for start, counts in old:
                hours[start] = added(hours.get(start, {}), _unpacked(counts))
            self._connection.execute("DELETE FROM growth WHERE start < ?", (before,))
            kept = (
                (hour, HOUR_S, _TOGETHER, _packed(counts))
                for hour, counts in hours.items()
                if hour > now - KEPT_HOURS_S
            )
            self._connection.executemany(_PUT, kept)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def added(sums: Counts, counts: Mapping[str, float]) -> Counts:
    """The sums with more counts; of a largest value the larger one."""
    for name, value in counts.items():
        before = sums.get(name, 0.0)
        sums[name] = max(before, value) if name.startswith(MAX) else before + value
    return sums


def _packed(counts: Mapping[str, float]) -> bytes:
    return zlib.compress(orjson.dumps(dict(counts)), 1)


def _unpacked(data: bytes) -> Counts:
    counts: Counts = orjson.loads(zlib.decompress(data))
    return counts
