"""What people really type and say, before any click: every way of retrieving beside fusion of all and the oracle.

``python -m bench.relevance FOLDER [SET ...]`` with ``BANDSTAND_DATA`` set: each set has a catalogue of its own, indexed
and trained in the folder once. Nothing is logged. Milliseconds are measured here, one client, whole searches.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import bandstand as bs
from bandstand.app.searching import SearchingSide
from bandstand.catalog.bundled import load_bundled
from bandstand.engine.request import SearchRequest
from bandstand.replay.contestants import baseline, contestant
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import ClusterBootstrap
from bandstand.types import Filters, Ordinals
from bench.catalogue import entities
from bench.judged.base import JudgedSearch, JudgedSet
from bench.judged.cases import cases
from bench.judged.commands import commands
from bench.judged.conversations import conversations
from bench.judged.facts import facts
from bench.judged.playlists import playlist_names
from bench.judged.titles import titles

POLICIES = ("hybrid", "all", "selective", "bandit")
RETRIEVERS = BUILT_IN.having(lambda spec: spec.answers_query)
FUSION, ORACLE = f"rrf:{'+'.join(RETRIEVERS)}", "oracle"
BY_HAND = ("rrf:lexical+structured", "rrf:lexical+dense")
"""Fusions that one would fix by hand, without a ranker."""

RESAMPLES, SEED = 2_000, 1

Values = Mapping[str, NDArray[np.float64]]
"""By ranking the headline measure of each search, (n,)."""

SETS: Mapping[str, Callable[[Path], JudgedSet]] = {
    "commands": lambda data: commands(data, entities()),
    "typed": lambda data: conversations(data)[0],
    "wishes": lambda data: conversations(data)[1],
    "playlists": lambda _: playlist_names(entities()),
    "titles": lambda _: titles(playlist_names(entities()).entities),
    "facts": lambda _: facts(playlist_names(entities()).entities),
    "cases": lambda data: _beside_bundled(cases(data.parent / "cases" / "shown.ndjson")),
}


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(prog="bench.relevance", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the homes are kept")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; without any, all")
    given = parser.parse_args()
    if unknown := set(given.sets) - set(SETS):
        parser.error(f"unknown set {', '.join(sorted(unknown))}: use {', '.join(SETS)}")
    if not (folder := os.environ.get("BANDSTAND_DATA")):
        parser.error("set BANDSTAND_DATA to the folder of the data sets")
    for name in given.sets or SETS:
        judged = SETS[name](Path(folder))
        with bs.open(given.folder / HOMES.get(name, name), background=False, deadline_ms=20_000.0) as music:
            if not len(music):
                music.ingest(judged.entities)
                music.index()
            print(f"\n## {name}: {judged.headline}, {len(judged.searches)} searches\n", flush=True)
            print(_table(judged, *measured(music.platform.searching, judged)), flush=True)


HOMES = {"wishes": "typed", "titles": "playlists", "facts": "playlists"}
"""Sets that share the catalogue of another one."""


def measured(side: SearchingSide, judged: JudgedSet) -> tuple[Mapping[str, Values], Mapping[str, float]]:
    """By measure and ranking the value of each search, NaN where it has none; the median milliseconds by policy."""
    rows: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    took: dict[str, list[float]] = defaultdict(list)
    for number, search in enumerate(judged.searches):
        for policy in np.random.default_rng([SEED, number]).permutation(POLICIES).tolist():
            answer = side.engine.answer(_query(side, search), contestant(policy).policy(side.engine.policy))
            took[policy].append(answer.impression.took_ms)
            rows[policy].append(_judged(side, search, answer.impression.ordinals))
            if policy == "all":
                for name in (*(f"only:{retriever}" for retriever in RETRIEVERS), *BY_HAND, FUSION):
                    rows[name].append(_judged(side, search, baseline(name).rank(answer, search.k)))
    measures = dict.fromkeys((judged.headline, *(name for row in rows[FUSION] for name in row)))
    values = {measure: _columns(rows, measure) for measure in measures}
    return values, {name: float(np.median(each)) for name, each in took.items()}


def _columns(rows: Mapping[str, Sequence[Mapping[str, float]]], measure: str) -> Values:
    columns = {name: np.array([row.get(measure, np.nan) for row in each]) for name, each in rows.items()}
    columns[ORACLE] = np.max([columns[f"only:{retriever}"] for retriever in RETRIEVERS], axis=0)
    return columns


def _query(side: SearchingSide, search: JudgedSearch) -> bs.Query:
    request = SearchRequest(
        query=search.query, k=search.k, kinds=search.kinds, filters=Filters(values=search.filters)
    )  # fmt: skip
    return side.engine.query(request)


def _judged(side: SearchingSide, search: JudgedSearch, ordinals: Ordinals) -> Mapping[str, float]:
    return search.judge(side.catalog.entities(ordinals[: search.k]))


def _table(judged: JudgedSet, measures: Mapping[str, Values], took: Mapping[str, float]) -> str:
    """Each ranking with its interval, how far it is from the fusion of all, and what a search takes."""
    values = measures[judged.headline]
    bootstrap = ClusterBootstrap([search.query for search in judged.searches], resamples=RESAMPLES, seed=SEED)
    rows = ["| ranking | mean | 95 % | less RRF of all, 95 % | median ms |", "| --- | ---: | --- | --- | ---: |"]
    for name, each in values.items():
        own, gap = bootstrap.interval(each), bootstrap.interval(each - values[FUSION])
        beside = "" if name == FUSION else f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        shown = "RRF of all" if name == FUSION else name
        ms = f"{took[name]:.1f}" if name in took else ""
        rows.append(f"| {shown} | {own.value:.3f} | {own.low:.3f} to {own.high:.3f} | {beside} | {ms} |")
    further = (_further(name, each) for name, each in measures.items() if name != judged.headline)
    return "\n".join([*rows, "", *_by_part(judged, values), *further])


def _further(measure: str, values: Values) -> str:
    """A measure besides the headline, over the searches that have it."""
    has = ~np.isnan(values[FUSION])
    shown = ", ".join(
        f"{'RRF of all' if name == FUSION else name} {each[has].mean():.3f}" for name, each in values.items()
    )
    return f"{measure} ({has.sum()}): {shown}"


def _by_part(judged: JudgedSet, values: Values) -> Sequence[str]:
    """The default policy and the fusion of all in each class of queries; cases are counted as a whole."""
    parts = np.array([search.part for search in judged.searches])
    names = sorted(set(parts.tolist()) - {""})
    if judged.name == "cases":
        whole = {
            name: sum(bool(each[parts == case].all()) for case in names) for name, each in values.items()
        }  # fmt: skip
        return [f"Whole cases of {len(names)}: " + ", ".join(f"{name} {count}" for name, count in whole.items())]
    return [
        f"{name} ({(parts == name).sum()}): bandit {values['bandit'][parts == name].mean():.3f}, "
        f"RRF of all {values[FUSION][parts == name].mean():.3f}"
        for name in names
    ]


def _beside_bundled(judged: JudgedSet) -> JudgedSet:
    searches = judged.searches
    found = (*load_bundled(), *judged.entities)
    return JudgedSet(name=judged.name, headline=judged.headline, entities=found, searches=searches)


if __name__ == "__main__":
    main()
