"""One replay from beginning to end: a home is prepared, copied for each policy, and played."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

import orjson

from bandstand.catalog.readers.base import Rejected
from bandstand.durable import write_file
from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.replay.baselines import Baseline, baseline, static_baselines
from bandstand.replay.clock import VirtualClock
from bandstand.replay.contestants import Contestant, contestant
from bandstand.replay.player import Played, Player, Position
from bandstand.replay.recorder import Recorder
from bandstand.replay.settings import HIDDEN, ReplaySettings
from bandstand.replay.stage import Stage, copy_home, fill
from bandstand.replay.stream import Ask, Dataset, Deed, Moment, in_order
from bandstand.settings import Settings, load_settings

Told = Callable[[str, int], None]
"""Progress: what is being played, and how many searches of it were judged so far."""

Watching = Callable[[Stage, Path], Callable[[Played], None]]
"""Opens what looks into searches, on a stage, for a policy with this folder."""

_TOLD_EVERY = 50
_NAMED = 20

_BEFORE_ANY_SEARCH = 5_000
"""How much behaviour is learned at once where nobody searches in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedRun:
    """Where the rows lie, which rankings there are, what was refused, and how long it took, by policy."""

    folder: Path
    policies: tuple[str, ...]
    baselines: tuple[str, ...]
    statics: tuple[str, ...]
    rejected: int
    reasons: tuple[str, ...]
    seconds: dict[str, float]
    platform: dict[str, object]


def play(
    dataset: Dataset,
    settings: ReplaySettings,
    folder: Path,
    *,
    told: Told = lambda *_: None,
    watching: Watching = lambda *_: lambda _: None,
) -> PlayedRun:
    """Play every policy of ``settings`` over the data set; rows are left in ``folder``.

    ``watching`` makes, of the stage and the policy's folder, what sees every search that is played.

    Cut off at any point, the same call goes on where it was.

    Raises:
        BadInput: the stream holds no search, or is damaged.
        Conflict: the folder holds another replay.
    """
    _claim(folder, dataset, settings)
    rejections = _Rejections()
    base = _Base(dataset, settings, folder / "base")
    base.prepare(rejections)
    baselines = tuple(baseline(name) for name in settings.baselines)
    statics = static_baselines() if settings.oracle else ()
    seconds = {}
    for each in settings.contestants():
        started, rejections = time.perf_counter(), _Rejections()
        extra = (*baselines, *statics) if each.name == "all" else ()
        listeners = _Listeners(told, rejections, watching)
        count = _play_one(each, extra, base, folder / "policies" / each.name, listeners)
        if not count:
            raise BadInput(
                f"{dataset.name}: the stream holds no search to count; look at since, until and the rows refused"
            )
        seconds[each.name] = time.perf_counter() - started
    return PlayedRun(
        folder=folder,
        policies=tuple(each.name for each in settings.contestants()),
        baselines=settings.baselines,
        statics=tuple(each.name for each in statics),
        rejected=base.refused + rejections.count,
        reasons=rejections.named(),
        seconds=seconds,
        platform=base.platform(folder).model_dump(mode="json", exclude=set(HIDDEN)),
    )


class _Listeners(NamedTuple):
    """Who is told of progress and of rows refused, and what looks into searches."""

    told: Told
    rejections: _Rejections
    watching: Watching


class _Rejections:
    """Rows that could not be used: how many, and the first few by name."""

    def __init__(self) -> None:
        self.count = 0
        self._reasons = Counter[str]()
        self._first: dict[str, int] = {}

    def __call__(self, row: Rejected) -> None:
        self.count += 1
        self._reasons[row.reason] += 1
        self._first.setdefault(row.reason, row.line)

    def named(self) -> tuple[str, ...]:
        """The commonest reasons with their number and the first line."""
        return tuple(
            f"{n} × {reason} (first: line {self._first[reason]})" for reason, n in self._reasons.most_common(_NAMED)
        )

    def without(self, rows: Iterator[Moment | Rejected]) -> Iterator[Moment]:
        """The moments among the rows."""
        for row in rows:
            if isinstance(row, Rejected):
                self(row)
            else:
                yield row


