"""Prometheus metrics, named by its conventions: of this process, or of all; kept by the minute while it serves."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from bandstand.api.connections import Refused
from bandstand.api.service import Service
from bandstand.app.health import learned
from bandstand.app.searching import SearchingSide
from bandstand.backend import Paths
from bandstand.dashboard.live import LAG
from bandstand.dashboard.minutes import Minutes, Sampler
from bandstand.engine.request import SearchResult
from bandstand.errors import BandstandError, Unavailable
from bandstand.learner.parking import parked_entries
from bandstand.supervision import Fares
from bandstand.types import Clock
from bandstand.types.actions import ACTIONS

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: set before this process began, processes add up what they count in that folder."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2)


class Metrics:
    """Counts what this process does; `page` is the text that Prometheus scrapes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._search_seconds = self._timed("bandstand_search_seconds", "Time of a search", "policy")
        self._empty = self._counted("bandstand_empty_pages_total", "Searches without a hit", "policy")
        self._arm_seconds = self._timed("bandstand_arm_seconds", "Time of a retriever that played", "arm")
        self._arms = self._counted("bandstand_arm_outcomes_total", "How retrievers ended", "arm", "status")
        self._arm_depths = self._counted("bandstand_arm_depths_total", "Depths that were decided", "arm", "depth")
        self._events = self._counted("bandstand_events_total", "Events by what became of them", "result")
        self._actions = self._counted("bandstand_actions_total", "What people did, repeated events included", "action")
        self._http = self._counted("bandstand_http_requests_total", "Requests", "method", "route", "status")
        refused = "Requests with a key or a user token that is unknown or has expired"
        self._refused = Counter("bandstand_refused_keys_total", refused, registry=self.registry)
        unserved = "Connections that ended unserved: too many, a header too late, or no descriptor left"
        self._unserved = self._counted("bandstand_refused_connections_total", unserved, "reason")
        self._lag = self._gauge("bandstand_learner_lag_entries", "Log entries not learned from yet")
        self._parked = self._gauge(
            "bandstand_parked_entries", "Log entries that could not be learned from and were set aside"
        )
        self._waiting = self._gauge(
            "bandstand_spool_waiting_entries", "Log entries on this machine that the cluster does not have yet"
        )
        self._entities = self._gauge("bandstand_entities", "Live entities")
        start = "When counting began, in seconds since 1970"
        Gauge("bandstand_start_time_seconds", start, registry=self.registry, multiprocess_mode="min").set(time.time())
        self._queries = self._gauge("bandstand_memory_queries", "Queries that the memory holds")
        self._early = self._summed("bandstand_speculations", "Retriever runs begun before their decision, by outcome")
        self._oldest = self._gauge("bandstand_learner_oldest_seconds", "Age of the oldest log entry not learned from")
        self._failures = Gauge(
            "bandstand_thread_failures",
            "How often a thread's work ended unbidden and was begun again",
            ["thread"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._unlogged = Gauge(
            "bandstand_unlogged_searches",
            "Searches that were answered although the log took no more",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._recorded = self._summed("bandstand_ablations", "Pages made with and without each expensive retriever")

    def searched(self, result: SearchResult) -> None:
        """A search was answered."""
        decision = result.impression.decision
        self._search_seconds(decision.policy).observe(result.took_ms / 1e3)
        if not result.hits:
            self._empty(decision.policy).inc()
        for arm in decision.arms:
            self._arm_depths(arm.arm, str(arm.depth)).inc()
        for outcome in result.impression.outcomes:
            self._arms(outcome.retriever, outcome.status).inc()
            if outcome.status != "skipped":
                self._arm_seconds(outcome.retriever).observe(outcome.took_ms / 1e3)

    def received(self, *, accepted: int, duplicates: int, rejected: int) -> None:
        """Events came in."""
        for result, count in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            self._events(result).inc(count)

    def acted(self, actions: Iterable[str]) -> None:
        """People did things; names that are not UBI's usual ones are counted together, as anybody can invent some."""
        for action in actions:
            self._actions(action if action in ACTIONS else "other").inc()

    def refused(self) -> None:
        """A key or a user token was wrong."""
        self._refused.inc()

    def refused_connection(self, reason: Refused) -> None:
        """A connection ended unserved."""
        self._unserved(reason).inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """A request was answered; ``route`` is the template, so that ids do not become labels."""
        self._http(method, route, str(status)).inc()

    def page(self, home: SearchingSide | None, threads: Iterable[Fares] = ()) -> bytes:
        """The current values, in Prometheus' text format."""
        for one in threads:
            self._failures.labels(one.name).set(one.failures)
        if home is not None:
            waiting, oldest = _behind(home)
            self._lag.set(waiting)
            self._oldest.set(oldest)
            self._parked.set(len(parked_entries(home.memory.scan)))
            self._waiting.set(home.log.waiting())
            self._entities.set(int(home.catalog.columns.live.sum()))
            self._queries.set(home.memory.stats().queries)
            counts = home.speculation.counts
            for outcome in ("taken", "cancelled", "refused"):
                self._early.labels(outcome).set(getattr(counts, outcome))
            self._unlogged.set(home.engine.unlogged)
            self._recorded.labels("made").set(home.ablator.made)
            self._recorded.labels("dropped").set(home.ablator.dropped)
        return generate_latest(self._shared() if SHARED_FOLDER in os.environ else self.registry)

    def _counted(self, name: str, what: str, *labels: str) -> Callable[..., Counter]:
        """What counts for given values of the labels. Found once: to look it up takes as long as to count."""
        return cache(Counter(name, what, labels, registry=self.registry).labels)

    def _timed(self, name: str, what: str, label: str) -> Callable[..., Histogram]:
        """Likewise what takes in seconds."""
        return cache(Histogram(name, what, [label], buckets=_SECONDS, registry=self.registry).labels)

    def _gauge(self, name: str, what: str) -> Gauge:
        # Every process sees the same home: the newest look at it is the right one.
        return Gauge(name, what, registry=self.registry, multiprocess_mode="mostrecent")

    def _summed(self, name: str, what: str) -> Gauge:
        """By outcome; counted by the parts themselves, and added up over processes."""
        return Gauge(name, what, ["outcome"], registry=self.registry, multiprocess_mode="livesum")

    def _shared(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


def _behind(home: SearchingSide) -> tuple[float, float]:
    """Entries that wait to be learned, and seconds that the oldest does; not numbers while the cluster is away."""
    try:
        state = learned(home.log, home.memory, home.models, home.clock())
    except Unavailable:
        return math.nan, math.nan
    return state.waiting, state.oldest_s


_RETRY_S = 1.0
_JOIN_S = 2.0


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
        reported = ""
        while not self._stop.is_set() and self._sampler is None:
            try:
                self._open()
            except BandstandError as error:
                if str(error) != reported:
                    structlog.get_logger("dashboard").error("recorder_failed", reason=str(error))
                reported = str(error)
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
