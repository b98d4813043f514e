"""What a learned reward, relabelling and the query generator are worth: closed loops with each of them switched off.

The full runs are behind docs/rewards.md. Each seed and table takes some ten minutes and keeps what was played in
``bench/out/rewards``, so that a run that was cut off goes on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.experiments import SimulateSettings, experiment_named
from bandstand.replay.simulate.world import Music, spotify_songs
from bandstand.replay.table import Table
from bandstand.statistics import ClusterBootstrap
from bench.held_out import PREPARED, held_out, success_at
from bench.replays import QUICK

VARIANTS = ("bandit", "bandit@reward_model=clicks", "bandit@reward_model=constants", "bandit@relabel=false")
SEEDS = (1, 2)
SEARCHES = 2_400
"""Models are trained after each quarter; figures are of the second half."""

TRACKS = 14_000
"""Tracks of the file, from its beginning, that the held-out world is made of: half of their artists are searched."""

_OUT = Path(__file__).parent / "out" / "rewards"


def rewards_table(data: Path, *, full: bool) -> str:
    """Both tables of every seed; short: 400 searches of one seed on hashed n-grams."""
    music, lines = spotify_songs(data), []
    for seed in SEEDS if full else SEEDS[:1]:
        lines += [f"seed {seed}", "", ablation(music, seed, full=full), "", first_searches(music, seed, full=full), ""]
    return "\n".join(lines)


def ablation(music: Music, seed: int, *, full: bool) -> str:
    """Learned reward against constants and raw clicks, and relabelling off, in the experiment `rewards`."""
    searches = SEARCHES if full else 400
    settings = SimulateSettings(
        policies=VARIANTS,
        seed=seed,
        limit=searches,
        retrain_every=searches // 4,
        window=searches // 2,
        audit_every=searches + 1,
        platform=() if full else QUICK,
    )
    played = simulate(music, experiment_named("rewards"), settings, _OUT / f"{'full' if full else 'short'}-{seed}")
    tables = {name: table.rows(slice(searches // 2, None)) for name, table in played.tables.items()}
    lines = ["| variant | MRR@10 | satisfied | nickname | misspelt | relabels right |", "| --- |" + " ---: |" * 5]
    for name, table in tables.items():
        lines.append(f"| {name} | {' | '.join(_cells(table, tables['bandit']))} |")
    return "\n".join(lines)


def first_searches(music: Music, seed: int, *, full: bool) -> str:
    """The first searches of a catalogue that nobody has searched, by how it was prepared."""
    settings = SimulateSettings(
        policies=("bandit",), seed=seed, limit=1_000 if full else 100, audit_every=1_001, platform=() if full else QUICK
    )
    music = replace(music, tracks=music.tracks[:TRACKS])
    found = held_out(music, _OUT / f"held-out-{'full' if full else 'short'}-{seed}", settings)
    lines = ["| prepared by | success@1 | success@10 | generator less this, @1 | @10 |", "| --- |" + " ---: |" * 4]
    for name in PREPARED:
        own, best = found.tables[name], found.tables["generator"]
        values = [f"{success_at(own, k).mean():.3f}" for k in (1, 10)]
        gaps = [_gap(success_at(best, k), success_at(own, k)) for k in (1, 10)]
        lines.append(f"| {name} | {' | '.join(values + gaps)} |")
    return "\n".join(lines)


def _cells(table: Table, learned: Table) -> list[str]:
    """Each with what the learned reward is ahead."""
    every, relabelled = np.ones(len(table), np.bool_), table.column("relabelled")
    relabelled = relabelled[relabelled != 0]
    cells = [_ahead(table.reciprocal_ranks, learned.reciprocal_ranks, every)]
    groups = (every, table.classes == "nickname", table.classes == "misspelt")
    cells += [_ahead(table.column("satisfied"), learned.column("satisfied"), kept) for kept in groups]
    return [*cells, f"{(relabelled > 0).sum()} of {len(relabelled)}"]


def _ahead(own: ArrayLike, learned: ArrayLike, kept: NDArray[np.bool_]) -> str:
    mine, theirs = np.asarray(own, np.float64)[kept], np.asarray(learned, np.float64)[kept]
    return f"{mine.mean():.3f} ({_gap(theirs, mine)})"


def _gap(first: ArrayLike, second: ArrayLike) -> str:
    """First less second with a 95 % interval: paired by search, each search a session of its own."""
    ids = [str(at) for at in range(len(np.asarray(first)))]
    found = ClusterBootstrap(ids, resamples=1_000, seed=1).difference(first, second)
    if found.low is None or found.high is None:
        return "-"
    return f"{found.difference:+.3f}, {found.low:+.3f} to {found.high:+.3f}"
