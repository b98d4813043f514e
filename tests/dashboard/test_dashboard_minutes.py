"""Counters by the minute: rows that add up over processes and restarts, become hours, and go."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from bandstand.dashboard.charts import SPANS, span_of, stepped
from bandstand.dashboard.live import by, quantile, total
from bandstand.dashboard.minutes import Minutes, Sampler
from bandstand.errors import BadInput, StorageError
from bandstand.learner.outcome_metrics import KEPT_HOURS_S, KEPT_MINUTES_S
from bandstand.types.times import HOUR_S

NOW = 1_750_000_020.0


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def minutes(tmp_path):
    opened = Minutes(tmp_path / "minutes.sqlite")
    yield opened
    opened.close()


class TestMinutes:
    def test_processes_and_restarts_add_up(self, minutes, tmp_path):
        minutes.put(60, "one", {"a{}": 1.0})
        minutes.put(60, "one", {"a{}": 3.0})  # the same process, later in the minute
        minutes.put(60, "other", {"a{}": 2.0, "max:lag": 5.0})
        minutes.close()
        again = Minutes(tmp_path / "minutes.sqlite")
        assert list(again.read(0.0)) == [(60, 60, {"a{}": 3.0}), (60, 60, {"a{}": 2.0, "max:lag": 5.0})]
        again.close()

    def test_old_minutes_become_hours_and_old_hours_go(self, minutes):
        start = int(NOW) // HOUR_S * HOUR_S
        for process, lag in (("one", 4.0), ("other", 9.0)):
            minutes.put(start + 60, process, {"a{}": 1.0, "max:lag": lag})
        minutes.housekeep(start + KEPT_MINUTES_S)
        assert len(list(minutes.read(0.0))) == 2
        minutes.housekeep(start + KEPT_MINUTES_S + HOUR_S)
        assert list(minutes.read(0.0)) == [(start, HOUR_S, {"a{}": 2.0, "max:lag": 9.0})]
        minutes.put(start + 120, "late", {"a{}": 1.0})
        minutes.housekeep(start + KEPT_MINUTES_S + HOUR_S)
        assert list(minutes.read(0.0)) == [(start, HOUR_S, {"a{}": 3.0, "max:lag": 9.0})]
        minutes.housekeep(start + KEPT_HOURS_S + 2 * HOUR_S)
        assert not list(minutes.read(0.0))

    def test_a_foreign_file_is_refused(self, tmp_path):
        (tmp_path / "foreign").write_bytes(b"nothing of ours" * 100)
        with pytest.raises(StorageError):
            Minutes(tmp_path / "foreign")


class TestSampler:
    def sampler(self, minutes, registry, clock, **levels):
        return Sampler(minutes, registry, level=lambda: levels, clock=clock)

    def test_a_minute_holds_its_own_growth(self, minutes):
        registry, clock = CollectorRegistry(), Clock()
        actions = Counter("bandstand_actions_total", "x", ["action"], registry=registry)
        actions.labels("click").inc(7)  # before anybody sampled
        sampler = self.sampler(minutes, registry, clock, lag=3.0)
        actions.labels("click").inc(2)
        sampler.sample()
        actions.labels("click").inc()
        clock.now += 60.0
        sampler.sample()
        actions.labels("click").inc(5)
        sampler.sample()
        rows = [
            (start - int(NOW) // 60 * 60, total(counts, "bandstand_actions_total"))
            for start, _, counts in minutes.read(0)
        ]
        assert rows == [(0, 3.0), (60, 5.0)]

    def test_what_is_not_for_the_charts_is_not_kept(self, minutes):
        registry, clock = CollectorRegistry(), Clock()
        Counter("bandstand_other_total", "x", registry=registry).inc()
        self.sampler(minutes, registry, clock).sample()
        assert not list(minutes.read(0))

    def test_it_samples_a_last_time_when_it_is_stopped(self, minutes):
        registry, clock = CollectorRegistry(), Clock()
        sampler = self.sampler(minutes, registry, clock)
        Counter("bandstand_actions_total", "x", ["action"], registry=registry).labels("click").inc()
        stop = threading.Event()
        stop.set()
        sampler.run(stop)
        assert len(list(minutes.read(0))) == 1


class TestCounted:
    def test_quantiles_as_prometheus_computes_them(self):
        registry = CollectorRegistry()
        seconds = Histogram("t", "x", ["policy"], buckets=(0.1, 0.2), registry=registry)
        for value in (0.05, 0.05, 0.15, 0.15):
            seconds.labels("a").observe(value)
        seconds.labels("b").observe(9.0)
        counts = {
            "{}{{{}}}".format(s.name, ",".join(f'{k}="{v}"' for k, v in s.labels.items())): s.value
            for family in registry.collect()
            for s in family.samples
        }
        # Half of four is the second, at the top of [0, 0.1]; the third is in the middle of (0.1, 0.2]; beyond the last
        # bound nothing better is known than that bound.
        assert quantile(counts, "t", 0.5, policy="a") == pytest.approx(0.1)
        assert quantile(counts, "t", 0.75, policy="a") == pytest.approx(0.15)
        assert quantile(counts, "t", 0.5, policy="b") == pytest.approx(0.2)
        assert quantile(counts, "t", 0.5, policy="c") is None
        assert by(counts, "t_count", "policy") == {"a": 4.0, "b": 1.0}


class TestSpans:
    def test_the_last_step_holds_now(self):
        for span in SPANS.values():
            starts = span.starts(NOW)
            assert starts[-1] <= NOW < starts[-1] + span.step
            assert len(starts) == span.length // span.step

    def test_rows_fall_into_their_steps(self):
        span = span_of("hour")
        starts = span.starts(NOW)
        rows = [
            (starts[0] - 1, {"a": 9.0}),
            (starts[0], {"a": 1.0}),
            (starts[-1] + 30, {"a": 2.0}),
            (starts[-1], {"a": 1.0}),
        ]
        steps = stepped(rows, span, NOW)
        assert (steps[0], steps[1], steps[-1]) == ({"a": 1.0}, {}, {"a": 3.0})

    def test_an_unknown_span_is_refused(self):
        with pytest.raises(BadInput):
            span_of("century")
