"""One replay from beginning to end: an environment is prepared, copied for each policy, and played, here or on Dask."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

import msgspec
import orjson

from bandstand.catalog.readers.base import Rejected, printable
from bandstand.dask_workers import DaskWorkers
from bandstand.engine.search import Answer
from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.files import write_file
from bandstand.replay.contestants import Baseline, Contestant, baseline, contestant, static_baselines
from bandstand.replay.environment import ReplayEnvironment, VirtualClock, copy_home, fill
from bandstand.replay.recorder import Recorder
from bandstand.replay.replayer import Played, Position, Replayer
from bandstand.replay.rows import Extra, read_rows, rows_path
from bandstand.replay.settings import HIDDEN, ReplaySettings
from bandstand.replay.stream import Ask, Dataset, Interaction, Judge, Moment, Provenance, in_order
from bandstand.replay.table import Table, table_of
from bandstand.settings import Settings, load_settings

_NAMED = 20
_EXCERPT = 100

_BEFORE_ANY_SEARCH = 5_000
"""How much behaviour is learned at once where nobody searches in between."""


class Rejections:
    """Rows that could not be used: how many, and why, each reason with the first such row."""

    def __init__(self) -> None:
        self.count = 0
        self._reasons = Counter[str]()
        self._first: dict[str, Rejected] = {}

    def __call__(self, row: Rejected) -> None:
        """One more."""
        self.count += 1
        self._reasons[row.reason] += 1
        self._first.setdefault(row.reason, row)

    def named(self) -> tuple[str, ...]:
        """The commonest reasons with their number and their first row."""
        return tuple(
            f"{n} × {reason} (first: line {self._first[reason].line}{_excerpt(self._first[reason].raw)})"
            for reason, n in self._reasons.most_common(_NAMED)
        )

    def without(self, rows: Iterator[Moment | Rejected]) -> Iterator[Moment]:
        """The moments among the rows."""
        for row in rows:
            if isinstance(row, Rejected):
                self(row)
            else:
                yield row


def _excerpt(raw: str) -> str:
    """The beginning of a row as it was read, where anything of it could be."""
    text = printable(raw)
    shown = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
    return f": {shown}" if shown else ""


class Start:
    """The home that every policy starts with: catalogue, indexes, and what was done before the first search."""

    def __init__(self, dataset: Dataset, settings: ReplaySettings, folder: Path) -> None:
        self.dataset, self.settings, self.folder = dataset, settings, folder
        self.home = folder / "home"
        chosen = {"deadline_ms": 60_000.0, "speculate": False, **dataset.settings, **dict(settings.platform)}
        self._platform = load_settings(**{**chosen, "home": self.home, "seed": settings.seed})
        self.refused = 0
        self.position = Position()

    def platform(self, home: Path) -> Settings:
        """The platform's settings: the replay's over the protocol's over the environment's where the replay began."""
        return self._platform.model_copy(update={"home": home})

    def moments(self, rejections: Rejections) -> Iterator[Moment]:
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

    def prepare(self, rejections: Rejections) -> None:
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

    def _build(self, rejections: Rejections) -> None:
        refused = Rejections()
        first = next(self.moments(refused), None)
        if first is None:
            why = f": none of {refused.count} rows could be used, {'; '.join(refused.named())}" if refused.count else ""
            raise BadInput(f"{self.dataset.name}: the stream is empty{why}")
        with ReplayEnvironment(self.platform(self.home), VirtualClock(first.time)) as environment:
            fill(environment, self.dataset.catalog(), rejections)
            environment.play_examples()
            positions: list[Position] = []
            settings = replace(self.settings, learn_every=max(self.settings.learn_every, _BEFORE_ANY_SEARCH))
            replayer = Replayer(environment, contestant("all"), settings, checkpoint=positions.append)
            for moment in takewhile(lambda m: isinstance(m, Interaction), self.moments(Rejections())):
                replayer.take(moment, lambda _: None)
            replayer.catch_up()
            self.position = positions[-1]


PlayProgress = Callable[[str, int], None]
"""Progress: what is being played, and how many searches of it were judged so far."""

Look = Callable[[str, ReplayEnvironment, Answer, Judge], Extra]
"""What more is kept of a counted search than its row: looked at, under the policy of a name, before anything is learned
from it."""


def no_look(policy: str, environment: ReplayEnvironment, answer: Answer, judge: Judge) -> Extra:  # noqa: ARG001
    """Nothing more: see `Look`."""
    return {}


_TOLD_EVERY = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """How many searches of a policy were judged in all, the seconds that this took now, and the rows refused."""

    count: int
    seconds: float
    rejections: Rejections


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One policy of a replay, which needs nothing of the others: where it starts, and the folder that it plays in.

    ``baselines`` are read off what it finds.
    """

    who: Contestant
    baselines: tuple[Baseline, ...]
    start: Start
    folder: Path
    look: Look

    def play(self, progress: PlayProgress = lambda *_: None) -> Ended:
        """Play it from where it stands."""
        began, rejections = time.perf_counter(), Rejections()
        count = _play(self, progress, rejections)
        return Ended(count, time.perf_counter() - began, rejections)


