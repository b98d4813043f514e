"""Training the ranker on Dask: the log is exported in partitions, and each worker reads its own.

A partition is a small log of its own (`feedback.log`), with the clicked searches that were dealt to it and their
events: what reads the whole log reads it too. Synthetic examples of self-play lie beside it as rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bandstand.dask_workers import DaskWorkers
from bandstand.errors import StorageError
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.joined import Joined, joined
from bandstand.feedback.log import Log
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.learner.selfplay import Curriculum
from bandstand.learner.train_ranker import (
    SYNTHETIC_WEIGHT,
    Trained,
    clicked_part,
    clicks_set,
    curriculum_set,
    nothing_to_learn,
)
from bandstand.ranker.dask import train_on_dask
from bandstand.ranker.train import RoundsProgress, TrainSettings
from bandstand.ranker.training_set import TrainingSet, concatenate, read_set, write_set
from bandstand.types import FeatureLayout


@dataclass(frozen=True, slots=True)
class Partition:
    """A log file, seconds within which events join its searches, and a file of synthetic examples if there are any.

    Its rows are read in the columns of ``layout``.
    """

    log: Path
    layout: FeatureLayout
    window: float
    examples: Path | None

    def __call__(self) -> TrainingSet:
        """Read it; on the worker.

        Raises:
            StorageError: this machine does not see the file.
        """
        if not self.log.exists():
            raise StorageError(f"{self.log} is not there: name a folder that every worker sees with --partitions")
        with closing(_open(self.log)) as log:
            clicks, _ = clicks_set(joined(log, self.window), self.layout)
        examples = None if self.examples is None else read_set(self.examples)
        data = concatenate(clicks, examples) if clicks is not None and examples is not None else clicks or examples
        if data is None:
            raise nothing_to_learn()
        return data


@dataclass(frozen=True, slots=True)
class Exported:
    """The partitions that hold anything, how many searches they hold in all, and the time that those span."""

    partitions: tuple[Partition, ...]
    clicked: int
    span: tuple[float, float]


class DaskTraining:
    """A `Train` on the workers that the scheduler at ``address`` has when training begins.

    ``folder`` is where the partitions lie meanwhile; every worker must see it under the same path.

    Raises:
        Unavailable: the scheduler cannot be reached, or has no workers.
        BadInput, ModelError: see `train_on_dask`.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._address, self._folder = address, folder

    def __call__(
        self,
        curriculum: Curriculum,
        searches: Iterable[Joined],
        layout: FeatureLayout,
        seed: int,
        settings: TrainSettings,
        progress: RoundsProgress | None,  # noqa: ARG002 - the workers tell nobody
    ) -> Trained:
        """See `Train`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Gone at the end: a user who is forgotten must not live on in a copy.
        with (
            DaskWorkers(self._address) as dask,
            tempfile.TemporaryDirectory(prefix="partitions-", dir=self._folder) as folder,
        ):
            exported = export(searches, curriculum, layout, Path(folder), count=len(dask.workers), seed=seed)
            ranker = train_on_dask(
                dask, exported.partitions, retrievers=layout.retrievers, settings=settings, seed=seed
            )
        return Trained(ranker, exported.clicked, exported.span)


def export(
    searches: Iterable[Joined],
    curriculum: Curriculum,
    layout: FeatureLayout,
    folder: Path,
    *,
    count: int,
    seed: int,
) -> Exported:
    """Deal searches that satisfied somebody, and synthetic examples, out in turns into at most ``count`` partitions.

    Holds one search at a time, however long the log is.

    Raises:
        BadInput: there is neither a synthetic example nor a clicked search.
    """
    paths = [folder / f"{number}.sqlite" for number in range(count)]
    clicked, first, last, window = 0, float("inf"), float("-inf"), 0.0
    with ExitStack() as opened:
        logs = [opened.enter_context(closing(_open(path))) for path in paths]
        for search in searches:
            if clicked_part(search, layout) is None:
                continue
            log, when, window = logs[clicked % count], search.impression.query.time, search.attribution.window
            log.append_impression(search.impression)
            log.append_events(search.events)
            clicked, first, last = clicked + 1, min(first, when), max(last, when)
    examples = curriculum_set(curriculum, layout, weight=SYNTHETIC_WEIGHT if clicked else 1.0, seed=seed)
    files = {} if examples is None else _deal_examples(examples, folder, count=count)
    filled = max(min(clicked, count), len(files))
    if not filled:
        raise nothing_to_learn()
    partitions = [Partition(path, layout, window, files.get(number)) for number, path in enumerate(paths[:filled])]
    return Exported(tuple(partitions), clicked, (first, last) if clicked else (0.0, 0.0))


def _deal_examples(data: TrainingSet, folder: Path, *, count: int) -> dict[int, Path]:
    """The files of the synthetic examples by number of the partition."""
    dealt = np.arange(len(data)) % count
    paths = {number: folder / f"{number}.npz" for number in range(min(count, len(data)))}
    for number, path in paths.items():
        write_set(data.queries(dealt == number), path)
    return paths


def _open(path: Path) -> Log:
    return SqliteLog(path, clock=time.time, settings=CommitSettings(durable=False))
