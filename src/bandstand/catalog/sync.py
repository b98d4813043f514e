"""A source as the truth: what it does not hold is deleted, once somebody has seen how much that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from bandstand.catalog.ingest import IngestReport, Progress, ingest_rows
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.store import CHUNK, Store
from bandstand.errors import BadInput

Read = Callable[[], Iterator[Row | Rejected]]
"""Reads the source, from the beginning."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a sync would do: entities of the source that are new or known, and ids that it does not hold.

    ``titles`` are those of the first missing ones.
    """

    new: int
    known: int
    rejected: int
    missing: tuple[str, ...]
    titles: tuple[str, ...]

    def __str__(self) -> str:
        rows = f"{self.new} new, {self.known} known, {self.rejected} rejected"
        if not self.missing:
            return f"{rows}; nothing is to be deleted"
        more = ", ..." if len(self.missing) > len(self.titles) else ""
        return f"{rows}; to be deleted: {len(self.missing)} ({', '.join(self.titles)}{more})"


def plan_sync(rows: Iterator[Row | Rejected], store: Store) -> SyncPlan:
    """What a sync with a source of these rows would do; changes nothing. Holds one bit or so for each entity.

    Raises:
        BadInput: the source holds nothing that can be used: that is hardly the truth.
    """
    held = np.zeros(store.ordinal_history().last, np.bool_)  # who comes meanwhile is neither held nor missing
    new = rejected = read = 0
    while batch := list(islice(rows, CHUNK)):
        ids = list(dict.fromkeys(row.entity.id for row in batch if isinstance(row, Row)))
        rejected += sum(isinstance(row, Rejected) for row in batch)
        ordinals = store.ordinals(ids)
        held[ordinals[(ordinals >= 0) & (ordinals < len(held))]] = True
        new += int(np.count_nonzero(ordinals < 0))
        read += len(ids)
    if not read:
        raise BadInput("the source holds no entity that can be used: nothing was changed")
    missing, titles = list[str](), list[str]()
    for ordinal, entity in store.scan():
        if ordinal < len(held) and not held[ordinal]:
            missing.append(entity.id)
            titles += [entity.title] if len(titles) < _SHOWN else []
    known = int(np.count_nonzero(held))
    return SyncPlan(new=new, known=known, rejected=rejected, missing=tuple(missing), titles=tuple(titles))


def sync(
    read: Read,
    store: Store,
    agreed: Callable[[SyncPlan], bool],
    *,
    rejects: Path,
    progress: Progress | None = None,
) -> IngestReport:
    """Store what a source holds, and delete what it does not, where somebody has ``agreed``; without, change nothing.

    Raises:
        BadInput: nobody agreed; the message is the summary. Or the source holds nothing.
    """
    plan = plan_sync(read(), store)
    if plan.missing and not agreed(plan):
        raise BadInput(f"{plan}. Nothing was changed: agree with --yes", field="sync")
    report = ingest_rows(read(), store, rejects=rejects, progress=progress)
    return replace(report, removed=store.delete(plan.missing))