def _play(part: PolicyRun, progress: PlayProgress, rejections: Rejections) -> int:
    """How many searches were judged in all."""
    who, base, folder = part.who, part.start, part.folder
    path = folder / "state.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        copy_home(base.home, folder / "home")
        write_file(path, msgspec.json.encode(_State(base.position)))
    state = msgspec.json.decode(path.read_bytes(), type=_State)
    start, before = state.position, state.count
    with ReplayEnvironment(base.platform(folder / "home"), VirtualClock(start.clock)) as environment:
        recorder = Recorder(environment, folder, who.name, part.baselines, state.lengths)
        replayer = Replayer(
            environment,
            who,
            base.settings,
            start=start,
            checkpoint=lambda position: write_file(
                path, msgspec.json.encode(_State(position, recorder.flush(), before + recorder.count))
            ),
        )
        moments = base.moments(rejections)
        for moment in islice(moments, start.moments):
            replayer.recall(moment)
        replayer.resume()

        def record(played: Played) -> None:
            if played.ask.counted and played.ask.answers:
                judge = environment.judge(played.ask)
                recorder.add(played, judge, part.look(who.name, environment, played.answer, judge))

        for moment in moments:
            replayer.take(moment, record)
            if isinstance(moment, Ask) and moment.counted and recorder.count % _TOLD_EVERY == 0:
                progress(who.name, before + recorder.count)
        replayer.finish()
        recorder.close()
    progress(who.name, before + recorder.count)
    return before + recorder.count


class _State(msgspec.Struct, frozen=True):
    """What a policy's folder says of it: its position, the lengths of its files, how many searches were judged."""

    position: Position
    lengths: dict[str, int] = {}
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedRun:
    """What every evaluation leaves: which rankings there are, and the file of rows of each.

    ``baselines`` and ``statics`` (`STATIC`) are rankings beside the policies'. ``rejected`` rows of the data could not
    be used, for ``reasons``. ``seconds`` is how long each policy took; ``settings`` are those of the evaluation and of
    the platform, as the result tells them.
    """

    data: Provenance
    rows: Mapping[str, Path]
    policies: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    statics: tuple[str, ...] = ()
    rejected: int = 0
    reasons: tuple[str, ...] = ()
    seconds: Mapping[str, float]
    seed: int
    resamples: int
    settings: Mapping[str, object]

    def tables(self) -> dict[str, Table]:
        """Every ranking, read and measured.

        Raises:
            StorageError: rows are missing or damaged.
            MissingDependency: ir-measures is not installed.
        """
        return {name: table_of(name, read_rows(path)) for name, path in self.rows.items()}


