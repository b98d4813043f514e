"""What it costs to say what goes with an entity, and whether people put the same two into one list."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bandstand.app.searching import SearchingSide
from bandstand.catalog.conditions import Scope
from bandstand.types import KINDS, Entity
from bench.attributes import table

K = 10


def times(home: SearchingSide, count: int, seed: int) -> list[str]:
    """Milliseconds by kind of the entity, each asked once: no sentence was encoded before."""
    rng, columns = np.random.default_rng(seed), home.catalog.columns
    rows = [
        "| related to | n | CPU p50, ms | CPU p99 | wall p50 | wall p99 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    home.relater.related(str(columns.ids[0]), K)  # builds what is built once
    for kind in sorted(set(columns.kind[columns.live].tolist())):
        own = np.flatnonzero(columns.live & (columns.kind == kind))
        took = []
        for ordinal in rng.permutation(own)[:count].tolist():
            used, started = time.thread_time(), time.perf_counter()
            home.relater.related(str(columns.ids[ordinal]), K)
            took.append((time.thread_time() - used, time.perf_counter() - started))
        (cpu50, wall50), (cpu99, wall99) = np.percentile(took, (50, 99), axis=0) * 1e3
        rows.append(f"| {KINDS[kind]} | {len(took)} | {cpu50:.2f} | {cpu99:.2f} | {wall50:.2f} | {wall99:.2f} |")
    return rows


def listed(home: SearchingSide, playlists: list[Entity], count: int, seed: int) -> list[str]:
    """Of ten related tracks, the share that stands in a list with the track; the home must not know the lists."""
    rng, columns = np.random.default_rng(seed), home.catalog.columns
    lists: dict[str, set[str]] = {}
    for each in playlists:
        for member in each.members:
            lists.setdefault(member, set()).add(each.id)
    tracks = sorted(track for track, held in lists.items() if len(held) >= 2)
    ids = np.array(columns.ids[(columns.kind == 0) & columns.live])

    def fused(track: str) -> list[str]:
        return [found.entity.id for found in home.relater.related(track, K, within=Scope(kinds=("track",)))]

    def popular(_: str) -> list[str]:
        return list(columns.ids[np.argsort(-columns.popularity * (columns.kind == 0))[:K]])

    def by(source: str) -> Callable[[str], list[str]]:
        def one(track: str) -> list[str]:
            found = home.relater.related(track, 100, within=Scope(kinds=("track",)))
            best = sorted((each for each in found if source in each.sources), key=lambda each: -each.sources[source])
            return [each.entity.id for each in best[:K]]

        return one

    ways: dict[str, Callable[[str], list[str]]] = {
        "random": lambda _: rng.choice(ids, K).tolist(),
        "popular": popular,
        "dense of the best 100": by("dense"),
        "attributes of the best 100": by("attributes"),
        "all sources": fused,
    }
    values: dict[str, list[float]] = {}
    for track in rng.permutation(tracks)[:count].tolist():
        for name, way in ways.items():
            found = way(track)
            values.setdefault(name, []).append(
                float(np.mean([bool(lists[track] & lists.get(f, set())) for f in found] or [False]))
            )
    rows = [
        "| ten related tracks | n | share in a list with the track | against all sources |",
        "| --- | ---: | --- | --- |",
    ]
    return rows + table({name: np.array(found) for name, found in values.items()}, "all sources")
