"""What completions cost, and whether they hold what was meant, with a full memory and a user with a past."""

from __future__ import annotations

import time

import numpy as np

from bandstand.app.learning import LearningSide
from bandstand.app.searching import SearchingSide
from bandstand.catalog.text import normalize
from bandstand.learner.selfplay import misspell

K = 8
LENGTHS = ((1, 3), (4, 6), (7, 12))
_QUERIES, _CHOICES = 20_000, 200
_USER = "bench"

Took = tuple[float, float]
"""Milliseconds of CPU and of wall time."""


def suggestions(home: SearchingSide, learning_side: LearningSide, count: int, seed: int) -> list[str]:
    """Milliseconds by what was typed, and how often what was meant is among eight completions."""
    rng, columns = np.random.default_rng(seed), home.catalog.columns
    tracks = np.flatnonzero(columns.live & (columns.kind == 0))
    _teach(home, learning_side, tracks, rng)
    chances = columns.popularity[tracks] / columns.popularity[tracks].sum()
    names = columns.names[rng.choice(tracks, size=count, p=chances)].tolist()
    rows = [
        f"{len(home.memory.popular())} popular queries, {_CHOICES} choices of the user, {columns.n} entities",
        "",
        "| letters typed | n | CPU p50, ms | CPU p99 | wall p50 | wall p99 | slowest | meant is offered |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    home.suggester.warm()
    everything: list[Took] = []
    for typo in (False, True):
        for low, high in LENGTHS[typo:]:
            typed = [(name[: int(rng.integers(low, high + 1))], name) for name in names if len(name) >= high]
            typed = [(misspell(text, 1, rng) if typo else text, name) for text, name in typed]
            took, offered = _timed(home, typed)
            everything += took
            rows.append(_row(f"{low} to {high}{', one typo' if typo else ''}", took, f"{offered:.2f}"))
    return [*rows, _row("all", everything, "")]


def _teach(
    home: SearchingSide,
    learning_side: LearningSide,
    tracks: np.ndarray[tuple[int], np.dtype[np.intp]],
    rng: np.random.Generator,
) -> None:
    """Popular queries: beginnings and word orders of names, each by two users; and a history."""
    names, now = home.catalog.columns.names, home.clock()
    with home.memory.batch() as batch:
        for ordinal in rng.choice(tracks, size=min(_QUERIES, len(tracks)), replace=False).tolist():
            words = str(names[ordinal]).split()
            text = " ".join(words[::-1]) if rng.random() < 0.5 else " ".join([*words, "live"])
            for user in ("one", "two"):
                batch.click(text, ordinal, user=user, now=now)
        for ordinal in rng.choice(tracks, size=_CHOICES, replace=False).tolist():
            batch.choose(_USER, ordinal, normalized=None, strength=1.0, now=now)
    learning_side.learner.catch_up()
    home.refresh()


def _timed(home: SearchingSide, typed: list[tuple[str, str]]) -> tuple[list[Took], float]:
    took, offered = [], 0
    for text, name in typed:
        used, started = time.thread_time(), time.perf_counter()
        found = home.suggester.suggest(text, K, user=_USER)
        took.append(((time.thread_time() - used) * 1e3, (time.perf_counter() - started) * 1e3))
        offered += any(normalize(item.text) in name for item in found)
    return took, offered / max(len(typed), 1)


def _row(name: str, took: list[Took], offered: str) -> str:
    (cpu50, wall50), (cpu99, wall99), (_, slowest) = np.percentile(took, (50, 99, 100), axis=0)
    times = " | ".join(f"{each:.2f}" for each in (cpu50, cpu99, wall50, wall99, slowest))
    return f"| {name} | {len(took)} | {times} | {offered} |"
