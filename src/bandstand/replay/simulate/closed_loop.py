"""One closed loop from beginning to end: a home is prepared, copied for each policy, and played side by side."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import TypeVar

import orjson

from bandstand.catalog.text import normalize
from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.files import write_file
from bandstand.replay.environment import ReplayEnvironment, VirtualClock, copy_home
from bandstand.replay.query_vectors import QueryVectors
from bandstand.replay.recorder import rows_path
from bandstand.replay.rows import RowFile
from bandstand.replay.simulate.experiments import Experiment, SimulateSettings, variant
from bandstand.replay.simulate.listener import Script
from bandstand.replay.simulate.loop import Faults, Loop, Watch
from bandstand.replay.simulate.tally import Tally, tally_of
from bandstand.replay.simulate.world import Music, World
from bandstand.settings import Settings, load_settings
from bandstand.types import Progress

Watching = Callable[[ReplayEnvironment, Path], Watch]
"""Opens a `Watch` on a stage, for a policy with this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnvironment:
    """A world, the platform's settings in it, and the folder where homes and figures lie."""

    world: World
    platform: Settings
    settings: SimulateSettings
    folder: Path

    @property
    def searches(self) -> int:
        """How many are made."""
        return self.settings.searches_of(self.world.experiment)

    @property
    def _queries(self) -> Path:
        return self.folder / "base" / "queries.npz"

    def prepare(self, progress: Progress) -> QueryVectors:
        """Make the home that every policy starts with: catalogue, indexes, and what the platform taught itself.

        Returns:
            The vectors of all that may be typed.
        """
        base = self.folder / "base"
        done = base / "done"
        if not done.exists():
            shutil.rmtree(base, ignore_errors=True)
            progress("base", 0, 1)
            with ReplayEnvironment(self.platform, VirtualClock(self.settings.start)) as environment:
                environment.release(self.world.released)
                environment.play_examples()
                scripts = (Script.of(self.world, number, seed=self.settings.seed) for number in range(self.searches))
                typed = (normalize(text) for script in scripts for text in script.texts)
                QueryVectors.of(typed, environment.storage.encoders.wanted()).save(self._queries)
            write_file(done, b"")
            progress("base", 1, 1)
        return QueryVectors.load(self._queries)

    def play(
        self, name: str, progress: Progress, watching: Watching = lambda *_: lambda *_: None
    ) -> tuple[Tally, float]:
        """Play one policy, and say how many seconds that took; what was played to its end before is read.

        ``watching`` makes, of the stage and the policy's folder, what sees every search that is played.
        """
        here, started = self.folder / "policies" / name, time.perf_counter()
        path = here / "tally.npz"
        if path.exists():
            return Tally.load(path), time.perf_counter() - started
        here.mkdir(parents=True, exist_ok=True)
        copy_home(self.platform.home, here / "home")
        played = variant(name)
        own = played.platform(self.platform, home=here / "home")
        vectors = QueryVectors.load(self._queries)
        rows, clock, faults = RowFile(rows_path(here, name), length=0), VirtualClock(self.settings.start), Faults()
        with (
            ReplayEnvironment(own, clock, vectors=vectors, wrap=faults) as environment,
            _finalized(environment),
        ):
            watch = watching(environment, here)
            loop = Loop(environment, self.world, played.contestant, self.settings, watch=watch, faults=faults)
            tally = tally_of(loop.play(rows, lambda done: progress(name, done, self.searches)))
        rows.close()
        tally.save(path)
        return tally, time.perf_counter() - started


@contextmanager
def _finalized(environment: ReplayEnvironment) -> Iterator[None]:
    """What is loaded by now stays to the end: the garbage collector need not look through it again and again."""
    environment.home.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


Message = tuple[str, int, int]
T = TypeVar("T")

_LISTEN_S = 0.2


@dataclass(frozen=True, slots=True)
class _Teller:
    """Sends progress to the process that waits."""

    messages: Queue[Message]

    def __call__(self, name: str, done: int, of: int) -> None:
        self.messages.put((name, done, of))


def play_side_by_side(
    environment: LoopEnvironment, names: Sequence[str], *, jobs: int, progress: Progress
) -> dict[str, tuple[Tally, float]]:
    """As `LoopEnvironment.play` of each, ``jobs`` at a time, in fresh processes, so that none inherits a lock."""
    fresh = multiprocessing.get_context("spawn")
    with fresh.Manager() as manager, ProcessPoolExecutor(min(jobs, len(names)), mp_context=fresh) as pool:
        messages: Queue[Message] = manager.Queue()
        played = {name: pool.submit(environment.play, name, _Teller(messages)) for name in names}
        _pass_on(messages, list(played.values()), progress)
        return {name: future.result() for name, future in played.items()}


def _pass_on(messages: Queue[Message], running: Sequence[Future[T]], progress: Progress) -> None:
    """Tell what comes, until all have ended or one has failed."""
    while True:
        ended = wait(running, timeout=0)
        try:
            progress(*messages.get(timeout=_LISTEN_S))
        except Empty:
            if not ended.not_done or any(future.exception() for future in ended.done):
                return


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
    progress: Progress = lambda *_: None,
    watching: Watching | None = None,
) -> Simulated:
    """Play every policy of ``settings`` in a home of its own; homes and tallies are left in ``folder``.

    Cut off, the same call goes on with the policies that were being played, from their first search. ``jobs`` is how
    many are played at a time; more than one needs a main module that may be imported. ``watching``
    (`LoopEnvironment.play`) sees every search, and is for one at a time.

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
    environment = LoopEnvironment(world=world, platform=platform, settings=settings, folder=folder)
    vectors, names = environment.prepare(progress), settings.policies
    if jobs == 1 or len(names) == 1 or watching is not None:
        played = {name: environment.play(name, progress, watching or (lambda *_: lambda *_: None)) for name in names}
    else:
        played = play_side_by_side(environment, names, jobs=jobs, progress=progress)
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
    """A search must not be finalized before what was done with it is read."""
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
