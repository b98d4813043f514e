"""What an ingest writes beside the store: the rejected rows, and how far it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

import orjson

from bandstand.catalog.readers.base import Rejected, printable
from bandstand.errors import StorageError

_HEAD = 65_536


class Journal:
    """The rejects file and the resume file of one ingest.

    ``start`` is the last line that an earlier run of the same file committed, 0 for a fresh start. The resume file
    also holds the rejects file's length at that time, so that rows read again are not listed twice.

    Raises:
        StorageError: a file cannot be written.
    """

    def __init__(self, source: Path, *, rejects: Path, resume: Path | None) -> None:
        self._rejects = rejects
        self._resume = resume
        self._fingerprint = fingerprint(source) if resume is not None else ""
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
            if state["fingerprint"] != self._fingerprint:
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
            draft = resume.with_name(f"{resume.name}.part")
            draft.write_bytes(orjson.dumps(state))
            draft.replace(resume)


def fingerprint(path: Path) -> str:
    """Return a hash of a file's length and its first 64 KiB."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return blake2b(b"%d\n%s" % (path.stat().st_size, head), digest_size=16).hexdigest()


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
