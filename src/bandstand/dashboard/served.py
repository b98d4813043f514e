"""What each version of a model did lately, and what another one would have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from bandstand.dashboard.minutes import Counts, added
from bandstand.dashboard.shadow import shadow
from bandstand.feedback.joined import joined
from bandstand.home import Home
from bandstand.learner.ledger import read_ledger
from bandstand.ranker.model import LambdaMartScorer

_MODELS = ("ranker", "bandit")
_NEWEST = 4_000
"""Log entries at its end that a shadow comparison reads: a second or two of work."""


def served_versions(
    scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]], *, since: float
) -> dict[str, list[dict[str, Any]]]:
    """By model, each version with the number of its settled searches since a time and means over them, newest first."""
    whole: Counts = {}
    for _, counts in read_ledger(scan, since=since):
        added(whole, counts)
    return {name: [_served(whole, name, version) for version in _versions(whole, name)] for name in _MODELS}


def shadow_of(home: Home, version: str) -> dict[str, Any]:
    """The comparison of a ranker's version with the one that serves, on the log's newest searches.

    Raises:
        NotFound: there is no such version.
        ModelError: it cannot be used.
    """
    other = LambdaMartScorer(home.models.get("ranker", version))
    window = home.settings.join_minutes * 60
    return asdict(shadow(joined(home.log, window, newest=_NEWEST), home.brains().scorer, other))


def _versions(whole: Counts, name: str) -> list[str]:
    found = {key.split("/")[1] for key in whole if key.startswith(f"{name}/") and key.endswith("/searches")}
    return sorted(found, reverse=True)


def _served(whole: Counts, name: str, version: str) -> dict[str, Any]:
    searches = whole[f"{name}/{version}/searches"]

    def mean(of: str) -> float:
        return whole.get(f"{name}/{version}/{of}", 0.0) / searches

    return {
        "version": version,
        "searches": int(searches),
        "clicked_share": mean("clicked"),
        "satisfied_share": mean("satisfied"),
        "reward": mean("reward"),
        "mrr": mean("rr"),
        "cost_ms": mean("cost_ms"),
    }
