"""Completions, mixed kinds, related entities and playlists' names: `python -m bench.pages [--parts ...]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bandstand.settings import load_settings
from bandstand.types import Entity
from bench import mixing, playlists, related, suggestions
from bench.catalogue import build, dataset, entities
from bench.understood import copied, opened
from bench.visits import Visits

OUT = Path(__file__).parent / "out" / "pages"
SEED = 17
WHOLE = ("suggest", "known", "ambiguous", "calibration", "related")
HIDDEN = ("playlists", "clicks", "listed")
PARTS = (*WHOLE, *HIDDEN)


def whole(parts: list[str], count: int, found: list[Entity]) -> Iterator[list[str]]:
    """The parts that need the catalogue as it is."""
    folder = _built("whole", found)
    with opened(folder) as (home, _):
        if "known" in parts:
            yield mixing.known(home, count, "all")
        if "ambiguous" in parts:
            yield mixing.ambiguous(home, count, "all", SEED)
        if "calibration" in parts:
            yield mixing.calibration(home, count // 5, SEED)
        if "related" in parts:
            yield related.times(home, count // 4, SEED)
    if "suggest" in parts:
        with copied(folder) as (home, learning_side):
            yield suggestions.suggestions(home, learning_side, count, SEED)


def hidden(parts: list[str], count: int, found: list[Entity]) -> Iterator[list[str]]:
    """The parts in which playlists are the truth, and so not in the catalogue."""
    lists = [entity for entity in found if entity.kind == "playlist"]
    folder = _built("without_playlists", [entity for entity in found if entity.kind != "playlist"])
    with opened(folder) as (home, _):
        if "playlists" in parts:
            yield playlists.compared(home, playlists.named(home, lists))
        if "listed" in parts:
            yield related.listed(home, lists, count // 10, SEED)
    if "clicks" in parts:
        visits = Visits()
        with copied(folder, visits) as (home, learning_side):
            asked = playlists.named(home, lists)
            yield playlists.clicked(home, learning_side, asked, visits, np.random.default_rng(SEED))


def _built(name: str, found: list[Entity]) -> Path:
    folder = OUT / ("spotify_songs" if dataset() else "bundled") / name
    build(load_settings(home=folder), found)
    return folder


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="bench.pages", description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="queries, beginnings or entities of each part")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    found = entities()
    for makes, own in ((whole, WHOLE), (hidden, HIDDEN)):
        if set(given.parts) & set(own):
            for rows in makes(list(given.parts), given.count, found):
                print("", *rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
