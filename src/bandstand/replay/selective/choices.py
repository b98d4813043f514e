"""The figures of selective retrieval: never, always, the policies, the curve, decisions, calibration, the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bandstand.engine.search import Answer
from bandstand.errors import BadInput
from bandstand.replay.datasets.registry import adapter_named
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Extra
from bandstand.replay.run import PlayedRun, PlayProgress, kept_or_scratch, no_look, play
from bandstand.replay.selective.audit import (
    Audits,
    Floats,
    audit,
    by_threshold,
    costs,
    fixed,
    inverse,
    reciprocal_ranks,
    truth,
)
from bandstand.replay.selective.curve import Target, accuracy, calibration, find, sweep, wasted
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.experiments import Experiment, SimulateSettings, experiment_named
from bandstand.replay.simulate.world import Music, spotify_songs
from bandstand.replay.stream import Dataset, Judge
from bandstand.replay.summary import Json, figure, summarize
from bandstand.replay.table import Table
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import ClusterBootstrap
from bandstand.types import EXPENSIVE_MS

NEVER = "-".join(("all", *BUILT_IN.expensive))
"""The contestant that plays free retrievers only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveSettings:
    """``policies`` are played, each in a world of its own; the learned ones are looked into.

    Of ``searches`` the last ``held_out`` share is audited: no model was trained on any of them when it decided. In the
    closed loop the models are trained again every ``retrain_every`` searches. ``ablation_share`` of the searches are
    recorded with and without each expensive one; more than in service, since the loop is short. A ``target`` is looked
    for on one half of the audited searches and reported on the other. ``since`` and ``until`` (unix seconds, the upper
    bound excluded) are for data sets in time order.
    """

    policies: tuple[str, ...] = ("selective", "bandit", "all", NEVER)
    searches: int = 6_000
    held_out: float = 1 / 3
    retrain_every: int = 2_000
    ablation_share: float = 0.1
    target: Target | None = None
    since: float | None = None
    until: float | None = None
    seed: int = 1
    bootstrap: int = 1_000
    platform: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be played, by the field's name."""
        if not 0 < self.held_out < 1:
            raise BadInput(f"held_out must be in (0, 1), not {self.held_out}", field="held_out")
        if not 0 < self.ablation_share <= 1:
            raise BadInput(f"the share recorded must be in (0, 1], not {self.ablation_share}", field="recorded")
        if not set(self.policies) & {"selective", "bandit"}:
            raise BadInput("play selective or bandit: fixed policies decide nothing", field="policies")

    @property
    def first_audited(self) -> int:
        """The number, from 0, of the first search that is audited."""
        return self.searches - int(self.held_out * self.searches)

    @property
    def shared(self) -> dict[str, Any]:
        """What a replay and a closed loop are set to alike."""
        platform = (("ablation_share", self.ablation_share), *self.platform)
        return {"policies": self.policies, "seed": self.seed, "bootstrap": self.bootstrap, "platform": platform}


_LOOKED_INTO = ("selective", "bandit")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOutRun:
    """A run, and by policy its held-out searches; those of the learned policies were looked into (`audit`)."""

    run: PlayedRun
    tables: Mapping[str, Table]

    @property
    def audits(self) -> dict[str, Audits]:
        """By policy, what was seen."""
        return {name: Audits.of(table) for name, table in self.tables.items() if name in _LOOKED_INTO}


def _look(policy: str, environment: ReplayEnvironment, answer: Answer, judge: Judge, *, first: int | None) -> Extra:
    """Look into searches of a learned policy; ``first`` is the number of the first one in a closed loop."""
    if policy not in _LOOKED_INTO or (first is not None and int(answer.query.id) < first):
        return no_look(policy, environment, answer, judge)
    return audit(environment, answer, judge)


def closed_loop(
    music: Music, experiment: Experiment, settings: SelectiveSettings, folder: Path, progress: PlayProgress
) -> HeldOutRun:
    """Play the policies in the simulated world; see `bandstand.replay.simulate`.

    Raises:
        BadInput: days were given, which this world does not have.
    """
    if settings.since is not None or settings.until is not None:
        raise BadInput("the closed loop has no dates: leave out --from and --to", field="since")
    first = settings.first_audited
    simulation = SimulateSettings(
        **settings.shared,
        limit=settings.searches,
        retrain_every=settings.retrain_every,
        audit_every=settings.searches,
        window=settings.searches - first,
    )
    played = simulate(
        music,
        experiment,
        simulation,
        folder,
        progress=lambda name, done, _: progress(name, done),
        look=partial(_look, first=first),
    )
    last = slice(first, settings.searches)
    return HeldOutRun(run=played.run, tables={name: table.rows(last) for name, table in played.tables.items()})


