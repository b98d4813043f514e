"""One closed loop from beginning to end: a home is prepared, copied for each policy, and played."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from bandstand.durable import write_file
from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.replay.clock import VirtualClock
from bandstand.replay.contestants import Contestant
from bandstand.replay.recorder import rows_path
from bandstand.replay.rows import RowFile
from bandstand.replay.simulate.dataset import Music
from bandstand.replay.simulate.experiments import Experiment
from bandstand.replay.simulate.loop import Loop, open_stage
from bandstand.replay.simulate.settings import SimulateSettings
from bandstand.replay.simulate.tally import Tally, tally_of
from bandstand.replay.simulate.world import World
from bandstand.replay.stage import Stage, copy_home
from bandstand.settings import Settings, load_settings

Told = Callable[[str, int, int], None]
"""Progress: what is being played, how many searches were made, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of a closed loop: a tally for each policy, of the same wishes in the same order.

    Rows and homes lie in ``folder``; ``seconds`` is how long each policy took.
    """

    folder: Path
    experiment: Experiment
    settings: SimulateSettings
    platform: Settings
    tallies: dict[str, Tally]
    seconds: dict[str, float]


def simulate(
    music: Music,
    experiment: Experiment,
    settings: SimulateSettings,
    folder: Path,
    *,
    told: Told = lambda *_: None,
) -> Simulated:
    """Play every policy of ``settings`` in a home of its own; homes and tallies are left in ``folder``.

    Cut off, the same call goes on with the policy that was being played, from its first search.

    Raises:
        BadInput: the experiment and the platform's settings do not fit together.
        Conflict: the folder holds another experiment.
    """
    platform = _platform(experiment, settings, folder / "base" / "home")
    _check(experiment, settings, platform)
    _claim(folder, music, experiment, settings)
    world = World(music, experiment, seed=settings.seed)
    _prepare(world, platform, settings, folder / "base", told)
    tallies, seconds = {}, {}
    for contestant in settings.contestants():
        started = time.perf_counter()
        tallies[contestant.name] = _play(contestant, world, platform, settings, folder, told)
        seconds[contestant.name] = time.perf_counter() - started
    return Simulated(
        folder=folder, experiment=experiment, settings=settings, platform=platform, tallies=tallies, seconds=seconds
    )


def _platform(experiment: Experiment, settings: SimulateSettings, home: Path) -> Settings:
    chosen = {"deadline_ms": 60_000.0, **dict(experiment.platform), **dict(settings.platform)}
    return load_settings(**{**chosen, "home": home, "seed": settings.seed})


def _check(experiment: Experiment, settings: SimulateSettings, platform: Settings) -> None:
    """A search must not settle before what was done with it is read."""
    if settings.learn_every * experiment.gap_s >= platform.join_minutes * 60:
        most = int(platform.join_minutes * 60 / experiment.gap_s) - 1
        raise BadInput(f"learn_every must be at most {most}, or join_minutes larger", field="learn_every")


def _prepare(world: World, platform: Settings, settings: SimulateSettings, folder: Path, told: Told) -> None:
    """The home that every policy starts with: catalogue, indexes, and what the platform taught itself."""
    done = folder / "done"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    told("base", 0, 1)
    with Stage(platform, VirtualClock(settings.start)) as stage:
        stage.release(world.released)
        stage.play_lessons()
    write_file(done, b"")
    told("base", 1, 1)


def _play(
    contestant: Contestant, world: World, platform: Settings, settings: SimulateSettings, folder: Path, told: Told
) -> Tally:
    """One policy; what was played to its end before is read."""
    here = folder / "policies" / contestant.name
    path = here / "tally.npz"
    if path.exists():
        return Tally.load(path)
    here.mkdir(parents=True, exist_ok=True)
    copy_home(folder / "base" / "home", here / "home")
    searches = min(settings.limit or world.experiment.searches, world.experiment.searches)
    own = platform.model_copy(update={"home": here / "home"})
    rows = RowFile(rows_path(here, contestant.name), length=0)
    with open_stage(own, world.experiment, settings.start) as stage:
        loop = Loop(stage, world, contestant, settings)
        tally = tally_of(loop.play(rows, lambda done: told(contestant.name, done, searches)))
    rows.close()
    tally.save(path)
    return tally


def _claim(folder: Path, music: Music, experiment: Experiment, settings: SimulateSettings) -> None:
    """Take the folder for this experiment, or go on with the same one."""
    want = orjson.dumps([music.sha256, repr(experiment), repr(settings)])
    path = folder / "simulate.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != want:
            raise Conflict(f"{folder} holds another experiment (other data or settings): give another folder")
        write_file(path, want)
    except OSError as cause:
        raise StorageError(f"{folder} cannot be used: {cause.strerror}") from cause
