"""What every policy of one closed loop meets: the same home to begin with, the same listeners."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bandstand.catalog.text import normalize
from bandstand.files import write_file
from bandstand.replay.clock import VirtualClock
from bandstand.replay.query_vectors import QueryVectors
from bandstand.replay.recorder import rows_path
from bandstand.replay.rows import RowFile
from bandstand.replay.simulate.faults import FaultyHome
from bandstand.replay.simulate.loop import Loop, Watch
from bandstand.replay.simulate.script import Script
from bandstand.replay.simulate.settings import SimulateSettings
from bandstand.replay.simulate.tally import Tally, tally_of
from bandstand.replay.simulate.variants import variant
from bandstand.replay.simulate.world import World
from bandstand.replay.stage import Stage, copy_home
from bandstand.settings import Settings

Told = Callable[[str, int, int], None]
"""Progress: what is being played, how many searches were made, of how many."""

Watching = Callable[[Stage, Path], Watch]
"""Opens a `Watch` on a stage, for a policy with this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
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

    def prepare(self, told: Told) -> QueryVectors:
        """Make the home that every policy starts with: catalogue, indexes, and what the platform taught itself.

        Returns:
            The vectors of all that may be typed.
        """
        base = self.folder / "base"
        done = base / "done"
        if not done.exists():
            shutil.rmtree(base, ignore_errors=True)
            told("base", 0, 1)
            with Stage(self.platform, VirtualClock(self.settings.start)) as stage:
                stage.release(self.world.released)
                stage.play_lessons()
                scripts = (Script.of(self.world, number, seed=self.settings.seed) for number in range(self.searches))
                typed = (normalize(text) for script in scripts for text in script.texts)
                QueryVectors.of(typed, stage.workshop.encoder).save(self._queries)
            write_file(done, b"")
            told("base", 1, 1)
        return QueryVectors.load(self._queries)

    def play(self, name: str, told: Told, watching: Watching = lambda *_: lambda *_: None) -> tuple[Tally, float]:
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
        rows = RowFile(rows_path(here, name), length=0)
        with Stage(own, VirtualClock(self.settings.start), home=FaultyHome, vectors=vectors) as stage, _settled(stage):
            loop = Loop(stage, self.world, played.contestant, self.settings, watch=watching(stage, here))
            tally = tally_of(loop.play(rows, lambda done: told(name, done, self.searches)))
        rows.close()
        tally.save(path)
        return tally, time.perf_counter() - started


@contextmanager
def _settled(stage: Stage) -> Iterator[None]:
    """What is loaded by now stays to the end: the garbage collector need not look through it again and again."""
    stage.home.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
