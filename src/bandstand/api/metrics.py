"""Prometheus metrics, named by its conventions: of this process, or of all API processes of a server together."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from bandstand.engine.request import SearchResult
from bandstand.errors import Unavailable
from bandstand.feedback.rewards import LEARNED_ACTIONS
from bandstand.home import Home

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: set before this process began, processes add up what they count in that folder."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2)


class Metrics:
    """Counts what this process does; `page` is the text that Prometheus scrapes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._search_seconds = Histogram(
            "bandstand_search_seconds", "Time of a search", ["policy"], buckets=_SECONDS, registry=registry
        )
        self._empty = Counter("bandstand_empty_pages_total", "Searches without a hit", ["policy"], registry=registry)
        self._arm_seconds = Histogram(
            "bandstand_arm_seconds", "Time of a retriever that played", ["arm"], buckets=_SECONDS, registry=registry
        )
        self._arms = Counter(
            "bandstand_arm_outcomes_total", "How retrievers ended", ["arm", "status"], registry=registry
        )
        self._arm_depths = Counter(
            "bandstand_arm_depths_total", "Depths that were decided", ["arm", "depth"], registry=registry
        )
        self._events = Counter("bandstand_events_total", "Events by what became of them", ["result"], registry=registry)
        self._actions = Counter(
            "bandstand_actions_total", "What people did, repeated events included", ["action"], registry=registry
        )
        self._http = Counter(
            "bandstand_http_requests_total", "Requests", ["method", "route", "status"], registry=registry
        )
        self._lag = self._gauge("bandstand_learner_lag_entries", "Log entries not learned from yet")
        self._waiting = self._gauge(
            "bandstand_spool_waiting_entries", "Log entries on this machine that the cluster does not have yet"
        )
        self._entities = self._gauge("bandstand_entities", "Live entities")
        start = "When counting began, in seconds since 1970"
        Gauge("bandstand_start_time_seconds", start, registry=registry, multiprocess_mode="min").set(time.time())
        self._queries = self._gauge("bandstand_memory_queries", "Queries that the memory holds")
        self._early = self._summed("bandstand_speculations", "Retriever runs begun before their decision, by outcome")
        self._recorded = self._summed("bandstand_ablations", "Pages made with and without each expensive retriever")

    def searched(self, result: SearchResult) -> None:
        """A search was answered."""
        decision = result.impression.decision
        self._search_seconds.labels(decision.policy).observe(result.took_ms / 1e3)
        if not result.hits:
            self._empty.labels(decision.policy).inc()
        for arm in decision.arms:
            self._arm_depths.labels(arm.arm, str(arm.depth)).inc()
        for outcome in result.impression.outcomes:
            self._arms.labels(outcome.arm, outcome.status).inc()
            if outcome.status != "skipped":
                self._arm_seconds.labels(outcome.arm).observe(outcome.took_ms / 1e3)

    def received(self, *, accepted: int, duplicates: int, rejected: int) -> None:
        """Events came in."""
        for result, count in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            self._events.labels(result).inc(count)

    def acted(self, actions: Iterable[str]) -> None:
        """People did things; names that are not UBI's usual ones are counted together, as anybody can invent some."""
        for action in actions:
            self._actions.labels(action if action in LEARNED_ACTIONS else "other").inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """A request was answered; ``route`` is the template, so that ids do not become labels."""
        self._http.labels(method, route, str(status)).inc()

    def page(self, home: Home | None) -> bytes:
        """The current values, in Prometheus' text format."""
        if home is not None:
            self._lag.set(_lag(home))
            self._waiting.set(home.log.waiting())
            self._entities.set(int(home.catalog.columns.live.sum()))
            self._queries.set(home.memory.stats().queries)
            counts = home.speculation.counts
            for outcome in ("taken", "cancelled", "refused"):
                self._early.labels(outcome).set(getattr(counts, outcome))
            self._recorded.labels("made").set(home.ablator.made)
            self._recorded.labels("dropped").set(home.ablator.dropped)
        return generate_latest(self._shared() if SHARED_FOLDER in os.environ else self.registry)

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


def _lag(home: Home) -> float:
    """Entries between the log's end and the learner; not a number while the cluster that knows is away."""
    try:
        return max(home.log.head() - home.memory.position(), 0)
    except Unavailable:
        return math.nan