def play(
    dataset: Dataset,
    settings: ReplaySettings,
    folder: Path,
    *,
    progress: PlayProgress = lambda *_: None,
    look: Look = no_look,
) -> PlayedRun:
    """Play every policy of ``settings`` over the data set; rows are left in ``folder``.

    Cut off at any point, the same call goes on where it was.

    Raises:
        BadInput: the stream holds no search, or is damaged.
        Conflict: the folder holds another replay.
    """
    prepared = _Prepared(dataset, settings, folder, look)
    return prepared.run([part.play(progress) for part in prepared.parts])


def play_on_dask(
    dataset: Dataset, settings: ReplaySettings, folder: Path, address: str, *, progress: PlayProgress = lambda *_: None
) -> PlayedRun:
    """`play` with the policies side by side on the workers of the Dask scheduler at ``address``.

    The workers must see ``folder``, and what the data set is read from, under the same paths. Each policy is told of
    when it has ended.

    Raises:
        BadInput, Conflict: see `play`.
        Unavailable: the scheduler cannot be reached, or has no workers.
    """
    with DaskWorkers(address) as dask:
        prepared, ended = _Prepared(dataset, settings, folder, no_look), list[Ended]()
        for part, each in zip(prepared.parts, dask.each(PolicyRun.play, prepared.parts), strict=True):
            progress(part.who.name, each.count)
            ended.append(each)
    return prepared.run(ended)


class _Prepared:
    """A replay of which every policy can begin."""

    def __init__(self, dataset: Dataset, settings: ReplaySettings, folder: Path, look: Look) -> None:
        claim(folder / "replay.json", "replay", dataset.name, dataset.protocol, dataset.sha256, repr(settings))
        self._dataset, self._settings, self._folder = dataset, settings, folder
        self._start = start = Start(dataset, settings, folder / "base")
        start.prepare(Rejections())
        self._statics = static_baselines() if settings.oracle else ()
        extra = (*(baseline(name) for name in settings.baselines), *self._statics)
        self.parts = [
            PolicyRun(who, extra if who.name == "all" else (), start, folder / "policies" / who.name, look)
            for who in settings.contestants()
        ]

    def run(self, ended: Sequence[Ended]) -> PlayedRun:
        """What came of the parts, given in their order."""
        if not all(each.count for each in ended):
            raise BadInput(
                f"{self._dataset.name}: the stream holds no search to count; look at since, until and the rows refused"
            )
        names, last = tuple(part.who.name for part in self.parts), ended[-1].rejections
        statics = tuple(each.name for each in self._statics)
        folders = {name: self._folder / "policies" / name for name in names}
        folders |= dict.fromkeys((*self._settings.baselines, *statics), self._folder / "policies" / "all")
        platform = self._start.platform(self._folder).model_dump(mode="json", exclude=set(HIDDEN))
        return PlayedRun(
            data=self._dataset,
            rows={name: rows_path(folder, name) for name, folder in folders.items()},
            policies=names,
            baselines=self._settings.baselines,
            statics=statics,
            rejected=self._start.refused + last.count,
            reasons=last.named(),
            seconds={name: each.seconds for name, each in zip(names, ended, strict=True)},
            seed=self._settings.seed,
            resamples=self._settings.bootstrap,
            settings={"replay": asdict(self._settings), "platform": platform},
        )


@contextmanager
def kept_or_scratch(folder: Path | None) -> Iterator[Path]:
    """The folder that was given, or one that is gone at the end."""
    if folder is not None:
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="bandstand-") as scratch:
            yield Path(scratch)


def claim(path: Path, what: str, *want: object) -> None:
    """Take a folder for the evaluation that ``want`` tells, which is written there, or go on with the same one.

    Raises:
        Conflict: the folder holds another one.
        StorageError: it cannot be used.
    """
    folder, content = path.parent, orjson.dumps(want)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != content:
            raise Conflict(f"{folder} holds another {what} (other data or settings): give another folder, or delete it")
        write_file(path, content)
    except OSError as cause:
        raise StorageError(f"{folder} cannot be used: {cause.strerror}") from cause
