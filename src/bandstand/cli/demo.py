"""`bandstand demo`: the bundled catalogue, and a short tour of what the platform learns from clicks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from bandstand.cli.common import (
    HomeOption,
    JsonOption,
    ProgressBars,
    out,
    print_json,
    progress_shown,
)
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.cli.tour import Measured, Tour

UNSEEN = 100


class Tried(NamedTuple):
    """One set of searches, measured with every retriever always on, and under the bandit before and after."""

    name: str
    always: Measured
    before: Measured
    after: Measured


def demo(home: HomeOption = None, json: JsonOption = False) -> None:
    """Index the bundled catalogue, and show searches before and after listeners have used them."""
    from bandstand.cli.tour import WANTS, Tour, tour_settings
    from bandstand.door import opening as door
    from bandstand.replay.environment import copy_home

    started = time.time()
    with progress_shown() as progress:
        with door.demo(load_settings(home=home), background=False, progress=progress) as music:
            count, settings = len(music), music.settings
        with tempfile.TemporaryDirectory(prefix="bandstand-tour-") as scratch:
            copy_home(settings.home, Path(scratch) / "home")
            tour = Tour(tour_settings(settings, Path(scratch) / "home"), now=started, seed=settings.seed)
            try:
                searches, tried = _play(tour, progress)
            finally:
                tour.close()
    if json:
        print_json({"entities": count, "searches": searches, "tried": {one.name: _json(one) for one in tried}})
        return
    out.print(f"\n{count} entities; {searches} searches by listeners; {time.time() - started:.0f} s in all\n")
    out.print(wants_table([want.query for want in WANTS], tried[0]))
    out.print(summary_table(tried))
    out.print(f"\nYour own: make serve, or bandstand search (the home {settings.home} is as it was before the tour)")


def _play(tour: Tour, progress: ProgressBars) -> tuple[int, tuple[Tried, Tried]]:
    """Measure, let listeners search and play, measure again."""
    from bandstand.cli.tour import WANTS

    sets = {"the searches above": WANTS, f"{UNSEEN} titles never searched, half misspelt": tour.titles(UNSEEN)}
    tour.measure(WANTS)  # the first searches of a process are slow ones
    before = [(tour.measure(wants, policy="all"), tour.measure(wants)) for wants in sets.values()]
    searches = tour.evening(WANTS, progress=progress)
    after = [tour.measure(wants) for wants in sets.values()]
    first, second = (Tried(name, *b, a) for name, b, a in zip(sets, before, after, strict=True))
    return searches, (first, second)


def wants_table(queries: Sequence[str], tried: Tried) -> Table:
    """By query where the wanted entity stood, how many retrievers played, and their milliseconds; fits 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\ntyped", no_wrap=True)
    for what in ("place", "arms", "ms"):
        for heading in (f"{what}\nbefore", "\nafter"):
            table.add_column(heading, justify="right", no_wrap=True)
    both = (tried.before, tried.after)
    for row, query in enumerate(queries):
        places = [f"{1 / m.reciprocal[row]:.0f}" if m.reciprocal[row] else "-" for m in both]
        arms = [str(m.arms[row]) for m in both]
        spent = [f"{m.retrieval_ms[row]:.1f}" for m in both]
        table.add_row(query, *places, *arms, *spent)
    return table


def summary_table(tried: Sequence[Tried]) -> Table:
    """Quality, retrievers and their milliseconds of each set of searches; fits 80 columns."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "\nMRR@10", "retrievers\na search", "retrieval,\nmedian ms"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for one in tried:
        table.add_row(f"\n{one.name}")
        for name, measured in (("every retriever, always", one.always), *_bandit(one)):
            table.add_row(f"  {name}", f"{measured.mrr:.3f}", f"{measured.played:.1f}", f"{measured.ms:.2f}")
    return table


def _bandit(tried: Tried) -> tuple[tuple[str, Measured], tuple[str, Measured]]:
    return ("the bandit, before any click", tried.before), ("the bandit, after that evening", tried.after)


def _json(tried: Tried) -> dict[str, dict[str, float]]:
    measured = {"always": tried.always, "before": tried.before, "after": tried.after}
    return {
        name: {"MRR@10": each.mrr, "retrievers": each.played, "median_retrieval_ms": each.ms}
        for name, each in measured.items()
    }
