"""SQLite files of ours: how they are opened, shared by threads and processes, written, and what their errors mean."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bandstand.errors import DamagedFile, StorageError
from bandstand.types.history import UNTOLD, Chapter, History

BUSY_S = 30.0
"""How long a connection waits for the locks of others, unless it is told otherwise."""

_APPLICATION_ID = 0x42534343  # "BSCC": tells our file from somebody else's database
_FOREIGN = "it is damaged or not ours; restore it from a backup, or move it away and begin a new one"
_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again, nothing that was acknowledged is lost",
    sqlite3.SQLITE_READONLY: "it is read-only; make the file and its folder writable",
    sqlite3.SQLITE_BUSY: "another process holds its lock; stop the other writer or try again",
    sqlite3.SQLITE_LOCKED: "another process holds its lock; stop the other writer or try again",
    sqlite3.SQLITE_CORRUPT: _FOREIGN,
    sqlite3.SQLITE_NOTADB: _FOREIGN,
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the folder exists and is writable",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk and its free space",
}

_UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
_THAW_S = 1.0
"""How often it is looked whether a file that could only be read can be written again."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Values = Sequence[object] | Mapping[str, object]

CHAPTERS = "CREATE TABLE chapters (first INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"
_BEGIN_CHAPTER = "INSERT OR REPLACE INTO chapters VALUES (({numbers}) + 1, ?)"
"""Where another process has begun one and has written nothing, its place is taken."""


