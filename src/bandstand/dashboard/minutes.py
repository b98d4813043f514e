"""The growth of every process's counters by the minute, in a small SQLite file that outlives the processes."""

from __future__ import annotations

import math
import threading
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import orjson
import structlog
from prometheus_client.registry import Collector, CollectorRegistry

from bandstand.errors import BandstandError
from bandstand.learner.outcome_metrics import KEPT_HOURS_S, KEPT_MINUTES_S
from bandstand.sqlite import Database, Format
from bandstand.types import Clock
from bandstand.types.times import HOUR_S, MINUTE_S

Counts = dict[str, float]
"""Growth by the name of a sample, labels included; names that begin with `MAX` hold a largest value instead."""

MAX = "max:"

_FORMAT = Format(
    version=1,
    schema=(
        """CREATE TABLE growth (
            start INTEGER NOT NULL, step INTEGER NOT NULL, process TEXT NOT NULL, counts BLOB NOT NULL,
            PRIMARY KEY (start, step, process)
        ) WITHOUT ROWID""",
    ),
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
        # What a power cut takes are the last seconds of a chart: waiting for the disk is not worth it.
        self._database = Database(path, _FORMAT, synchronous="NORMAL")

    def put(self, start: int, process: str, counts: Mapping[str, float]) -> None:
        """Set what a process counted in the minute that began at ``start``, in seconds since 1970."""
        self._database.rows(_PUT, (start, MINUTE_S, process, _packed(counts)))

    def read(self, since: float) -> Iterator[tuple[int, int, Counts]]:
        """Start, length in seconds, and counts of every row from a time on, oldest first."""
        rows = self._database.rows(
            "SELECT start, step, counts FROM growth WHERE start + step > ? ORDER BY start, step DESC", (since,)
        )
        return ((start, step, _unpacked(counts)) for start, step, counts in rows)

    def housekeep(self, now: float) -> None:
        """Turn old minutes into hours and drop old hours; any process may, at any time."""
        before = int(now - KEPT_MINUTES_S) // HOUR_S * HOUR_S
        with self._database.transaction() as connection:
            old = connection.execute(
                "SELECT start / ? * ?, counts FROM growth WHERE start < ? ORDER BY start", (HOUR_S, HOUR_S, before)
            ).fetchall()
            hours: dict[int, Counts] = {}
            for start, counts in old:
                hours[start] = added(hours.get(start, {}), _unpacked(counts))
            connection.execute("DELETE FROM growth WHERE start < ?", (before,))
            kept = (
                (hour, HOUR_S, _TOGETHER, _packed(counts))
                for hour, counts in hours.items()
                if hour > now - KEPT_HOURS_S
            )
            connection.executemany(_PUT, kept)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


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


EVERY_S = 5.0
_HOUSEKEEPING_S = HOUR_S

_KEPT = (
    "bandstand_search_seconds_",
    "bandstand_empty_pages_total",
    "bandstand_arm_seconds_",
    "bandstand_arm_outcomes_total",
    "bandstand_arm_depths_total",
    "bandstand_actions_total",
    "bandstand_http_requests_total",
)


class Sampler:
    """Writes what this process counted into the file of minutes, every few seconds while `run` runs.

    The row of the minute is written again and again, whole, so that nothing is added twice; a process that is killed
    loses five seconds of its charts. ``level`` gives values of which a minute keeps the largest: the learner's lag.
    """

    def __init__(
        self,
        minutes: Minutes,
        registry: Collector | CollectorRegistry,
        *,
        level: Callable[[], Mapping[str, float]],
        clock: Clock,
    ) -> None:
        self._minutes = minutes
        self._registry = registry
        self._level = level
        self._clock = clock
        self._process = uuid.uuid4().hex
        self._turn = threading.Lock()
        self._start = self._minute()
        self._before = self._counts()
        self._levels: dict[str, float] = {}
        self._cleaned = -math.inf

    def sample(self) -> None:
        """Bring the row of the present minute up to now; the first call in a minute ends the one before.

        Raises:
            StorageError: the file cannot be written.
        """
        with self._turn:
            now, counts = self._minute(), self._counts()
            for name, value in self._level().items():
                self._levels[MAX + name] = max(self._levels.get(MAX + name, 0.0), value)
            growth = {name: value - self._before.get(name, 0.0) for name, value in counts.items()}
            changed = {name: value for name, value in growth.items() if value} | self._levels
            if changed:
                self._minutes.put(self._start, self._process, changed)
            if now != self._start:
                self._start, self._before, self._levels = now, counts, {}

    def run(self, stop: threading.Event) -> None:
        """Sample until ``stop``, and once more then; a file that cannot be written is told once and tried again."""
        progress = ""
        while True:
            ended = stop.wait(EVERY_S)
            try:
                self.sample()
                self._housekeep()
                progress = ""
            except BandstandError as error:
                if str(error) != progress:
                    structlog.get_logger("dashboard").error("sampling_failed", reason=str(error))
                progress = str(error)
            if ended:
                return

    def _housekeep(self) -> None:
        if self._clock() - self._cleaned >= _HOUSEKEEPING_S:
            self._minutes.housekeep(self._clock())
            self._cleaned = self._clock()

    def _minute(self) -> int:
        return int(self._clock()) // MINUTE_S * MINUTE_S

    def _counts(self) -> dict[str, float]:
        return dict(_samples(self._registry))


def _samples(registry: Collector | CollectorRegistry) -> Iterable[tuple[str, float]]:
    """Every kept sample by name and labels, written as Prometheus does."""
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.startswith(_KEPT) and not sample.name.endswith("_created"):
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                yield f"{sample.name}{{{labels}}}", sample.value
