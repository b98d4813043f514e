"""Turns a process's own Prometheus counters into minutes of growth."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping

import structlog
from prometheus_client.registry import Collector, CollectorRegistry

from bandstand.dashboard.minutes import MAX, MINUTE_S, Minutes
from bandstand.errors import BandstandError
from bandstand.types import Clock

EVERY_S = 5.0
_HOUSEKEEPING_S = 3600.0

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
        told = ""
        while True:
            ended = stop.wait(EVERY_S)
            try:
                self.sample()
                self._housekeep()
                told = ""
            except BandstandError as error:
                if str(error) != told:
                    structlog.get_logger("dashboard").error("sampling_failed", reason=str(error))
                told = str(error)
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
