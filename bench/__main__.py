"""Runs the benchmarks: `python -m bench [system] [speed] [ope] [simulate] [replay] [rewards]`."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bandstand.app.platform import Platform
from bandstand.settings import Settings, load_settings
from bench.catalogue import build, dataset, entities, ingest_figures
from bench.events import event_figures
from bench.figures import Figure, as_json, table
from bench.ope import ope_figures, verdict_table
from bench.process import import_figure, memory_figure
from bench.replays import replay_table, simulate_table
from bench.rewards import rewards_table
from bench.searches import known_items, search_figures
from bench.speed import opensearch_figures, queries_of, speed_figures

OUT = Path(__file__).parent / "out"
RESULTS = Path(__file__).parents[1] / "docs" / "results"
AIMS = {50: 10.0, 99: 40.0}
PARTS = ("system", "speed", "ope", "simulate", "replay", "rewards")


def main() -> None:
    """Measure what was asked for and print a table of each."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without any, all")
    parser.add_argument("--full", action="store_true", help="the runs behind docs/results: hours, not minutes")
    parser.add_argument("--searches", type=int, default=1_050, help="how many searches a policy (system, speed)")
    parser.add_argument("--home", type=Path, help="an indexed home, which is copied; else that of system (speed)")
    parser.add_argument("--rebuild", action="store_true", help="index and train anew (system)")
    parser.add_argument("--write", action="store_true", help="keep each part as a dated page of docs/results as well")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: use {', '.join(PARTS)}")
    for part in given.parts or PARTS:
        print(f"\n## {part}\n", flush=True)
        with _kept(part) if given.write else nullcontext():
            if part == "system":
                _system(given.searches, rebuild=given.rebuild)
            elif part == "speed":
                _speed(given.home, given.searches)
            else:
                _evaluation(part, full=given.full)


@contextmanager
def _kept(part: str) -> Iterator[None]:
    """Print what is measured at its end, and write it to ``docs/results`` under today's date."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        yield
    print(printed.getvalue())
    today = datetime.now(UTC).date()
    page = RESULTS / f"{today}-{part}.md"
    head = (
        f"# {part.capitalize()}, {today}\n\n`python -m bench {' '.join(sys.argv[1:])}`, version {version('bandstand')}."
    )
    page.write_text(f"{head}\n\n{printed.getvalue().strip()}\n")
    print(f"written to {page.relative_to(RESULTS.parents[1])}", file=sys.stderr)


def _evaluation(part: str, *, full: bool) -> None:
    """One of the parts that need real data."""
    folder = os.environ.get("BANDSTAND_DATA")
    if not folder or not Path(folder).is_dir():
        print(f"{part} was not measured: set BANDSTAND_DATA to the folder of the data sets", file=sys.stderr)
        return
    data = Path(folder)
    if part == "ope":
        print(f"{verdict_table(data)}\n\n{table(ope_figures(data, full=full))}")
    else:
        tables = {"simulate": simulate_table, "replay": replay_table, "rewards": rewards_table}
        print(tables[part](data, full=full))


def _system(searches: int, *, rebuild: bool) -> None:
    """Build or reuse the home, measure, print the table, write the JSON."""
    name = _catalogue()
    home = OUT / f"home-{name}"
    if rebuild:
        shutil.rmtree(home, ignore_errors=True)
    found = entities()
    figures = [import_figure()]
    with tempfile.TemporaryDirectory() as scratch:
        figures += ingest_figures(found, Path(scratch)) + event_figures(Path(scratch))
    settings = load_settings(home=home)
    figures += build(settings, found)
    figures += _searches(settings, searches)
    figures.append(memory_figure(home))
    _told(f"{name}: {len(found)} entities", figures, "figures.json")


def _speed(home: Path | None, searches: int) -> None:
    """Measure a server over the home, and OpenSearch over the same songs where there is one."""
    found, where = entities(), home or OUT / f"home-{_catalogue()}"
    build(load_settings(home=where), found)
    figures = speed_figures(where, searches)
    if url := os.environ.get("OPENSEARCH_URL"):
        figures += opensearch_figures(url, found, queries_of(where, searches))
    _told(f"{where.name}: {len(found)} entities", figures, "speed.json")


def _catalogue() -> str:
    return "spotify_songs" if dataset() else "bundled"


def _told(what: str, figures: list[Figure], file: str) -> None:
    """Print a table, and write the same as JSON."""
    where = f"{what}; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{where}\n\n{table(figures)}")
    OUT.mkdir(exist_ok=True)
    (OUT / file).write_text(json.dumps({"on": where, "figures": as_json(figures)}, indent=2))


def _searches(settings: Settings, count: int) -> list[Figure]:
    with Platform(settings) as opened:
        home = opened.searching
        queries = known_items(home, count)
        figures = search_figures(home, queries, "all", AIMS)
        for policy in ("bandit", "lexical"):
            figures += search_figures(home, queries, policy, {})
        return figures


if __name__ == "__main__":
    main()
