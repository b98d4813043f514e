"""The figures of selective retrieval: never, always, the policies, the curve, decisions, calibration, the target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bandstand.bandit.cost import EXPENSIVE, EXPENSIVE_MS, FREE, MODELLED_MS
from bandstand.errors import BadInput
from bandstand.replay.datasets.registry import adapter_named
from bandstand.replay.run import PlayProgress
from bandstand.replay.selective.audit import (
    Audits,
    Floats,
    by_threshold,
    costs,
    fixed,
    inverse,
    reciprocal_ranks,
    truth,
)
from bandstand.replay.selective.curve import SelectiveSettings, accuracy, calibration, find, sweep, wasted
from bandstand.replay.selective.play import Run, closed_loop, stream
from bandstand.replay.simulate.experiments import experiment_named
from bandstand.replay.simulate.world import spotify_songs
from bandstand.replay.summary import code_version
from bandstand.statistics import ClusterBootstrap

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is played: its name, how, the hash of its data, and the function that plays it."""

    name: str
    protocol: str
    sha256: str
    play: Callable[[SelectiveSettings, Path, PlayProgress], Mapping[str, Run]]


def source_of(name: str, path: Path, options: Mapping[str, str] = MappingProxyType({})) -> Source:
    """The closed loop of ``spotify`` in the music of ``path``, or another data set of `replay` in time order.

    ``options`` are those of the data set's adapter; the closed loop has one, the name of the ``experiment``.

    Raises:
        BadInput: there is no such data set, or it cannot be read.
    """
    if name == "spotify":
        if unknown := set(options) - {"experiment"}:
            raise BadInput(f"the closed loop has no option {min(unknown)!r}: its one is experiment", field="option")
        music, experiment = spotify_songs(path), experiment_named(options.get("experiment", "default"))
        protocol = f"closed loop: {experiment.name}"
        return Source(
            name=music.name, protocol=protocol, sha256=music.sha256, play=partial(closed_loop, music, experiment)
        )
    dataset = adapter_named(name, **options).open(path)
    return Source(name=dataset.name, protocol=dataset.protocol, sha256=dataset.sha256, play=partial(stream, dataset))


def evaluate_selective(
    source: Source, settings: SelectiveSettings, *, folder: Path | None = None, progress: PlayProgress = lambda *_: None
) -> Json:
    """Play, and return the figures; ``folder`` keeps homes and audits.

    Raises:
        BadInput: the data or the settings cannot be used.
        NotFound: the target cannot be reached.
    """
    if folder is not None:
        return summary(source, source.play(settings, folder, progress), settings)
    with tempfile.TemporaryDirectory(prefix="bandstand-selective-") as scratch:
        return summary(source, source.play(settings, Path(scratch), progress), settings)


def summary(source: Source, runs: Mapping[str, Run], settings: SelectiveSettings) -> Json:
    """Everything that is shown; ``looked_into`` is by policy what the audits of its own searches say."""
    first = next(iter(runs.values()))
    found: Json = {
        "question": "Which searches need the expensive retrievers, and what do they lose without?",
        "dataset": source.name,
        "protocol": source.protocol,
        "data_sha256": source.sha256,
        "version": code_version(),
        "seed": settings.seed,
        "n_searches": len(first.quality),
        "n_users": len(set(first.users)),
        "expensive": {"from_ms": EXPENSIVE_MS, "arms": {arm: MODELLED_MS[arm] for arm in EXPENSIVE}, "free": FREE},
        "settings": {"selective": asdict(settings)},
        "played": _played(runs, settings),
        "looked_into": {
            policy: _looked_into(run.audits, settings) for policy, run in runs.items() if run.audits is not None
        },
        "refused": [],
    }
    return {**found, "answer": answer(found)}


def answer(result: Json) -> str:
    """The figures of the first policy that was looked into, in a sentence."""
    policy, looked = next(iter(result["looked_into"].items()))
    decided, idle = looked["choices"]["as decided"], looked["wasted"]["all"]["value"]
    alone = result["played"].get(policy, {}).get("less_always")
    apart = "" if alone is None else f"; each in a world of its own, {_gap(alone)}"
    return (
        f"{policy} has {_gap(decided['less_always'])} MRR@10 beside asking everything on the same searches{apart}, at"
        f" {decided['cost_share']:.1%} of its modelled retrieval cost; {idle:.1%} of the expensive calls of asking"
        " everything did not help."
    )


def _gap(found: Json) -> str:
    bounds = "" if found["low"] is None else f" (95 %: {found['low']:+.4f} to {found['high']:+.4f})"
    return f"{found['difference']:+.4f}{bounds}"


def _played(runs: Mapping[str, Run], settings: SelectiveSettings) -> Json:
    """By policy, what came of living in its own world: quality and cost, and both beside always-on's."""
    always = runs.get("all")
    found: Json = {}
    for policy, run in runs.items():
        bootstrap = ClusterBootstrap(run.users, resamples=settings.bootstrap, seed=settings.seed)
        found[policy] = {
            "MRR@10": asdict(bootstrap.interval(run.quality)),
            "cost_ms": asdict(bootstrap.interval(run.cost_ms)),
        }
        if always is not None:
            found[policy]["less_always"] = asdict(bootstrap.difference(run.quality, always.quality))
            found[policy]["cost_share"] = float(run.cost_ms.mean() / always.cost_ms.mean())
    return found


def _looked_into(audits: Audits, settings: SelectiveSettings) -> Json:
    """In one policy's world: every choice on the same searches with the same memory and models."""
    bootstrap = ClusterBootstrap(audits.users.tolist(), resamples=settings.bootstrap, seed=settings.seed)
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
                "MRR@10": asdict(bootstrap.interval(quality)),
                "less_always": asdict(bootstrap.difference(quality, always)),
                "cost_ms": float(spent.mean()),
                "cost_share": float(spent.mean()) / ceiling,
            }
            for row, (quality, spent) in rows.items()
        },
        "decisions": {"as decided": accuracy(audits, audits.played, bootstrap)},
        "wasted": wasted(audits, bootstrap),
    }
    if not np.isnan(audits.p_useful).any():
        found |= _estimated(audits, settings, bootstrap)
    return found


def _estimated(audits: Audits, settings: SelectiveSettings, bootstrap: ClusterBootstrap) -> Json:
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
    bootstrap = ClusterBootstrap(rest.users.tolist(), resamples=settings.bootstrap, seed=settings.seed)
    quality, full = reciprocal_ranks(rest, plays), reciprocal_ranks(rest, fixed(rest, play=True))
    return {
        "asked": asdict(settings.target),
        "thresholds": dict(point.thresholds),
        "found_on": asdict(point),
        "MRR@10": asdict(bootstrap.interval(quality)),
        "less_always": asdict(bootstrap.difference(quality, full)),
        "cost_share": float(costs(plays).mean() / costs(fixed(rest, play=True)).mean()),
    }


def _gains(audits: Audits) -> dict[str, float]:
    """By arm, the mean rise of the reciprocal rank where it helped; 0.5 where it never did."""
    useful, found = truth(audits), {}
    for at, arm in enumerate(EXPENSIVE):
        with_it = useful.copy()
        with_it[:, at:] = False
        before = reciprocal_ranks(audits, with_it)
        with_it[:, at] = useful[:, at]
        rise = (reciprocal_ranks(audits, with_it) - before)[useful[:, at]]
        found[arm] = float(rise.mean()) if len(rise) else 0.5
    return found
