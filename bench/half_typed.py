"""Titles of which 60 % is typed so far, under each policy: `python -m bench.half_typed HOME [--titles N]`.

As a preview (what the search page asks with every key) and as if what is typed so far were the whole query.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.engine.request import SearchRequest
from bandstand.settings import load_settings
from bench.searches import in_first_ten

TYPED, SHORTEST, SEED = 0.6, 3, 5
POLICIES = ("bandit", "selective", "all")

Half = tuple[str, int]
"""What is typed so far, and the ordinal that is meant."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="bench.half_typed", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--titles", type=int, default=1_000)
    given = parser.parse_args()
    with Platform(load_settings(home=given.home, ablation_share=0.0)) as platform:
        home = platform.searching
        home.freeze()
        halves = half_titles(home, given.titles)
        print("| policy | asked as | n | hit@10 | p50, ms | p95, ms |")
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        for policy in POLICIES:
            for preview in (False, True):
                print(_row(home, halves, policy, preview=preview), flush=True)


def half_titles(home: SearchingSide, count: int) -> list[Half]:
    """The beginnings of titles of tracks drawn at random; titles of which that is the whole are left out."""
    columns, rng = home.catalog.columns, np.random.default_rng(SEED)
    tracks = rng.permutation(np.flatnonzero(columns.live & (columns.kind == 0)))
    lengths = {int(track): max(SHORTEST, int(TYPED * len(columns.titles[track]))) for track in tracks}
    found = [(columns.titles[track][:n], track) for track, n in lengths.items() if n < len(columns.titles[track])]
    return found[:count]


def _row(home: SearchingSide, halves: Sequence[Half], policy: str, *, preview: bool) -> str:
    hits, took = [], []
    for text, meant in halves:
        started = perf_counter()
        result = home.search(SearchRequest(query=text, policy=policy, preview=preview))
        took.append((perf_counter() - started) * 1e3)
        hits.append(in_first_ten(home, result.impression.ordinals, meant))
    p50, p95 = np.percentile(took, [50, 95])
    asked = "preview" if preview else "search"
    return f"| {policy} | {asked} | {len(hits)} | {np.mean(hits):.3f} | {p50:.1f} | {p95:.1f} |"


if __name__ == "__main__":
    main()
