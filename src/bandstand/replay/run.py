"""One replay from beginning to end: a home is prepared, copied for each policy, and played, here or on Dask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bandstand.dask_workers import DaskWorkers
from bandstand.errors import BadInput, Conflict, StorageError
from bandstand.files import write_file
from bandstand.replay.baselines import baseline, static_baselines
from bandstand.replay.part import Ended, Part, Told, Watching
from bandstand.replay.settings import HIDDEN, ReplaySettings
from bandstand.replay.start import Rejections, Start
from bandstand.replay.stream import Dataset


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
    prepared = _Prepared(dataset, settings, folder, watching)
    return prepared.run([part.play(told) for part in prepared.parts])


def play_on_dask(
    dataset: Dataset, settings: ReplaySettings, folder: Path, address: str, *, told: Told = lambda *_: None
) -> PlayedRun:
    """`play` with the policies side by side on the workers of the Dask scheduler at ``address``.

    The workers must see ``folder``, and what the data set is read from, under the same paths. Each policy is told of
    when it has ended.

    Raises:
        BadInput, Conflict: see `play`.
        Unavailable: the scheduler cannot be reached, or has no workers.
    """
    with DaskWorkers(address) as dask:
        prepared, ended = _Prepared(dataset, settings, folder, lambda *_: lambda _: None), list[Ended]()
        for part, each in zip(prepared.parts, dask.each(Part.play, prepared.parts), strict=True):
            told(part.who.name, each.count)
            ended.append(each)
    return prepared.run(ended)


class _Prepared:
    """A replay of which every policy can begin."""

    def __init__(self, dataset: Dataset, settings: ReplaySettings, folder: Path, watching: Watching) -> None:
        _claim(folder, dataset, settings)
        self._dataset, self._settings, self._folder = dataset, settings, folder
        self._start = start = Start(dataset, settings, folder / "base")
        start.prepare(Rejections())
        self._statics = static_baselines() if settings.oracle else ()
        extra = (*(baseline(name) for name in settings.baselines), *self._statics)
        self.parts = [
            Part(who, extra if who.name == "all" else (), start, folder / "policies" / who.name, watching)
            for who in settings.contestants()
        ]

    def run(self, ended: Sequence[Ended]) -> PlayedRun:
        """What came of the parts, given in their order."""
        if not all(each.count for each in ended):
            raise BadInput(
                f"{self._dataset.name}: the stream holds no search to count; look at since, until and the rows refused"
            )
        names, last = tuple(part.who.name for part in self.parts), ended[-1].rejections
        return PlayedRun(
            folder=self._folder,
            policies=names,
            baselines=self._settings.baselines,
            statics=tuple(each.name for each in self._statics),
            rejected=self._start.refused + last.count,
            reasons=last.named(),
            seconds={name: each.seconds for name, each in zip(names, ended, strict=True)},
            platform=self._start.platform(self._folder).model_dump(mode="json", exclude=set(HIDDEN)),
        )


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