def tell_chapters(connection: sqlite3.Connection) -> None:
    """Upgrade a file of a version without chapters: all that it holds is one."""
    connection.execute(CHAPTERS)
    connection.execute("INSERT INTO chapters VALUES (?, ?)", (UNTOLD, _new_name()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a file holds: a version, to be raised with every change, and the statements that make a new file.

    ``upgrades`` has for every version that there was what brings a file of it to the next one. A ``signed`` file
    carries our application id, and a database without it is refused; logs are older than the id. Where a file
    ``erases``, what is deleted is overwritten with zeros. ``numbers`` is the query for the last number that a file has
    given, where others remember such numbers: then it has the table `CHAPTERS`, and every connection that writes begins
    a chapter. ``page_bytes`` is the size of a new file's pages.
    """

    version: int
    schema: tuple[str, ...]
    upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] = field(default_factory=dict)
    signed: bool = True
    erases: bool = False
    numbers: str | None = None
    page_bytes: int = 4_096


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Raise `StorageError` with the remedy for whatever SQLite raises inside the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise _mapped(path, error) from error


def _code(error: sqlite3.Error) -> int:
    """The primary code, the low byte: SQLITE_IOERR_FSYNC and its like share the remedy of SQLITE_IOERR."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _mapped(path: Path, error: sqlite3.Error) -> StorageError:
    remedy = _REMEDIES.get(_code(error), "close other programs that use it, open it again and try once more")
    kind = DamagedFile if _code(error) in _DAMAGED else StorageError
    return kind(f"{path} failed ({error}): {remedy}")


class Database:
    """One connection to a file, made where it is missing, in WAL mode; the threads that share it take turns.

    Where nothing can be written, as on a full or read-only disk, what is there can be read all the same; writing fails,
    and is possible again once it is.

    ``synchronous`` says when a commit is on disk: FULL before it returns, NORMAL a moment later (a power cut may take
    the last commits), OFF whenever the system likes (likewise, and it may damage the file).

    Raises:
        StorageError: from any method: the file cannot be opened, read or written, belongs to another program, or was
            written by a newer version.
    """

    def __init__(
        self,
        path: Path,
        form: Format,
        *,
        busy_s: float = BUSY_S,
        synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL",
    ) -> None:
        self.path = path
        self._numbers, self._chapter = form.numbers, False
        self._form, self._busy_s, self._synchronous = form, busy_s, synchronous
        self._turn = threading.RLock()
        self._frozen: StorageError | None = None
        self._looked = 0.0
        with mapped(path):
            try:
                self._connection = self._writable()
            except sqlite3.Error as error:
                self._connection = self._readable(error)

    def rows(self, statement: str, values: Values = ()) -> list[Any]:
        """Every row that a statement gives, which is a transaction of its own outside of `transaction`."""
        with self._turn, mapped(self.path):
            if self._frozen is not None and (self._logged() or time.monotonic() - self._looked > _THAW_S):
                self._thaw()
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self, mode: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """One transaction: on disk after the block, undone when the block or the commit fails.

        IMMEDIATE is held from before its first read, so that numbers are given in the order of commits.
        """
        begins = self._numbers is not None and mode == "IMMEDIATE" and not self._chapter
        with self._transaction(mode) as connection:
            if begins:
                connection.execute(_BEGIN_CHAPTER.format(numbers=self._numbers), (_new_name(),))
            yield connection
        self._chapter = self._chapter or begins

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file's pages and indexes; nothing where they are whole."""
        try:
            found = [str(says) for (says,) in self.rows("PRAGMA integrity_check(20)")]
        except DamagedFile as error:
            return [str(error)]
        return [] if found == ["ok"] else found

    def history(self) -> History:
        """The chapters of the file's numbers."""
        ((last,),) = self.rows(self._numbers or "SELECT 0")  # first: its chapter is then among those that are read
        chapters = self.rows("SELECT first, name FROM chapters ORDER BY first")
        return History(tuple(Chapter(*row) for row in chapters), last)

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[sqlite3.Connection]:
        with self._turn, mapped(self.path):
            if self._frozen is not None and mode == "IMMEDIATE" and not self._thaw():
                raise self._frozen
            with _begun(self._connection, mode):
                yield self._connection

    def truncate_log(self) -> None:
        """Move everything from the write-ahead log into the database and cut the former to zero bytes.

        Raises:
            StorageError: readers of other connections kept old pages in use.
        """
        ((busy, _, _),) = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise StorageError(
                f"deleted, but {self.path}-wal still holds old pages for a reader; end long reads and try again"
            )

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._turn, mapped(self.path):
            self._connection.close()

    def _writable(self) -> sqlite3.Connection:
        """A connection that reads and writes, the file made or brought to this version where it must be."""
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            _refuse(connection, self.path, self._form)
            connection.execute(f"PRAGMA page_size = {self._form.page_bytes}")  # changes no file that there is
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            if self._form.erases:
                connection.execute("PRAGMA secure_delete = ON")
            if _number(connection, "PRAGMA user_version") != self._form.version:
                _prepare(connection, self._form)
        except BaseException:
            connection.close()
            raise
        return connection

    def _readable(self, error: sqlite3.Error) -> sqlite3.Connection:
        """A connection that only reads, after ``error``; raises that again where it is no matter of writing."""
        there = self.path.is_file() and self.path.stat().st_size
        if _code(error) not in _UNWRITABLE or not there:
            raise error
        self._frozen, self._looked = _mapped(self.path, error), time.monotonic()
        # What nobody writes needs neither locks nor the files beside it; what lies in the write-ahead log does.
        how = "" if self._logged() else "&immutable=1"
        uri = f"{self.path.absolute().as_uri()}?mode=ro{how}"
        connection = sqlite3.connect(uri, uri=True, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            _refuse(connection, self.path, self._form, exact=self._frozen)
        except sqlite3.Error:
            connection.close()
            raise error from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _logged(self) -> bool:
        """Whether something lies in the write-ahead log."""
        log = self.path.with_name(self.path.name + "-wal")
        return log.exists() and log.stat().st_size > 0

    def _thaw(self) -> bool:
        """Look whether the file can be written again; whether it can."""
        self._looked = time.monotonic()
        try:
            connection = self._writable()
        except sqlite3.Error:
            return False
        self._connection.close()
        self._connection, self._frozen = connection, None
        return True


@contextmanager
def _begun(connection: sqlite3.Connection, mode: str) -> Iterator[None]:
    """One transaction of a connection: committed after the block, undone when the block or the commit fails."""
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back by itself; a second time would fail, and hide what happened.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection, form: Format) -> None:
    """Create the tables of a new file, or upgrade those of an old one: one process only, wholly or not at all."""
    with _begun(connection, "IMMEDIATE"):
        found = _number(connection, "PRAGMA user_version")
        for statement in () if found else form.schema:
            connection.execute(statement)
        for old in range(found, form.version) if found else ():
            form.upgrades[old](connection)
        if form.signed:
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {form.version}")


def _refuse(connection: sqlite3.Connection, path: Path, form: Format, *, exact: StorageError | None = None) -> None:
    """Raise before anything is written to a file that is not ours or is newer than we are.

    ``exact`` says why an earlier one cannot be brought to this version.
    """
    # Tables before the id: another process may be creating both, in one transaction, between the two.
    tables = _number(connection, "SELECT count(*) FROM sqlite_schema")
    ours = not form.signed or _number(connection, "PRAGMA application_id") == _APPLICATION_ID
    found = _number(connection, "PRAGMA user_version")
    if tables and not ours:
        raise StorageError(f"{path} is a database of another program; choose another path, or move it away")
    if found > form.version:
        raise StorageError(
            f"{path} was written by a newer Bandstand (format {found}, known is {form.version}); upgrade Bandstand"
        )
    if exact is not None and found < form.version:
        raise exact


def _use_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on. SQLite does not wait for its turn at this one change: ask again until it is ours."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _new_name() -> str:
    """A random name for a chapter: 16 hex digits."""
    return secrets.token_hex(8)


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
