"""The sections of the dashboard, and where the charts of each get their numbers from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bandstand.dashboard.chart import Chart, Explained
from bandstand.dashboard.estimates import ESTIMATES, estimates_chart, read_estimates
from bandstand.dashboard.learning import (
    CALIBRATION,
    CHOSEN,
    EXPLORATION,
    OUTCOMES,
    POSITIONS,
    REWARD,
    learning_charts,
)
from bandstand.dashboard.live import LIVE, live_charts
from bandstand.dashboard.minutes import Minutes
from bandstand.dashboard.spans import Span
from bandstand.learner.ledger import read_ledger

IMPORTANCE = Explained(
    name="importance",
    title="What the ranker goes by",
    unit="% of the gain",
    how="Share of each feature in what the splits of the serving ranker's trees gained in training (LightGBM's"
    " importance by gain), the fifteen largest. Empty where the built-in ranker serves.",
    kind="bars",
)

_FEATURES = 15

EXPLAINED: Mapping[str, tuple[Explained, ...]] = {
    "live": LIVE,
    "learning": (OUTCOMES, REWARD, EXPLORATION, CHOSEN, CALIBRATION, ESTIMATES, POSITIONS),
    "models": (IMPORTANCE,),
}
"""Every chart by section, in the order of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where numbers come from: the counters' file, the learner's state by prefix, estimates, the serving ranker."""

    minutes: Callable[[], Minutes]
    scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]
    estimates: Path
    importances: Callable[[], Mapping[str, float]]


def charts_of(section: str, sources: Sources, span: Span, now: float) -> list[Chart]:
    """The charts of a section (a key of `EXPLAINED`) over a span that ends ``now``.

    Raises:
        StorageError, Unavailable: a source cannot be read.
    """
    if section == "live":
        return live_charts(sources.minutes(), span, now)
    if section == "models":
        return [_importance(sources.importances())]
    ledger = read_ledger(sources.scan, since=span.starts(now)[0])
    found = learning_charts(ledger, span, now)
    found.insert(EXPLAINED[section].index(ESTIMATES), estimates_chart(read_estimates(sources.estimates)))
    return found


def _importance(shares: Mapping[str, float]) -> Chart:
    largest = sorted(shares.items(), key=lambda item: -item[1])[:_FEATURES]
    return Chart(
        about=IMPORTANCE,
        places=[name for name, _ in largest],
        lines={"gain": [100.0 * share for _, share in largest]},
    )
