"""One policy of a replay from where it stands to the end; cut off anywhere, it goes on from its last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import orjson

from bandstand.files import write_file
from bandstand.replay.baselines import Baseline
from bandstand.replay.clock import VirtualClock
from bandstand.replay.contestants import Contestant
from bandstand.replay.player import Played, Player, Position
from bandstand.replay.recorder import Recorder
from bandstand.replay.stage import Stage, copy_home
from bandstand.replay.start import Rejections, Start
from bandstand.replay.stream import Ask

Told = Callable[[str, int], None]
"""Progress: what is being played, and how many searches of it were judged so far."""

Watching = Callable[[Stage, Path], Callable[[Played], None]]
"""Opens what looks into searches, on a stage, for a policy with this folder."""

_TOLD_EVERY = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """How many searches of a policy were judged in all, the seconds that this took now, and the rows refused."""

    count: int
    seconds: float
    rejections: Rejections


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of a replay, which needs nothing of the others: where it starts, and the folder that it plays in.

    ``baselines`` are read off what it finds; what ``watching`` opens sees every search that is played.
    """

    who: Contestant
    baselines: tuple[Baseline, ...]
    start: Start
    folder: Path
    watching: Watching

    def play(self, told: Told = lambda *_: None) -> Ended:
        """Play it from where it stands."""
        began, rejections = time.perf_counter(), Rejections()
        count = _play(self, told, rejections)
        return Ended(count, time.perf_counter() - began, rejections)


def _play(part: Part, told: Told, rejections: Rejections) -> int:
    """How many searches were judged in all."""
    who, base, folder = part.who, part.start, part.folder
    state = _State(folder / "state.json")
    if not state.exists:
        folder.mkdir(parents=True, exist_ok=True)
        copy_home(base.home, folder / "home")
        state.save(base.position, {}, 0)
    start, before = state.position, state.count
    with Stage(base.platform(folder / "home"), VirtualClock(start.clock)) as stage:
        recorder = Recorder(stage, folder, who.name, part.baselines, state.lengths)
        player = Player(
            stage,
            who,
            base.settings,
            start=start,
            checkpoint=lambda position: state.save(position, recorder.flush(), before + recorder.count),
        )
        moments = base.moments(rejections)
        for moment in islice(moments, start.moments):
            player.recall(moment)
        player.resume()
        watch = part.watching(stage, folder)

        def both(played: Played) -> None:
            recorder(played)
            watch(played)

        for moment in moments:
            player.take(moment, both)
            if isinstance(moment, Ask) and moment.counted and recorder.count % _TOLD_EVERY == 0:
                told(who.name, before + recorder.count)
        player.finish()
        recorder.close()
    told(who.name, state.count)
    return state.count


class _State:
    """A policy's position on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.exists = path.exists()
        self.position, self.lengths, self.count = Position(), dict[str, int](), 0
        if self.exists:
            raw = orjson.loads(path.read_bytes())
            self.position, self.lengths, self.count = Position(**raw["position"]), raw["lengths"], raw["count"]

    def save(self, position: Position, lengths: dict[str, int], count: int) -> None:
        """Replace what is on disk in one step."""
        self.position, self.lengths, self.count = position, lengths, count
        raw = {"position": asdict(position), "lengths": lengths, "count": count}
        write_file(self._path, orjson.dumps(raw))
