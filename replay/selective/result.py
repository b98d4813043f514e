"""The figures of selective retrieval: never, always, the policies, the curve, decisions, calibration, the target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.bandit.cost import EXPENSIVE, EXPENSIVE_MS, MODELLED_MS
from bandstand.replay.intervals import UserBootstrap, difference, interval
from bandstand.replay.selective.audit import Audits, Floats
from bandstand.replay.selective.choice import FREE, by_threshold, costs, fixed, inverse, reciprocal_ranks, truth
from bandstand.replay.selective.curve import find, sweep
from bandstand.replay.selective.decisions import accuracy, calibration, wasted
from bandstand.replay.selective.play import Run, Told
from bandstand.replay.selective.settings import SelectiveSettings

Json = dict[str, Any]

Player = Callable[[SelectiveSettings, Path, Told], Mapping[str, Run]]
"""Plays the policies: `closed_loop` or `stream`, of some data."""


def evaluate_selective(
    name: str, player: Player, settings: SelectiveSettings, *, folder: Path | None = None, told: Told = lambda *_: None
) -> Json:
    """Play, and return the figures; ``folder`` keeps homes and audits.

    Raises:
        BadInput: the data or the settings cannot be used.
        NotFound: the target cannot be reached.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="bandstand-selective-") as scratch:
            return summary(name, player(settings, Path(scratch), told), settings)
    return summary(name, player(settings, folder, told), settings)


def summary(name: str, runs: Mapping[str, Run], settings: SelectiveSettings) -> Json:
    """Everything that is shown; ``looked_into`` is by policy what the audits of its own searches say."""
    first = next(iter(runs.values()))
    return {
        "dataset": name,
        "seed": settings.seed,
        "n_searches": len(first.quality),
        "n_users": len(set(first.users)),
        "expensive": {"from_ms": EXPENSIVE_MS, "arms": {arm: MODELLED_MS[arm] for arm in EXPENSIVE}, "free": FREE},
        "settings": asdict(settings),
        "played": _played(runs, settings),
        "looked_into": {
            policy: _looked_into(run.audits, settings) for policy, run in runs.items() if run.audits is not None
        },
    }


def _played(runs: Mapping[str, Run], settings: SelectiveSettings) -> Json:
    """By policy, what came of living in its own world: quality and cost, and both beside always-on's."""
    always = runs.get("all")
    found: Json = {}
    for policy, run in runs.items():
        bootstrap = UserBootstrap(run.users, resamples=settings.bootstrap, seed=settings.seed)
        found[policy] = {
            "MRR@10": asdict(interval(run.quality, bootstrap)),
            "cost_ms": asdict(interval(run.cost_ms, bootstrap)),
        }
        if always is not None:
            found[policy]["less_always"] = asdict(difference(run.quality, always.quality, bootstrap))
            found[policy]["cost_share"] = float(run.cost_ms.mean() / always.cost_ms.mean())
    return found


def _looked_into(audits: Audits, settings: SelectiveSettings) -> Json:
    """In one policy's world: every choice on the same searches with the same memory and models."""
    bootstrap = UserBootstrap(audits.users.tolist(), resamples=settings.bootstrap, seed=settings.seed)
    always = reciprocal_ranks(audits, fixed(audits, play=True))
    rows: dict[str, tuple[Floats, Floats]] = {
        "never": (reciprocal_ranks(audits, fixed(audits, play=False)), costs(fixed(audits, play=False))),
        "always": (always, costs(fixed(audits, play=True))),
        "as decided": (inverse(audits.shown), audits.cost_ms),
        "oracle": (reciprocal_ranks(audits, truth(audits)), costs(truth(audits))),
    }
    ceiling = float(rows["always"][1].mean())
    found: Json = {
        "searches": len(audits),
        "choices": {
            row: {
                "MRR@10": asdict(interval(quality, bootstrap)),
                "less_always": asdict(difference(quality, always, bootstrap)),
                "cost_ms": float(spent.mean()),
                "cost_share": float(spent.mean()) / ceiling,
            }
            for row, (quality, spent) in rows.items()
        },
        "decisions": {"as decided": accuracy(audits, audits.played, bootstrap)},
        "wasted": wasted(audits, bootstrap),
    }
    if not np.isnan(audits.helps).any():
        found |= _estimated(audits, settings, bootstrap)
    return found


def _estimated(audits: Audits, settings: SelectiveSettings, bootstrap: UserBootstrap) -> Json:
    """What needs estimates: the curve, calibration, decisions at one half, and the target."""
    gains = _gains(audits)
    points = sweep(audits, gains)
    half = by_threshold(audits, dict.fromkeys(EXPENSIVE, 0.5))
    found: Json = {
        "curve": [asdict(point) for point in points],
        "calibration": calibration(audits),
        "decided_at_half": accuracy(audits, half, bootstrap),
    }
    if settings.target is not None:
        found["target"] = _target(audits, settings, gains)
    return found


def _target(audits: Audits, settings: SelectiveSettings, gains: Mapping[str, float]) -> Json:
    """Thresholds found on every second audited search, and what they do on the others."""
    assert settings.target is not None
    odd = np.arange(len(audits)) % 2 == 1
    search, rest = audits.rows(~odd), audits.rows(odd)
    always = float(reciprocal_ranks(search, fixed(search, play=True)).mean())
    point = find(sweep(search, gains), always, settings.target)
    plays = by_threshold(rest, point.thresholds)
    bootstrap = UserBootstrap(rest.users.tolist(), resamples=settings.bootstrap, seed=settings.seed)
    quality, full = reciprocal_ranks(rest, plays), reciprocal_ranks(rest, fixed(rest, play=True))
    return {
        "asked": asdict(settings.target),
        "thresholds": dict(point.thresholds),
        "found_on": asdict(point),
        "MRR@10": asdict(interval(quality, bootstrap)),
        "less_always": asdict(difference(quality, full, bootstrap)),
        "cost_share": float(costs(plays).mean() / costs(fixed(rest, play=True)).mean()),
    }


def _gains(audits: Audits) -> dict[str, float]:
    """By arm, the mean rise of the reciprocal rank where it helped; 0.5 where it never did."""
    helped, found = truth(audits), {}
    for at, arm in enumerate(EXPENSIVE):
        with_it = helped.copy()
        with_it[:, at:] = False
        before = reciprocal_ranks(audits, with_it)
        with_it[:, at] = helped[:, at]
        rise = (reciprocal_ranks(audits, with_it) - before)[helped[:, at]]
        found[arm] = float(rise.mean()) if len(rise) else 0.5
    return found