def stream(dataset: Dataset, settings: SelectiveSettings, folder: Path, progress: PlayProgress) -> HeldOutRun:
    """Play the policies over a data set in time order, all counted searches held out; see `bandstand.replay.run`."""
    replay = ReplaySettings(
        **settings.shared, baselines=(), since=settings.since, until=settings.until, limit=settings.searches
    )
    run = play(dataset, replay, folder, progress=progress, look=partial(_look, first=None))
    return HeldOutRun(run=run, tables=run.tables())


def evaluate_selective(
    name: str,
    path: Path,
    settings: SelectiveSettings,
    *,
    options: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
    progress: PlayProgress = lambda *_: None,
) -> Json:
    """Play the closed loop of ``spotify`` in the music of ``path``, or another data set of `replay` in time order.

    ``options`` are those of the data set's adapter; the closed loop has one, the name of the ``experiment``.
    ``folder`` keeps homes and rows.

    Raises:
        BadInput: there is no such data set, or the data or the settings cannot be used.
        NotFound: the target cannot be reached.
    """
    with kept_or_scratch(folder) as place:
        if name != "spotify":
            return summary(stream(adapter_named(name, **options).open(path), settings, place, progress), settings)
        if unknown := set(options) - {"experiment"}:
            raise BadInput(f"the closed loop has no option {min(unknown)!r}: its one is experiment", field="option")
        music, experiment = spotify_songs(path), experiment_named(options.get("experiment", "default"))
        return summary(closed_loop(music, experiment, settings, place, progress), settings)


def summary(played: HeldOutRun, settings: SelectiveSettings) -> Json:
    """The summary of any run, and by policy ``looked_into``: what the audits of its own searches say.

    Every policy lived in a world of its own; beside always-on's, where that was played, stand its quality and cost.
    """
    found = summarize(played.run, played.tables)
    found["settings"] = {"selective": asdict(settings), **found["settings"]}
    found["expensive"] = {
        "from_ms": EXPENSIVE_MS,
        "arms": {arm: BUILT_IN[arm].cost_ms for arm in BUILT_IN.expensive},
        "free": BUILT_IN.free,
    }
    _beside_always(found, played.tables, settings)
    found["looked_into"] = {policy: _looked_into(audits, settings) for policy, audits in played.audits.items()}
    found["question"] = "Which searches need the expensive retrievers, and what do they lose without?"
    found["answer"] = answer(found)
    return found


def answer(result: Json) -> str:
    """The figures of the first policy that was looked into, in a sentence."""
    policy, looked = next(iter(result["looked_into"].items()))
    decided, idle = looked["choices"]["as decided"], looked["wasted"]["all"]["value"]
    alone = result["policies"][policy].get("less_always")
    apart = "" if alone is None else f"; each in a world of its own, {_gap(alone)}"
    return (
        f"{policy} has {_gap(decided['less_always'])} MRR@10 beside asking everything on the same searches{apart}, at"
        f" {decided['cost_share']:.1%} of its modelled retrieval cost; {idle:.1%} of the expensive calls of asking"
        " everything did not help."
    )


def _gap(found: Json) -> str:
    bounds = "" if found["low"] is None else f" (95 %: {found['low']:+.4f} to {found['high']:+.4f})"
    return f"{found['difference']:+.4f}{bounds}"


def _beside_always(found: Json, tables: Mapping[str, Table], settings: SelectiveSettings) -> None:
    """To every policy, how far it is ahead of always-on in quality, and its share of the cost."""
    if (always := tables.get("all")) is None:
        return
    bootstrap = ClusterBootstrap(always.users.tolist(), resamples=settings.bootstrap, seed=settings.seed)
    for name, table in tables.items():
        gap = bootstrap.difference(table.reciprocal_ranks, always.reciprocal_ranks)
        found["policies"][name]["less_always"] = asdict(gap)
        found["policies"][name]["cost_share"] = float(table.cost_ms.mean() / always.cost_ms.mean())


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
                "MRR@10": figure(quality, bootstrap),
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
    half = by_threshold(audits, dict.fromkeys(BUILT_IN.expensive, 0.5))
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
        "MRR@10": figure(quality, bootstrap),
        "less_always": asdict(bootstrap.difference(quality, full)),
        "cost_share": float(costs(plays).mean() / costs(fixed(rest, play=True)).mean()),
    }


def _gains(audits: Audits) -> dict[str, float]:
    """By retriever, the mean rise of the reciprocal rank where it helped; 0.5 where it never did."""
    useful, found = truth(audits), {}
    for at, retriever in enumerate(BUILT_IN.expensive):
        with_it = useful.copy()
        with_it[:, at:] = False
        before = reciprocal_ranks(audits, with_it)
        with_it[:, at] = useful[:, at]
        rise = (reciprocal_ranks(audits, with_it) - before)[useful[:, at]]
        found[retriever] = float(rise.mean()) if len(rise) else 0.5
    return found
