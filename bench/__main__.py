"""Runs every benchmark: `python -m bench [--searches N]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

from bandstand.home import Home
from bandstand.settings import Settings, load_settings
from bandstand.storage import Storage
from bench.catalogue import build, dataset, entities, ingest_figures
from bench.events import event_figures
from bench.figures import Figure, as_json, table
from bench.process import import_figure, memory_figure
from bench.searches import known_items, search_figures

OUT = Path(__file__).parent / "out"
AIMS = {50: 10.0, 99: 40.0}


def main() -> None:
    """Build or reuse the home, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--searches", type=int, default=1_050, help="how many searches a policy")
    parser.add_argument("--rebuild", action="store_true", help="index and train anew")
    arguments = parser.parse_args()
    name = "spotify_songs" if dataset() else "bundled"
    home = OUT / f"home-{name}"
    if arguments.rebuild:
        shutil.rmtree(home, ignore_errors=True)
    found = entities()
    figures = [import_figure()]
    with tempfile.TemporaryDirectory() as scratch:
        figures += ingest_figures(found, Path(scratch)) + event_figures(Path(scratch))
    settings = load_settings(home=home)
    figures += build(settings, found)
    figures += _searches(settings, arguments.searches)
    figures.append(memory_figure(home))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    where = f"{name}: {len(found)} entities; {machine}"
    print(f"{where}\n\n{table(figures)}")
    OUT.mkdir(exist_ok=True)
    (OUT / "figures.json").write_text(json.dumps({"on": where, "figures": as_json(figures)}, indent=2))


def _searches(settings: Settings, count: int) -> list[Figure]:
    storage = Storage(settings)
    home = Home(storage)
    try:
        queries = known_items(home, count)
        figures = search_figures(home, queries, "all", AIMS)
        for policy in ("bandit", "lexical"):
            figures += search_figures(home, queries, policy, {})
        return figures
    finally:
        home.close()
        storage.close()


if __name__ == "__main__":
    main()
