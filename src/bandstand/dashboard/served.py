"""What each version of a model did lately, and what another one would have made of the same searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bandstand.app.searching import SearchingSide
from bandstand.dashboard.minutes import Counts, added
from bandstand.feedback.joined import Joined, joined
from bandstand.learner.outcome_metrics import read_outcomes
from bandstand.ranker.scorers import LambdaMartScorer, Scorer
from bandstand.types.answers import Answer
from bandstand.types.times import HOUR_S

_Z = 1.96


class ServedAnswer(Answer):
    """What one version did in the time asked about: searches that finalized, and means over them."""

    version: str
    searches: int
    clicked_share: float
    satisfied_share: float
    reward: float
    mrr: float
    cost_ms: float


class ModelsServedAnswer(Answer):
    """By model, every version that served in the last `hours`, newest first."""

    hours: int
    ranker: list[ServedAnswer]
    bandit: list[ServedAnswer]


class ShadowAnswer(Answer):
    """Another ranker on logged searches with a choice: mean reciprocal ranks of what was chosen by both versions.

    `difference` is the other's less the serving one's, `low` and `high` its 95 % bounds from paired differences;
    `moved` the share of searches whose first hit would be another one. All are null without searches.
    """

    version: str
    searches: int
    serving: float | None = None
    other: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    moved: float | None = None


def shadow(searches: Iterable[Joined], serving: Scorer, other: Scorer) -> ShadowAnswer:
    """Rank the logged heads again by both versions, and compare where the best chosen hit stands.

    The heads are those that were shown: a version that would have brought up something from below them is not paid for
    it, and people's choices lean to what stood first, which favours the version that served. So a small loss may be
    none; a gain is real.
    """
    rows = np.array(list(_compared(searches, serving, other)), np.float64).reshape(-1, 3)
    n = len(rows)
    if not n:
        return ShadowAnswer(version=other.version, searches=0)
    gain = rows[:, 1] - rows[:, 0]
    half = _Z * float(gain.std(ddof=1)) / n**0.5 if n > 1 else 1.0
    mean = float(gain.mean())
    return ShadowAnswer(
        version=other.version,
        searches=n,
        serving=float(rows[:, 0].mean()),
        other=float(rows[:, 1].mean()),
        difference=mean,
        low=mean - half,
        high=mean + half,
        moved=float(rows[:, 2].mean()),
    )


def _compared(searches: Iterable[Joined], serving: Scorer, other: Scorer) -> Iterator[tuple[float, float, float]]:
    for search in searches:
        impression, grades = search.impression, search.outcome().grades
        if not (grades > 0).any() or not serving.layout.shares(impression.rows.layout):
            continue
        best, rows = int(grades.argmax()), impression.rows
        scores = [scorer.score(rows.aligned(scorer.layout)) for scorer in (serving, other)]
        ranks = [_rank(each, best) for each in scores]
        first = [int(each.argmax()) for each in scores]
        yield 1.0 / ranks[0], 1.0 / ranks[1], float(first[0] != first[1])


def _rank(scores: NDArray[np.float32], row: int) -> int:
    """The place (from 1) of a row among scores; ties in the order of the log."""
    return int(1 + (scores > scores[row]).sum() + (scores[:row] == scores[row]).sum())


_MODELS = ("ranker", "bandit")
_NEWEST = 4_000
"""Log entries at its end that a shadow comparison reads: a second or two of work."""


def served_versions(
    scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]], *, hours: int, now: float
) -> ModelsServedAnswer:
    """By model, each version with its finalized searches of the last hours and means over them, newest first."""
    whole: Counts = {}
    for _, counts in read_outcomes(scan, since=now - HOUR_S * hours):
        added(whole, counts)
    ranker, bandit = ([_served(whole, name, version) for version in _versions(whole, name)] for name in _MODELS)
    return ModelsServedAnswer(hours=hours, ranker=ranker, bandit=bandit)


def shadow_of(home: SearchingSide, version: str) -> ShadowAnswer:
    """The comparison of a ranker's version with the one that serves, on the log's newest searches.

    Raises:
        NotFound: there is no such version.
        ModelError: it cannot be used.
    """
    other = LambdaMartScorer(home.models.get("ranker", version), home.features.layout)
    window = home.settings.join_minutes * 60
    after = max(home.log.head() - _NEWEST, 0)
    return shadow(joined(home.log, window, after=after), home.serving().scorer, other)


def _versions(whole: Counts, name: str) -> list[str]:
    found = {key.split("/")[1] for key in whole if key.startswith(f"{name}/") and key.endswith("/searches")}
    return sorted(found, reverse=True)


def _served(whole: Counts, name: str, version: str) -> ServedAnswer:
    searches = whole[f"{name}/{version}/searches"]

    def mean(of: str) -> float:
        return whole.get(f"{name}/{version}/{of}", 0.0) / searches

    return ServedAnswer(
        version=version,
        searches=int(searches),
        clicked_share=mean("clicked"),
        satisfied_share=mean("satisfied"),
        reward=mean("reward"),
        mrr=mean("rr"),
        cost_ms=mean("cost_ms"),
    )
