"""The sections of the dashboard, and where the charts of each get their numbers from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bandstand.dashboard.charts import Chart, Explained, Span
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
from bandstand.learner.outcome_metrics import read_outcomes

IMPORTANCE = Explained(
    name="importance",
    title="What the ranker goes by",
    unit="% of the gain",
    how="Share of each feature in what the splits of the serving ranker's trees gained in training (LightGBM's"
    " importance by gain), the fifteen largest. Empty where the built-in ranker serves.",
    kind="across",
)

_FEATURES = 15

EXPLAINED: Mapping[str, tuple[Explained, ...]] = {
    "live": LIVE,
    "learning": (OUTCOMES, REWARD, EXPLORATION, CHOSEN, CALIBRATION, ESTIMATES, POSITIONS),
    "models": (IMPORTANCE,),
}
"""Every chart by section, in the order of the page."""


NUMBERS: tuple[Explained, ...] = (
    Explained(
        name="queries",
        title="Queries",
        unit="searches, shares",
        how="Settled searches by their normalised text, named once as many users asked it as must agree"
        " (BANDSTAND_AGREE_USERS). Clicked: with anything chosen; satisfied: with a grade of 0.5 or more."
        " The 20,000 asked last are kept, by day for 60 days.",
    ),
    Explained(
        name="beliefs",
        title="What the memory believes",
        unit="0 to 1",
        how="Posterior mean of the pair (query, answer): prior strength times prior, plus clicks and twice"
        " the plays, over the prior strength plus those plus the times it was seen and not chosen. The"
        " prior is the predicted score, at least 0.05; counts halve every BANDSTAND_HALF_LIFE_DAYS. Only"
        " what several users agreed on, or was predicted.",
    ),
    Explained(
        name="experiment",
        title="Experiment",
        unit="difference of mean rewards",
        how="Visitors are dealt to A or B by a hash; each is one value, the mean reward of the first hour in"
        " the experiment. The interval is a confidence sequence (predictable plug-in empirical Bernstein,"
        " Waudby-Smith and Ramdas 2024) of the inverse-propensity-weighted difference: it holds at all"
        " times together with the stated probability, so that looking, and stopping when one likes what"
        " one sees, does no harm.",
    ),
    Explained(
        name="served",
        title="What versions did",
        unit="per settled search",
        how="Means over the settled searches whose pages a version made: clicked, satisfied, best grade"
        " (reward), reciprocal rank of the first chosen hit (0 without one), milliseconds of all"
        " retrievers together.",
    ),
    Explained(
        name="shadow",
        title="Shadow comparison",
        unit="mean reciprocal rank",
        how="The newest 4,000 entries of the log: each search with a choice is ranked again from its logged"
        " features, by the serving ranker and by the other one; difference of the reciprocal ranks of the"
        " best chosen hit, with 95 % of paired differences. What was shown favours the ranker that showed"
        " it: a small loss may be none.",
    ),
)
"""What stands on the page beside charts."""


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
    metrics = read_outcomes(sources.scan, since=span.starts(now)[0])
    found = learning_charts(metrics, span, now)
    found.insert(EXPLAINED[section].index(ESTIMATES), estimates_chart(read_estimates(sources.estimates)))
    return found


def _importance(shares: Mapping[str, float]) -> Chart:
    largest = sorted(shares.items(), key=lambda item: -item[1])[:_FEATURES]
    return Chart(
        about=IMPORTANCE,
        places=[name for name, _ in largest],
        lines={"gain": [100.0 * share for _, share in largest]},
    )
