"""From a file into the store: batch by batch, bad rows set aside, interrupted and resumed at will."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from bandstand.catalog.base import Store
from bandstand.catalog.journal import Journal
from bandstand.catalog.readers.base import Reader, Rejected, Row
from bandstand.catalog.store import CHUNK
from bandstand.errors import BadInput
from bandstand.types import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did so far.

    ``read`` entities, of which ``changed`` were new or other than stored; ``rejected`` rows; ``skipped`` rows that an
    earlier, interrupted run had already committed.
    """

    read: int = 0
    changed: int = 0
    rejected: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def unchanged(self) -> int:
        """Entities that were stored with the same content already."""
        return self.read - self.changed


Progress = Callable[[IngestReport], None]


def ingest(
    reader: Reader,
    path: Path,
    store: Store,
    *,
    rejects: Path,
    resume: Path | None = None,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> IngestReport:
    """Store every usable row of a file and report.

    Each batch is one transaction. ``rejects`` receives the unusable rows as NDJSON ``{line, reason, raw}``, and exists
    afterwards only if there were any. ``resume`` is a file that remembers how far a streaming reader came, until the
    end is reached; the other readers read all again, which changes nothing twice. ``progress`` is called after each
    batch. The same file twice changes nothing.

    Raises:
        BadInput: the file is missing, empty, damaged, or not of the reader's format.
        StorageError: the store, the rejects or the resume file cannot be written.
    """
    if not path.exists():
        raise BadInput(f"there is no file {path}")
    started, report = clock(), IngestReport()
    journal = Journal(path, rejects=rejects, resume=resume if reader.streaming else None)
    rows = reader.read(path)
    while batch := list(islice(rows, CHUNK)):
        report = _take(batch, store, journal, report)
        report = replace(report, seconds=clock() - started)
        if progress is not None:
            progress(report)
    journal.finish()
    if not report.read + report.rejected + report.skipped:
        raise BadInput(f"{path} is empty: nothing was ingested")
    return report


def _take(batch: list[Row | Rejected], store: Store, journal: Journal, report: IngestReport) -> IngestReport:
    """Commit one batch: first the entities, then the rejects, then how far we came."""
    new = [row for row in batch if row.line > journal.start]
    entities = [row.entity for row in new if isinstance(row, Row)]
    refused = [row for row in new if isinstance(row, Rejected)]
    changed = store.upsert(entities)
    if new:
        journal.commit(refused, new[-1].line)
    return replace(
        report,
        read=report.read + len(entities),
        changed=report.changed + changed,
        rejected=report.rejected + len(refused),
        skipped=report.skipped + len(batch) - len(new),
    )
