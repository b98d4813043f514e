"""An operator's synonyms: a file that is read again when it changes, with a history that can be undone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import orjson
import structlog

from bandstand.errors import BadInput, BandstandError, NotFound, StorageError
from bandstand.files import append_line, locked, write_file
from bandstand.types import Clock, timed_id
from bandstand.understanding.synonyms import Synonyms, load_synonyms, parse_synonyms

Action = Literal["add", "remove"]

INVERSE: dict[Action, Action] = {"add": "remove", "remove": "add"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SynonymChange:
    """One change: ``id`` sorts by time (seconds since 1970), ``undoes`` names the change that it takes back, if any.

    ``undone`` is when it was taken back itself.
    """

    id: str
    time: float
    action: Action
    line: str
    undoes: str | None = None
    undone: float | None = None


class SynonymHistory:
    """The changes in the file at a path, which need not be there; who writes holds the lock of its folder."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path, self._clock = path, clock

    def record(self, action: Action, line: str, *, undoes: str | None = None) -> None:
        """Put a change on record, durably.

        Raises:
            StorageError: the file cannot be written.
        """
        now = self._clock()
        change = SynonymChange(id=timed_id(now), time=now, action=action, line=line, undoes=undoes)
        try:
            append_line(self._path, orjson.dumps(asdict(change)))
        except OSError as error:
            raise StorageError(f"the record of synonyms {self._path} cannot be written: {error}") from error

    def changes(self) -> list[SynonymChange]:
        """Every change, newest first.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
            found = [SynonymChange(**orjson.loads(line)) for line in lines if line.endswith(b"}")]  # else: cut off
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(f"the record of synonyms {self._path} cannot be read: {error}. Move it away.") from error
        return _with_undone(found)[::-1]

    def change(self, id_: str) -> SynonymChange:
        """The change of an id.

        Raises:
            NotFound: there is none.
            StorageError: the file cannot be read.
        """
        for change in self.changes():
            if change.id == id_:
                return change
        raise NotFound(f"there is no change {id_!r}: `bandstand synonyms changes` shows all")


def _with_undone(found: Sequence[SynonymChange]) -> list[SynonymChange]:
    times = {change.undoes: change.time for change in found if change.undoes is not None}
    return [replace(change, undone=times.get(change.id)) for change in found]


Stamp = tuple[int, int, int]
"""What changes with a file's content: its inode, size, and time of change."""


class SynonymFile:
    """The table at a path, which need not be there; its changes are kept beside it. Safe for threads and processes."""

    def __init__(self, path: Path, *, clock: Clock = time.time) -> None:
        self._path = path
        self._history = SynonymHistory(path.with_name(f"{path.stem}.changes.ndjson"), clock=clock)
        self._stamp: Stamp | None = None
        self._refused = ""

    def lines(self) -> list[str]:
        """The entries, without remarks and blank lines.

        Raises:
            StorageError: the file cannot be read.
        """
        return [line for text in self._text().splitlines() if (line := _plain(text))]

    def add(self, line: str) -> list[str]:
        """Add an entry, if it is not there yet; all entries.

        Raises:
            BadInput: it is none, or several.
            StorageError: the file cannot be read or written.
        """
        wanted = _entry(line)
        with locked(self._path.parent):
            if wanted not in self.lines():
                self._change("add", wanted)
            return self.lines()

    def remove(self, line: str) -> list[str]:
        """Take an entry out; all that are left.

        Raises:
            NotFound: it is not there.
            StorageError: the file cannot be read or written.
        """
        wanted = _plain(line)
        with locked(self._path.parent):
            if wanted not in self.lines():
                raise NotFound(f"there is no synonym {wanted!r}: `bandstand synonyms list` shows all")
            self._change("remove", wanted)
            return self.lines()

    def changes(self) -> list[SynonymChange]:
        """Every change that was made through this class, newest first.

        Raises:
            StorageError: their file cannot be read.
        """
        return self._history.changes()

    def undo(self, id_: str) -> list[str]:
        """Take a change back; all entries. Once it was undone nothing happens.

        Raises:
            NotFound: there is no change of that id.
            StorageError: a file cannot be read or written.
        """
        with locked(self._path.parent):
            change = self._history.change(id_)
            if change.undone is None:
                self._change(INVERSE[change.action], change.line, undoes=id_)
            return self.lines()

    def _change(self, action: Action, line: str, *, undoes: str | None = None) -> None:
        """On record first: a kill between the two leaves a change that undoing, which looks at the table, forgives."""
        self._history.record(action, line, undoes=undoes)
        text = self._text()
        if action == "remove":
            self._write("".join(f"{held}\n" for held in text.splitlines() if _plain(held) != line))
        elif line not in self.lines():
            self._write(text + "\n" * (not text.endswith("\n") and bool(text)) + line + "\n")

    def table(self) -> Synonyms:
        """The bundled table with this one over it.

        Raises:
            BadInput: a line is wrong.
            StorageError: the file cannot be read.
        """
        return load_synonyms(self._path if self._now() is not None else None)

    def changed(self) -> Synonyms | None:
        """The bundled table with this one over it, if it has changed since the last call.

        While it cannot be used, what was in use stays: the log says why, once.
        """
        try:
            stamp = self._now()
            if stamp == self._stamp:
                return None
            found = self.table()
        except BandstandError as error:
            if str(error) != self._refused:
                structlog.get_logger("understanding").error("synonyms_refused", reason=str(error))
            self._refused = str(error)
            return None
        self._stamp, self._refused = stamp, ""
        return found

    def _now(self) -> Stamp | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise self._unusable(error) from error

    def _write(self, text: str) -> None:
        try:
            write_file(self._path, text.encode())
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StorageError:
        return StorageError(
            f"the synonym table {self._path} cannot be used: {error}. Make it UTF-8 text, readable here."
        )


def _plain(line: str) -> str:
    """A line without remark, its white space as single blanks."""
    return " ".join(line.partition("#")[0].split())


def _entry(line: str) -> str:
    found = _plain(line)
    if len(line.splitlines()) != 1 or not found:
        raise BadInput("a synonym is one line: 'phrase -> slot:value' or 'phrase = phrase'", field="line")
    parse_synonyms(found)
    return found