class _Base:
    """The home that every policy starts with: catalogue, indexes, and what was done before the first search."""

    def __init__(self, dataset: Dataset, settings: ReplaySettings, folder: Path) -> None:
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.home = folder / "home"
        self.refused = 0
        self.position = Position()

    def platform(self, home: Path) -> Settings:
        """The platform's settings: the replay's over the protocol's over the environment's."""
        chosen = {"deadline_ms": 60_000.0, "speculate": False, **self.dataset.settings, **dict(self.settings.platform)}
        return load_settings(**{**chosen, "home": home, "seed": self.settings.seed})

    def moments(self, rejections: _Rejections) -> Iterator[Moment]:
        """The stream within the bounds of the settings; searches outside are not counted."""
        settings = self.settings
        until = float("inf") if settings.until is None else settings.until
        moments = takewhile(lambda m: m.time < until, rejections.without(in_order(self.dataset.stream())))
        counted = 0
        for moment in moments:
            if isinstance(moment, Ask) and moment.counted:
                if settings.since is not None and moment.time < settings.since:
                    yield replace(moment, counted=False)
                    continue
                if counted == settings.limit:
                    return
                counted += 1
            yield moment

    def prepare(self, rejections: _Rejections) -> None:
        """Build the home, or take up the one that an earlier run had finished."""
        done = self.folder / "done.json"
        if done.exists():
            state = orjson.loads(done.read_bytes())
            self.refused, self.position = state["refused"], Position(**state["position"])
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self._build(rejections)
        self.refused = rejections.count
        state = {"refused": self.refused, "position": asdict(self.position)}
        write_file(done, orjson.dumps(state))

    def _build(self, rejections: _Rejections) -> None:
        first = next(self.moments(_Rejections()), None)
        if first is None:
            raise BadInput(f"{self.dataset.name}: the stream is empty")
        with Stage(self.platform(self.home), VirtualClock(first.time)) as stage:
            fill(stage, self.dataset.catalog(), rejections)
            stage.play_lessons()
            positions: list[Position] = []
            settings = replace(self.settings, learn_every=max(self.settings.learn_every, _BEFORE_ANY_SEARCH))
            player = Player(stage, contestant("all"), settings, checkpoint=positions.append)
            for moment in takewhile(lambda m: isinstance(m, Deed), self.moments(_Rejections())):
                player.take(moment, lambda _: None)
            player.catch_up()
            self.position = positions[-1]


def _play_one(
    who: Contestant, baselines: tuple[Baseline, ...], base: _Base, folder: Path, listeners: _Listeners
) -> int:
    """Play one policy from where it stands; returns how many searches were judged in all."""
    told, rejections, watching = listeners
    state = _State(folder / "state.json")
    if not state.exists:
        folder.mkdir(parents=True, exist_ok=True)
        copy_home(base.home, folder / "home")
        state.save(base.position, {}, 0)
    start, before = state.position, state.count
    with Stage(base.platform(folder / "home"), VirtualClock(start.clock)) as stage:
        recorder = Recorder(stage, folder, who.name, baselines, state.lengths)
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
        watch = watching(stage, folder)

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


def _claim(folder: Path, dataset: Dataset, settings: ReplaySettings) -> None:
    """Take the folder for this replay, or go on with the same one."""
    want = orjson.dumps([dataset.name, dataset.protocol, dataset.sha256, repr(settings)])
    path = folder / "replay.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != want:
            raise Conflict(f"{folder} holds another replay (other data or settings): give another folder, or delete it")
        write_file(path, want)
    except OSError as cause:
        raise StorageError(f"{folder} cannot be used: {cause.strerror}") from cause
