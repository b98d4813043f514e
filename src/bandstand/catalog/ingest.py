"""From a file into the store: batch by batch, bad rows set aside, interrupted and resumed at will."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

import orjson

from bandstand.catalog.codec import checked
from bandstand.catalog.readers.base import Reader, Rejected, Row, printable
from bandstand.catalog.sources import Source
from bandstand.catalog.store import CHUNK, Store
from bandstand.errors import BadInput, StorageError
from bandstand.files import write_file
from bandstand.types import Clock, Entity
from bandstand.types.hashing import checksum, digest

_HEAD = 65_536


class Journal:
    """The rejects file and the resume file of one ingest.

    ``start`` is the last line that an earlier run of the same file committed, 0 for a fresh start; ``asked`` says how
    the file is read: another way starts afresh. The resume file also holds the rejects file's length at that time, so
    that rows read again are not listed twice.

    Raises:
        StorageError: a file cannot be written.
    """

    def __init__(self, source: Path | None, *, rejects: Path, resume: Path | None = None, asked: str = "") -> None:
        self._rejects = rejects
        self._resume = resume
        self._fingerprint = fingerprint(source) + asked if source is not None and resume is not None else ""
        self.start, length = self._load()
        with _writable(rejects):
            if length:
                with rejects.open("r+b") as file:
                    file.truncate(length)
            else:
                rejects.unlink(missing_ok=True)

    def commit(self, rejected: Sequence[Rejected], line: int) -> None:
        """Write rejected rows, then the line up to which everything is done."""
        if rejected:
            with _writable(self._rejects):
                self._rejects.parent.mkdir(parents=True, exist_ok=True)
                with self._rejects.open("ab") as file:
                    _write(file, rejected)
        if self._resume is not None:
            self._save(self._resume, line)

    def finish(self) -> None:
        """Forget how far the ingest came: it is complete."""
        if self._resume is not None:
            with _writable(self._resume):
                self._resume.unlink(missing_ok=True)

    def _load(self) -> tuple[int, int]:
        """Return (line, length of the rejects) of an earlier run of the same file, zeros when there was none."""
        if self._resume is None or not self._resume.exists():
            return 0, 0
        try:
            state = orjson.loads(self._resume.read_bytes())
            if state["fingerprint"] != self._fingerprint or state.pop("sum") != checksum(*state.values()):
                return 0, 0
            length = int(state["rejects"])
            known = not length or (self._rejects.exists() and self._rejects.stat().st_size >= length)
            return (int(state["line"]), length) if known else (0, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0  # starting over is always right, only slower

    def _save(self, resume: Path, line: int) -> None:
        length = self._rejects.stat().st_size if self._rejects.exists() else 0
        state = {"fingerprint": self._fingerprint, "line": line, "rejects": length}
        with _writable(resume):
            resume.parent.mkdir(parents=True, exist_ok=True)
            write_file(resume, orjson.dumps({**state, "sum": checksum(*state.values())}))


def fingerprint(path: Path) -> str:
    """Return a hash of a file's length and its first 64 KiB."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return digest(b"%d\n%s" % (path.stat().st_size, head), 16).hex()


def _write(file: IO[bytes], rejected: Sequence[Rejected]) -> None:
    for row in rejected:
        content = {"line": row.line, "reason": printable(row.reason), "raw": printable(row.raw)}
        file.write(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}. Make its folder writable or free space.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did so far.

    ``read`` entities, of which ``changed`` were new or other than stored; ``rejected`` rows; ``skipped`` rows that an
    earlier, interrupted run had already committed; ``removed`` entities that the source no longer holds.
    """

    read: int = 0
    changed: int = 0
    rejected: int = 0
    skipped: int = 0
    removed: int = 0
    seconds: float = 0.0

    @property
    def unchanged(self) -> int:
        """Entities that were stored with the same content already."""
        return self.read - self.changed


Progress = Callable[[IngestReport], None]


def ingest(  # noqa: PLR0913 - what one ingest consists of
    reader: Reader,
    path: Path,
    store: Store,
    *,
    rejects: Path,
    resume: Path | None = None,
    asked: str = "",
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> IngestReport:
    """Store every usable row of a file and report.

    Each batch is one transaction. ``rejects`` receives the unusable rows as NDJSON ``{line, reason, raw}``, and exists
    afterwards only if there were any. ``resume`` is a file that remembers how far a streaming reader came, until the
    end is reached, by a reader that was ``asked`` the same; the other readers read all again, which changes nothing
    twice. ``progress`` is called after each
    batch. The same file twice changes nothing.

    Raises:
        BadInput: the file is missing, empty, damaged, or not of the reader's format.
        StorageError: the store, the rejects or the resume file cannot be written.
    """
    if not path.exists():
        raise BadInput(f"there is no file {path}")
    journal = Journal(path, rejects=rejects, resume=resume if reader.streaming else None, asked=asked)
    report = _stored(reader.read(path), store, journal, progress, clock)
    if not report.read + report.rejected + report.skipped:
        raise BadInput(f"{path} is empty: nothing was ingested")
    return report


def ingest_entities(
    entities: Iterable[Entity | Mapping[str, object]],
    store: Store,
    *,
    rejects: Path,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> IngestReport:
    """The same for entities at hand, or mappings with their fields; ``line`` counts them from 1.

    Raises:
        StorageError: the store or the rejects cannot be written.
    """
    rows = (_checked(number, entity) for number, entity in enumerate(entities, start=1))
    return ingest_rows(rows, store, rejects=rejects, progress=progress, clock=clock)


def ingest_rows(
    rows: Iterator[Row | Rejected],
    store: Store,
    *,
    rejects: Path,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> IngestReport:
    """The same for rows that somebody has read.

    Raises:
        StorageError: the store or the rejects cannot be written.
    """
    return _stored(rows, store, Journal(None, rejects=rejects), progress, clock)


def ingest_source(
    rows: Iterable[Row | Rejected],
    store: Store,
    source: Source,
    *,
    rejects: Path,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> IngestReport:
    """The same for everything that a library or a server holds: what it held before and no longer does is deleted.

    Raises:
        BadInput: from ``rows``; then nothing is deleted.
        StorageError: the store, the source's file or the rejects cannot be written.
    """
    ids = set[str]()

    def noted() -> Iterator[Row | Rejected]:
        for row in rows:
            if isinstance(row, Row):
                ids.add(row.entity.id)
            yield row

    report = _stored(noted(), store, Journal(None, rejects=rejects), progress, clock)
    removed = store.delete(source.gone(ids))
    source.consists_of(ids)
    return replace(report, removed=removed)


def _checked(number: int, entity: Entity | Mapping[str, object]) -> Row | Rejected:
    try:
        return Row(number, checked(entity))
    except BadInput as error:
        return Rejected(number, str(error), repr(entity))


def _stored(
    rows: Iterator[Row | Rejected], store: Store, journal: Journal, progress: Progress | None, clock: Clock
) -> IngestReport:
    """Store rows batch by batch."""
    started, report = clock(), IngestReport()
    while batch := list(islice(rows, CHUNK)):
        report = _take(batch, store, journal, report)
        report = replace(report, seconds=clock() - started)
        if progress is not None:
            progress(report)
    journal.finish()
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
