"""Keeps this process's counters by the minute while it serves, and opens the file in which all processes' are."""

from __future__ import annotations

import threading
import time

import structlog

from bandstand.api.metrics import Metrics
from bandstand.api.service import Service
from bandstand.dashboard.live import LAG
from bandstand.dashboard.minutes import Minutes
from bandstand.dashboard.sampling import Sampler
from bandstand.errors import BandstandError, Unavailable
from bandstand.storage import Paths
from bandstand.types import Clock

_RETRY_S = 1.0
_JOIN_S = 10.0


class Recorder:
    """One thread that samples; a home whose file cannot be opened is tried again, and serves meanwhile."""

    def __init__(self, service: Service, metrics: Metrics, *, clock: Clock = time.time) -> None:
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._stop = threading.Event()
        self._minutes: Minutes | None = None
        self._sampler: Sampler | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Sample a last time and close the file."""
        self._stop.set()
        self._thread.join(timeout=_JOIN_S)
        if self._minutes is not None:
            self._minutes.close()

    def minutes(self) -> Minutes:
        """The file, with what this process counted up to now.

        Raises:
            Unavailable: it could not be opened yet.
            StorageError: it cannot be written.
        """
        if self._minutes is None or self._sampler is None:
            raise Unavailable("the series of the dashboard cannot be opened yet: see the log", retry_after=2)
        self._sampler.sample()
        return self._minutes

    def _run(self) -> None:
        told = ""
        while not self._stop.is_set() and self._sampler is None:
            try:
                self._open()
            except BandstandError as error:
                if str(error) != told:
                    structlog.get_logger("dashboard").error("recorder_failed", reason=str(error))
                told = str(error)
                self._stop.wait(_RETRY_S)
        if self._sampler is not None:
            self._sampler.run(self._stop)

    def _open(self) -> None:
        paths = Paths(self._service.settings.home)
        paths.create()
        self._minutes = self._minutes or Minutes(paths.minutes)
        self._sampler = Sampler(self._minutes, self._metrics.registry, level=self._levels, clock=self._clock)

    def _levels(self) -> dict[str, float]:
        """How far the learner is behind; nothing while the home is loading or the cluster is away."""
        try:
            home = self._service.home
            return {LAG: float(max(home.log.head() - home.memory.position(), 0))}
        except BandstandError:
            return {}
