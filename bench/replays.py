"""Time-ordered replay and closed loop, short by default: a table of each, as `bandstand replay` and `simulate` give it.

The short versions run on hashed n-grams instead of the encoder, on a slice: they show that everything runs and how
fast. The figures of `docs/evaluation.md` come from the full ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bandstand.replay.datasets.lastfm import LastfmAdapter
from bandstand.replay.evaluate import evaluate
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.simulate.experiments import SimulateSettings, experiment_named
from bandstand.replay.simulate.learning_curves import simulated

QUICK = (("encoder", "hashing"), ("selfplay_queries", 200))
MEASURES = ("MRR@10", "nDCG@10", "R@100", "Success@10")


def replay_table(data: Path, *, full: bool) -> str:
    """Last.fm by month: 2010-01 to 2010-07 with 800 searches a month, or three months of 2006 with 50."""
    adapter, settings = LastfmAdapter(), ReplaySettings(policies=("bandit", "all", "lexical", "memory"))
    if not full:
        adapter = LastfmAdapter(known="2006-04", train="2006-04", start="2006-07", end="2006-09", groups=50)
        settings = ReplaySettings(policies=("bandit", "lexical"), baselines=(), bootstrap=500, platform=QUICK)
    return _table("replay of lastfm", lambda: evaluate(adapter.open(data / "lastfm"), settings))


def simulate_table(data: Path, *, full: bool) -> str:
    """The default closed loop: 40,000 searches, or 2,000."""
    if full:
        settings = SimulateSettings(policies=("bandit", "all", "hybrid"))
    else:
        settings = SimulateSettings(policies=("bandit", "hybrid"), limit=2_000, bootstrap=500, platform=QUICK)
    return _table("closed loop", lambda: simulated(data, experiment_named("default"), settings, jobs=2))


def _table(name: str, run: Any) -> str:  # noqa: ANN401
    started = time.perf_counter()
    result: Mapping[str, Any] = run()
    seconds = time.perf_counter() - started
    rate = result["n_searches"] * len(result["seconds"]) / sum(result["seconds"].values())
    lines = [
        f"{name}: {result['n_searches']:,} searches a policy in {seconds:.0f} s, {rate:.0f} searches/s a process",
        "",
        f"| policy | {' | '.join(MEASURES)} | cost, ms |",
        f"| --- |{' ---: |' * (len(MEASURES) + 1)}",
    ]
    for policy, each in result["policies"].items():
        cells = [f"{each['metrics'][measure]['value']:.3f}" for measure in MEASURES]
        lines.append(f"| {policy} | {' | '.join(cells)} | {each['cost_ms']:.2f} |")
    return "\n".join(lines)
