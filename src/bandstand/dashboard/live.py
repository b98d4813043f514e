"""The charts of what the server does: searches, times, retrievers, answers, out of the minutes of all its processes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from bandstand.dashboard.charts import Chart, Explained, Number, Span, ratio, stepped
from bandstand.dashboard.minutes import MAX, Counts, Minutes
from bandstand.types import DEPTHS

_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')

Totals = Mapping[str, float]


def total(counts: Totals, name: str, **labels: str) -> float:
    """The sum of a counter over all labels that are not given."""
    return math.fsum(value for _, value in _matching(counts, name, labels))


def by(counts: Totals, name: str, label: str, **labels: str) -> dict[str, float]:
    """The sums of a counter by the values of one label."""
    sums: dict[str, float] = {}
    for found, value in _matching(counts, name, labels):
        sums[found[label]] = sums.get(found[label], 0.0) + value
    return sums


def quantile(counts: Totals, name: str, q: float, **labels: str) -> float | None:
    """The q-quantile of a histogram as Prometheus' `histogram_quantile`; None where nothing was counted.

    Linear inside the bucket that holds it, from 0 on; the lower bound of the last bucket where it lies beyond.
    """
    buckets = sorted((float(le), count) for le, count in by(counts, f"{name}_bucket", "le", **labels).items())
    rank = q * (buckets[-1][1] if buckets else 0.0)
    if not rank > 0.0:
        return None
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= rank:
            return low if math.isinf(high) else low + (high - low) * (rank - below) / (count - below)
        low, below = high, count
    return None


def _matching(counts: Totals, name: str, labels: Mapping[str, str]) -> Iterator[tuple[dict[str, str], float]]:
    for key, value in counts.items():
        if key.startswith(name + "{"):
            found = dict(_LABEL.findall(key))
            if all(found.get(label) == wanted for label, wanted in labels.items()):
                yield found, value


LAG = "learner_lag_entries"
"""The level that the sampler keeps of how far the learner is behind."""

_SEARCH, _ARM = "bandstand_search_seconds", "bandstand_arm_seconds"
_ENDED = "bandstand_arm_outcomes_total"

Lines = dict[str, list[Number]]
Steps = Sequence[Counts]


def _searches(steps: Steps, seconds: float) -> Lines:
    return {"searches": [total(counts, f"{_SEARCH}_count") / seconds for counts in steps]}


def _latency(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001 - like every chart's
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: [quantile(counts, _SEARCH, q) for counts in steps] for name, q in wanted.items()}
    return {name: [None if value is None else 1e3 * value for value in line] for name, line in found.items()}


def _played(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    return {name: [_share_played(counts, name) for counts in steps] for name in _retrievers(steps)}


def _retrievers(steps: Steps) -> list[str]:
    """Those that played or were skipped in some step, in the order in which they were counted."""
    return list(dict.fromkeys(name for counts in steps for name in by(counts, _ENDED, "arm")))


def _share_played(counts: Counts, arm: str) -> Number:
    ended = by(counts, _ENDED, "status", arm=arm)
    every = math.fsum(ended.values())
    return ratio(every - ended.get("skipped", 0.0), every, scale=100.0)


def _depths(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    mixes = [by(counts, "bandstand_arm_depths_total", "depth") for counts in steps]
    return {
        f"depth {depth}": [ratio(mix.get(str(depth), 0.0), math.fsum(mix.values()), scale=100.0) for mix in mixes]
        for depth in DEPTHS
    }


def _cost(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    whole: Counts = {}
    for counts in steps:
        for name, value in counts.items():
            whole[name] = whole.get(name, 0.0) + value
    mean = {
        name: ratio(total(whole, f"{_ARM}_sum", arm=name), total(whole, f"{_ARM}_count", arm=name))
        for name in _retrievers(steps)
    }
    spent: list[Number] = []
    saved: list[Number] = []
    for counts in steps:
        searches = total(counts, f"{_SEARCH}_count")
        skipped = by(counts, _ENDED, "arm", status="skipped")
        spared = math.fsum(count * (mean.get(arm) or 0.0) for arm, count in skipped.items())
        spent.append(ratio(total(counts, f"{_ARM}_sum"), searches, scale=1e3))
        saved.append(ratio(spared, searches, scale=1e3))
    return {"spent": spent, "saved by skipping": saved}


def _trouble(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    def ended(status: str) -> list[Number]:
        return [total(counts, _ENDED, status=status) for counts in steps]

    errors: list[Number] = [_errors(counts) for counts in steps]
    return {"errors answered": errors, "late retrievers": ended("late"), "failed retrievers": ended("failed")}


def _errors(counts: Counts) -> float:
    """Answers of 500 and more; /readyz says 503 while the server is loading, which is no error."""
    every = by(counts, "bandstand_http_requests_total", "status")
    loading = by(counts, "bandstand_http_requests_total", "status", route="/readyz")
    return math.fsum(count - loading.get(status, 0.0) for status, count in every.items() if status >= "500")


def _clicks(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    def per_search(counts: Counts, name: str, **labels: str) -> Number:
        return ratio(total(counts, name, **labels), total(counts, f"{_SEARCH}_count"), scale=100.0)

    return {
        "clicks": [per_search(counts, "bandstand_actions_total", action="click") for counts in steps],
        "plays": [per_search(counts, "bandstand_actions_total", action="play") for counts in steps],
        "pages without a hit": [per_search(counts, "bandstand_empty_pages_total") for counts in steps],
    }


def _lag(steps: Steps, seconds: float) -> Lines:  # noqa: ARG001
    return {"entries": [counts.get(f"{MAX}{LAG}") for counts in steps]}


_LIVE: tuple[tuple[Explained, Callable[[Steps, float], Lines]], ...] = (
    (
        Explained(
            name="searches",
            title="Searches",
            unit="a second",
            how="Growth of bandstand_search_seconds_count in each step, over its seconds, of all processes of this"
            " machine together. Previews while somebody types are not counted.",
        ),
        _searches,
    ),
    (
        Explained(
            name="latency",
            title="Time of a search",
            unit="ms",
            how="Quantiles of bandstand_search_seconds in each step: the bucket that holds the quantile, linear inside"
            " it, as Prometheus' histogram_quantile. Half of all searches are faster than p50, 95 % than p95.",
        ),
        _latency,
    ),
    (
        Explained(
            name="played",
            title="Retrievers that played",
            unit="% of searches",
            how="bandstand_arm_outcomes_total with any status but skipped, over all statuses, by retriever.",
        ),
        _played,
    ),
    (
        Explained(
            name="depths",
            title="Depths that were decided",
            unit="% of decisions",
            how="bandstand_arm_depths_total by depth, over all depths, of all retrievers together; 0 skips one.",
            kind="stacked",
        ),
        _depths,
    ),
    (
        Explained(
            name="cost",
            title="Retrieval spent and saved",
            unit="ms a search",
            how="Spent: bandstand_arm_seconds_sum over searches. Saved: skipped calls at the mean time that the"
            " retriever took where it played during this span; the sum is what would have been computed, not what"
            " somebody would have waited.",
        ),
        _cost,
    ),
    (
        Explained(
            name="trouble",
            title="Errors and dropped retrievers",
            unit="count",
            how="Answers with a status of 500 or more (without /readyz, which says 503 while loading), and retrievers"
            " that were dropped at the deadline (late) or failed; the search itself goes on without them.",
        ),
        _trouble,
    ),
    (
        Explained(
            name="actions",
            title="What people did",
            unit="per 100 searches",
            how="bandstand_actions_total by action over bandstand_search_seconds_count, in the step in which the"
            " action came; bandstand_empty_pages_total over the same.",
        ),
        _clicks,
    ),
    (
        Explained(
            name="lag",
            title="Log entries not learned from yet",
            unit="entries",
            how="The log's end less the learner's position, the largest that was seen in each step.",
        ),
        _lag,
    ),
)

LIVE = tuple(about for about, _ in _LIVE)


def live_charts(minutes: Minutes, span: Span, now: float) -> list[Chart]:
    """Every chart of the section over a span that ends ``now``."""
    starts = span.starts(now)
    rows = ((float(start), counts) for start, _, counts in minutes.read(starts[0]))
    steps = stepped(rows, span, now)
    return [Chart(about=about, places=starts, lines=draw(steps, float(span.step))) for about, draw in _LIVE]
