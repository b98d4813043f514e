"""One closed loop from beginning to end: a home is prepared, copied for each policy, and played side by side."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TypeVar

from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.files import write_file
from bandstand.replay.environment import ReplayEnvironment, VirtualClock, copy_home
from bandstand.replay.query_vectors import QueryVectors
from bandstand.replay.rows import rows_path, write_rows
from bandstand.replay.run import Look, PlayedRun, claim, no_look
from bandstand.replay.settings import HIDDEN
from bandstand.replay.simulate.experiments import Experiment, SimulateSettings, variant
from bandstand.replay.simulate.listener import Script
from bandstand.replay.simulate.loop import Faults, Loop
from bandstand.replay.simulate.world import Music, World
from bandstand.replay.stream import Provenance
from bandstand.replay.table import Table
from bandstand.settings import Settings, load_settings
from bandstand.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnvironment:
    """A world, the platform's settings in it, and the folder where homes and figures lie."""

    world: World
    platform: Settings
    settings: SimulateSettings
    folder: Path
    look: Look = no_look

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

    def rows(self, name: str) -> Path:
        """The file of a policy's rows, which is there once it was played to its end."""
        return rows_path(self.folder / "policies" / name, name)

    def play(self, name: str, progress: Progress) -> float:
        """Play one policy, unless that was done before; returns the seconds that it took."""
        started, rows = time.perf_counter(), self.rows(name)
        if rows.exists():
            return time.perf_counter() - started
        rows.parent.mkdir(parents=True, exist_ok=True)
        home = rows.parent / "home"
        copy_home(self.platform.home, home)
        played = variant(name)
        own = played.platform(self.platform, home=home)
        vectors = QueryVectors.load(self._queries)
        clock, faults = VirtualClock(self.settings.start), Faults()
        with (
            ReplayEnvironment(own, clock, vectors=vectors, wrap=faults) as environment,
            _finalized(environment),
        ):
            loop = Loop(
                environment,
                self.world,
                played.contestant,
                self.settings,
                look=partial(self.look, name),
                faults=faults,
            )
            write_rows(rows, loop.play(lambda done: progress(name, done, self.searches)))
        return time.perf_counter() - started


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
_ROWS = "rows 2"
"""What a folder holds: of earlier versions it held other files, and half of the rows after an interruption."""


@dataclass(frozen=True, slots=True)
class _Teller:
    """Sends progress to the process that waits."""

    messages: Queue[Message]

    def __call__(self, name: str, done: int, of: int) -> None:
        self.messages.put((name, done, of))


def play_side_by_side(
    environment: LoopEnvironment, names: Sequence[str], *, jobs: int, progress: Progress
) -> dict[str, float]:
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """What came of a closed loop: the run, and its rankings, of the same wishes in the same order.

    ``encode_ms`` is what encoding one query takes here: the vectors were at hand, so no search's own time holds it.
    """

    run: PlayedRun
    tables: dict[str, Table]
    experiment: Experiment
    settings: SimulateSettings
    encode_ms: float


def simulate(
    music: Music,
    experiment: Experiment,
    settings: SimulateSettings,
    folder: Path,
    *,
    jobs: int = 1,
    progress: Progress = lambda *_: None,
    look: Look = no_look,
) -> Simulated:
    """Play every policy of ``settings`` in a home of its own; homes and rows are left in ``folder``.

    Cut off, the same call goes on with the policies that were being played, from their first search. ``jobs`` is how
    many are played at a time; more than one needs a main module that may be imported, and a ``look`` that pickles.

    Raises:
        BadInput: the experiment and the platform's settings do not fit together.
        Conflict: the folder holds another experiment.
    """
    if jobs < 1:
        raise BadInput(f"jobs must be 1 or more, not {jobs}", field="jobs")
    platform = _platform(experiment, settings, folder / "base" / "home")
    _check(experiment, settings, platform)
    claim(folder / "simulate.json", "experiment", _ROWS, music.sha256, repr(experiment), repr(settings))
    world = World(music, experiment, seed=settings.seed)
    environment = LoopEnvironment(world=world, platform=platform, settings=settings, folder=folder, look=look)
    vectors, names = environment.prepare(progress), settings.policies
    if jobs == 1 or len(names) == 1:
        seconds = {name: environment.play(name, progress) for name in names}
    else:
        seconds = play_side_by_side(environment, names, jobs=jobs, progress=progress)
    run = PlayedRun(
        data=Provenance(name=music.name, protocol=f"closed loop: {experiment.name}", sha256=music.sha256),
        rows={name: environment.rows(name) for name in names},
        policies=names,
        seconds=seconds,
        seed=settings.seed,
        resamples=settings.bootstrap,
        settings={
            "simulation": asdict(settings),
            "experiment": asdict(experiment),
            "platform": platform.model_dump(mode="json", exclude=set(HIDDEN)),
        },
    )
    return Simulated(
        run=run, tables=run.tables(), experiment=experiment, settings=settings, encode_ms=vectors.encode_ms
    )


def _platform(experiment: Experiment, settings: SimulateSettings, home: Path) -> Settings:
    chosen = {"deadline_ms": 60_000.0, "speculate": False, **dict(experiment.platform), **dict(settings.platform)}
    return load_settings(**{**chosen, "home": home, "seed": settings.seed})


def _check(experiment: Experiment, settings: SimulateSettings, platform: Settings) -> None:
    """A search must not be finalized before what was done with it is read."""
    if settings.learn_every * experiment.gap_s >= platform.join_minutes * 60:
        most = int(platform.join_minutes * 60 / experiment.gap_s) - 1
        raise BadInput(f"learn_every must be at most {most}, or join_minutes larger", field="learn_every")
