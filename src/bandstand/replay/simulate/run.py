"""One closed loop from beginning to end: a home is prepared, copied for each policy, and played."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.files import write_file
from bandstand.replay.simulate.dataset import Music
from bandstand.replay.simulate.experiments import Experiment
from bandstand.replay.simulate.scene import Scene, Told, Watching
from bandstand.replay.simulate.settings import SimulateSettings
from bandstand.replay.simulate.side_by_side import play_side_by_side
from bandstand.replay.simulate.tally import Tally
from bandstand.replay.simulate.world import World
from bandstand.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of a closed loop: a tally for each policy, of the same wishes in the same order.

    Rows and homes lie in ``folder``; ``seconds`` is how long each policy took. ``encode_ms`` is what encoding one query
    takes here: the vectors were at hand, so that no search's own time holds it.
    """

    folder: Path
    experiment: Experiment
    settings: SimulateSettings
    platform: Settings
    tallies: dict[str, Tally]
    seconds: dict[str, float]
    encode_ms: float


def simulate(
    music: Music,
    experiment: Experiment,
    settings: SimulateSettings,
    folder: Path,
    *,
    jobs: int = 1,
    told: Told = lambda *_: None,
    watching: Watching | None = None,
) -> Simulated:
    """Play every policy of ``settings`` in a home of its own; homes and tallies are left in ``folder``.

    Cut off, the same call goes on with the policies that were being played, from their first search. ``jobs`` is how
    many are played at a time; more than one needs a main module that may be imported. ``watching`` (`Scene.play`) sees
    every search, and is for one at a time.

    Raises:
        BadInput: the experiment and the platform's settings do not fit together.
        Conflict: the folder holds another experiment.
    """
    if jobs < 1:
        raise BadInput(f"jobs must be 1 or more, not {jobs}", field="jobs")
    platform = _platform(experiment, settings, folder / "base" / "home")
    _check(experiment, settings, platform)
    _claim(folder, music, experiment, settings)
    world = World(music, experiment, seed=settings.seed)
    scene = Scene(world=world, platform=platform, settings=settings, folder=folder)
    vectors, names = scene.prepare(told), settings.policies
    if jobs == 1 or len(names) == 1 or watching is not None:
        played = {name: scene.play(name, told, watching or (lambda *_: lambda *_: None)) for name in names}
    else:
        played = play_side_by_side(scene, names, jobs=jobs, told=told)
    return Simulated(
        folder=folder,
        experiment=experiment,
        settings=settings,
        platform=platform,
        tallies={name: tally for name, (tally, _) in played.items()},
        seconds={name: seconds for name, (_, seconds) in played.items()},
        encode_ms=vectors.encode_ms,
    )


def _platform(experiment: Experiment, settings: SimulateSettings, home: Path) -> Settings:
    chosen = {"deadline_ms": 60_000.0, "speculate": False, **dict(experiment.platform), **dict(settings.platform)}
    return load_settings(**{**chosen, "home": home, "seed": settings.seed})


def _check(experiment: Experiment, settings: SimulateSettings, platform: Settings) -> None:
    """A search must not settle before what was done with it is read."""
    if settings.learn_every * experiment.gap_s >= platform.join_minutes * 60:
        most = int(platform.join_minutes * 60 / experiment.gap_s) - 1
        raise BadInput(f"learn_every must be at most {most}, or join_minutes larger", field="learn_every")


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
