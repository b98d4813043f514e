"""The runs behind the figures: the closed loop, or a data set in time order, with its last searches audited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bandstand.engine.search import Answer
from bandstand.errors import BadInput
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.recorder import rows_path
from bandstand.replay.replayer import Played
from bandstand.replay.rows import read_rows
from bandstand.replay.run import PlayProgress, play
from bandstand.replay.selective.audit import Audit, Audits, Floats, audit
from bandstand.replay.selective.curve import SelectiveSettings
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.experiments import Experiment, SimulateSettings
from bandstand.replay.simulate.loop import Watch
from bandstand.replay.simulate.world import Music, Need
from bandstand.replay.stream import Dataset, Judge

_FILE = "audits.npz"
_LOOKED_INTO = ("selective", "bandit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The held-out searches of one policy: users and, of its own pages, reciprocal ranks and modelled ms, (n,)."""

    users: tuple[str, ...]
    quality: Floats
    cost_ms: Floats
    audits: Audits | None


class _Auditor:
    """Keeps audits; a policy that is cut off and goes on is looked into from there on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[Audit] = []

    def add(self, found: Audit) -> None:
        self._found.append(found)

    def save(self) -> None:
        Audits.of(self._found).save(self._path)


def closed_loop(
    music: Music, experiment: Experiment, settings: SelectiveSettings, folder: Path, progress: PlayProgress
) -> dict[str, Run]:
    """Play the policies in the simulated world; see `bandstand.replay.simulate`.

    Raises:
        BadInput: days were given, which this world does not have.
    """
    if settings.since is not None or settings.until is not None:
        raise BadInput("the closed loop has no dates: leave out --from and --to", field="since")
    simulation = SimulateSettings(
        policies=settings.policies,
        seed=settings.seed,
        limit=settings.searches,
        retrain_every=settings.retrain_every,
        audit_every=settings.searches,
        window=settings.searches - settings.first_audited,
        bootstrap=settings.bootstrap,
        platform=settings.chosen,
    )

    def watching(environment: ReplayEnvironment, here: Path) -> Watch:
        auditor = _Auditor(here / _FILE)

        def watch(number: int, answer: Answer, judge: Judge, need: Need) -> None:
            if here.name in _LOOKED_INTO and number >= settings.first_audited:
                auditor.add(audit(environment, answer, judge, user=str(number), query_class=need.query_class))
            if number == settings.searches - 1:
                auditor.save()

        return watch

    played = simulate(
        music, experiment, simulation, folder, progress=lambda name, done, _: progress(name, done), watching=watching
    )
    last = slice(settings.first_audited, settings.searches)
    return {
        name: Run(
            users=tuple(map(str, range(settings.first_audited, len(tally)))),
            quality=tally.reciprocal_ranks[last],
            cost_ms=tally.cost_ms[last],
            audits=_audits(folder, name),
        )
        for name, tally in played.tallies.items()
    }


def stream(dataset: Dataset, settings: SelectiveSettings, folder: Path, progress: PlayProgress) -> dict[str, Run]:
    """Play the policies over a data set in time order; see `bandstand.replay.run`."""
    replay = ReplaySettings(
        policies=settings.policies,
        baselines=(),
        since=settings.since,
        until=settings.until,
        seed=settings.seed,
        limit=settings.searches,
        bootstrap=settings.bootstrap,
        platform=settings.chosen,
    )

    def watching(environment: ReplayEnvironment, here: Path) -> Callable[[Played], None]:
        auditor, counted = _Auditor(here / _FILE), 0

        def watch(played: Played) -> None:
            nonlocal counted
            if not played.ask.counted or not played.ask.answers:
                return
            counted += 1
            if here.name in _LOOKED_INTO:
                judge = Judge(played.ask, environment.home.catalog.columns, environment.storage.store.ordinals)
                seen = "seen query" if played.seen_query else "unseen query"
                user = played.ask.user or played.ask.id
                auditor.add(audit(environment, played.answer, judge, user=user, query_class=seen))
                auditor.save()

        return watch

    play(dataset, replay, folder, progress=progress, watching=watching)
    return {name: _streamed(folder, name) for name in settings.policies}


def _streamed(folder: Path, name: str) -> Run:
    rows = list(read_rows(rows_path(folder / "policies" / name, name)))
    return Run(
        users=tuple(row.user for row in rows),
        quality=np.array([max((1 / rank for rank, _ in row.found if rank <= 10), default=0.0) for row in rows]),
        cost_ms=np.array([row.cost_ms for row in rows]),
        audits=_audits(folder, name),
    )


def _audits(folder: Path, name: str) -> Audits | None:
    return Audits.load(folder / "policies" / name / _FILE) if name in _LOOKED_INTO else None
