"""The charts of what was learned: rewards, choices, calibration, exploration, out of the learner's outcome metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bandstand.dashboard.charts import Chart, Explained, Number, Span, ratio, stepped
from bandstand.dashboard.minutes import Counts, added
from bandstand.learner.outcome_metrics import BELIEF_BINS, QUERY_CLASSES

Lines = dict[str, list[Number]]

_ENOUGH = 20
"""Cases below which a share says nothing: it is grey."""

OUTCOMES = Explained(
    name="outcomes",
    title="How searches ended",
    unit="% of searches",
    how="Of the searches that settled (their window has ended, or a while after the first action): clicked, with"
    " anything chosen; satisfied, with a grade of 0.5 or more, a long play or a save; without a hit; abandoned, with"
    " hits and nothing done on them.",
)
REWARD = Explained(
    name="reward",
    title="Reward and regret",
    unit="a search, 0 to 1",
    how="Reward: the best grade that anything on the page earned, 0 where nothing did. Regret: for each retriever that"
    " the bandit decided about, what the best of the depths whose worth is known would have earned in page value, less"
    " what the chosen depth earned; a lower bound, as deeper depths than the chosen one stay unknown.",
)
EXPLORATION = Explained(
    name="exploration",
    title="Exploration",
    unit="% of the bandit's searches",
    how="Searches in which at least one retriever got another depth than its likeliest one, drawn on purpose with a"
    " known probability, so that other policies can be judged by this log.",
)
CHOSEN = Explained(
    name="chosen",
    title="Probability to be chosen, by kind of query",
    unit="%",
    how="Mean of 1 - P(depth 0) over the bandit's decisions of this span. Kinds: remembered, the memory holds clicks"
    " on the query; named, a title or name is spelt like it; described, it names a genre, mood or year; long, three"
    " words or more; other. Grey: fewer than 20 searches of that kind.",
    kind="bars",
)
CALIBRATION = Explained(
    name="calibration",
    title="Is the memory as right as it believes?",
    unit="% chosen",
    how="Searches in which something was chosen, by the belief (posterior mean) of the memory's best hit on the page:"
    " how often that hit was chosen, against what was believed on average. Grey: fewer than 20 searches.",
    kind="bars",
)
POSITIONS = Explained(
    name="positions",
    title="Clicks by position",
    unit="% of times shown",
    how="How often the hit at a position was chosen, over how often it was on a page. It falls for two reasons, less"
    " relevance and less attention; the ranker's training takes the second out (see position bias).",
    kind="bars",
)

OutcomeMetrics = Iterable[tuple[float, Counts]]


def learning_charts(metrics: OutcomeMetrics, span: Span, now: float) -> list[Chart]:
    """Every chart of the outcome metrics over a span that ends ``now``."""
    steps = stepped(metrics, span, now)
    whole: Counts = {}
    for counts in steps:
        added(whole, counts)
    starts = span.starts(now)
    over_time: tuple[tuple[Explained, Lines], ...] = (
        (OUTCOMES, _outcomes(steps)),
        (REWARD, {"reward": _each(steps, "reward", "searches"), "regret": _each(steps, "regret", "weighed")}),
        (EXPLORATION, {"explored": _each(steps, "explored", "weighed", scale=100.0)}),
    )
    return [
        *(Chart(about=about, places=starts, lines=lines) for about, lines in over_time),
        _chosen(whole),
        _calibration(whole),
        _positions(whole),
    ]


def _each(steps: Sequence[Counts], name: str, of: str, *, scale: float = 1.0) -> list[Number]:
    return [ratio(counts.get(name, 0.0), counts.get(of, 0.0), scale=scale) for counts in steps]


def _outcomes(steps: Sequence[Counts]) -> Lines:
    names = {"clicked": "clicked", "satisfied": "satisfied", "without a hit": "empty", "abandoned": "abandoned"}
    return {name: _each(steps, count, "searches", scale=100.0) for name, count in names.items()}


def _chosen(whole: Counts) -> Chart:
    grey = {kind: _few(whole.get(f"class/{kind}", 0.0)) for kind in QUERY_CLASSES}
    weighed = sorted({key.split("/")[1] for key, count in whole.items() if key.startswith("asked/") and count})
    lines = {name: _by_class(whole, name) for name in weighed}
    return Chart(about=CHOSEN, places=QUERY_CLASSES, lines=lines, grey={k: why for k, why in grey.items() if why})


def _by_class(whole: Counts, arm: str) -> list[Number]:
    return [
        ratio(whole.get(f"chosen/{arm}/{kind}", 0.0), whole.get(f"asked/{arm}/{kind}", 0.0), scale=100.0)
        for kind in QUERY_CLASSES
    ]


def _calibration(whole: Counts) -> Chart:
    places = [f"{100 * at // BELIEF_BINS}–{100 * (at + 1) // BELIEF_BINS} %" for at in range(BELIEF_BINS)]

    def line(name: str) -> list[Number]:
        return [
            ratio(whole.get(f"belief/{at}/{name}", 0.0), whole.get(f"belief/{at}/n", 0.0), scale=100.0)
            for at in range(BELIEF_BINS)
        ]

    grey = {place: _few(whole.get(f"belief/{at}/n", 0.0)) for at, place in enumerate(places)}
    return Chart(
        about=CALIBRATION,
        places=places,
        lines={"chosen": line("chosen"), "believed": line("believed")},
        grey={place: why for place, why in grey.items() if why},
    )


def _positions(whole: Counts) -> Chart:
    places = [str(place) for place in range(1, 11)]
    shown = [whole.get(f"position/{place}/shown", 0.0) for place in places]
    chosen = [whole.get(f"position/{place}/clicked", 0.0) for place in places]
    bounds = [_wilson(clicks, of) for clicks, of in zip(chosen, shown, strict=True)]
    return Chart(
        about=POSITIONS,
        places=places,
        lines={"clicked": [ratio(clicks, of, scale=100.0) for clicks, of in zip(chosen, shown, strict=True)]},
        low={"clicked": [low for low, _ in bounds]},
        high={"clicked": [high for _, high in bounds]},
        grey={place: why for place, of in zip(places, shown, strict=True) if (why := _few(of))},
    )


def _wilson(successes: float, n: float, z: float = 1.96) -> tuple[Number, Number]:
    """The interval of a share in percent (Wilson 1927); nothing where nothing was tried."""
    if not n:
        return None, None
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2.0) / (1.0 + spread)
    half = math.sqrt(share * (1.0 - share) * spread + spread * spread / 4.0) / (1.0 + spread)
    return 100.0 * max(centre - half, 0.0), 100.0 * min(centre + half, 1.0)


def _few(cases: float) -> str:
    return "" if cases >= _ENOUGH else f"not enough data: {cases:.0f} of {_ENOUGH}"
