"""What holds the memory: databases with transactions over all of them, in one LMDB environment that grows."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import lmdb

from bandstand.errors import BadInput, Conflict, DamagedFile, StorageError
from bandstand.memory_index.checksums import SummedWrites, damage
from bandstand.memory_index.erasing import erase

Value = TypeVar("Value", bytes, memoryview)

if TYPE_CHECKING:
    Database = lmdb._Database  # noqa: SLF001 - LMDB has no public name for it
    Cursor = lmdb.Cursor[bytes]
    Transaction = lmdb.Transaction
    Databases = Mapping[str, Database]
    ReadTransaction = Transaction[memoryview]
    WriteTransaction = Transaction[bytes]


def items_from(txn: Transaction[Value], db: Database, first: bytes) -> Iterator[tuple[bytes, Value]]:
    """Keys from ``first`` on, ascending, each with its first value. Do not write to ``db`` while iterating."""
    cursor = txn.cursor(db=db)
    found = cursor.set_range(first) if first else cursor.first()
    while found:
        yield bytes(cursor.key()), cursor.value()
        found = cursor.next_nodup()


def items_under(txn: Transaction[Value], db: Database, prefix: bytes) -> Iterator[tuple[bytes, Value]]:
    """Keys that start with ``prefix``, ascending, with their values. Do not write to ``db`` while iterating."""
    return takewhile(lambda item: item[0].startswith(prefix), items_from(txn, db, prefix))


def values_of(txn: Transaction[Value], db: Database, key: bytes) -> list[bytes]:
    """Every value of a key that may hold several, ascending."""
    cursor = txn.cursor(db=db)
    return [bytes(value) for value in cursor.iternext_dup()] if cursor.set_key(key) else []


class Gate:
    """Counts who is inside; `alone` waits until nobody is and keeps newcomers out (half a microsecond a passage).

    One thread at a time may `stay`; it can `enter` again meanwhile, so that the writer may read within its batch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0
        self._waiting = 0
        self._staying: int | None = None

    def enter(self) -> None:
        """Pass; blocks while somebody is alone or waits to be."""
        with self._lock:
            while self._waiting and self._staying != threading.get_ident():
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        """Undo one `enter`."""
        with self._lock:
            self._inside -= 1
            if self._waiting and not self._inside:
                self._changed.notify_all()

    @contextmanager
    def stay(self) -> Iterator[None]:
        """Be inside for a block."""
        self.enter()
        self._staying = threading.get_ident()
        try:
            yield
        finally:
            self._staying = None
            self.leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the gate with nobody inside. The caller must not be inside itself."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._inside)
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


DATABASES = {
    "meta": False,  # version, position, secret, schema
    "queries": False,  # query key -> QueryRecord of everybody
    "own": False,  # user key + query key -> QueryRecord of one user
    "support": False,  # query key + ordinal -> user keys that chose a pair which is not shared yet
    "near": True,  # hash of a shared query with characters deleted, or of its sorted words -> query key
    "links": True,  # ordinal -> query keys that share it
    "popular": False,  # text of a shared query -> popularity and its time
    "phrases": False,  # ordinal -> query keys under which it is predicted
    "vectors": False,  # query key -> change number and vector
    "changes": False,  # change number -> query key whose vector was set
    "wanted": False,  # shared queries without a vector
    "users": False,  # user key -> History
    "fans": False,  # ordinal -> user keys that chose it, latest last
    "related": False,  # ordinal -> entities chosen by the same users
    "trend": False,  # page of ordinals -> decayed amounts
    "state": False,  # the learner's own keys
    "senses": False,  # query key of a phrase -> SenseRecord
    "sense_users": True,  # user key -> query keys of phrases where the user alone stands for a sense
    "people": False,  # query key + ordinal -> how many users' own records hold the pair by their own choice
}
"""Name of each database and whether a key holds several sorted values."""

_ERASED = b"erased"
"""In ``meta``: some bytes that are others whenever what was deleted is overwritten, so that LMDB commits something."""

_PAGE = 4096
_HEADROOM = 4
_MAX_READERS = 1024


class Environment(Protocol):
    """Databases by name with transactions over all of them: any number of readers, one writer at a time.

    ``path`` is the folder of the files, ``dbs`` are the databases of `DATABASES`.

    Raises:
        StorageError, Unavailable: from any method, when what is stored cannot be read or written.
    """

    path: Path
    dbs: Databases

    def reading(self) -> AbstractContextManager[ReadTransaction]:
        """A read transaction over one consistent state; its values are memoryviews that die with it."""
        ...

    def writing(self) -> AbstractContextManager[WriteTransaction]:
        """The one write transaction: on disk after the block, undone when the block raises.

        Raises:
            Conflict: another machine has committed meanwhile; nothing of the block remains.
        """
        ...

    def follow(self) -> int:
        """Take in what other machines have committed; returns how many commits that were."""
        ...

    def check_alone(self) -> None:
        """Raise where what is here is not this machine's alone to forget.

        Raises:
            Conflict: other machines have a part in it.
        """
        ...

    def erase(self) -> bool:
        """Overwrite what was deleted so far, so that no byte of it is left in any file; whether that is done.

        Not yet where others still read what was there before, or have still to take it in: call it again.
        """
        ...

    def used(self) -> tuple[int, int]:
        """Bytes in use and size of the map."""
        ...

    def close(self) -> None:
        """Wait for the reads under way, then close the files; a second call does nothing."""
        ...


class LmdbEnvironment(Environment):
    """One folder with one LMDB environment, for any number of reading threads and processes and one writer.

    The map grows by doubling: before a batch when less than a quarter is free, and after a batch that did not fit.
    Threads of this process that read meanwhile are waited for, other processes follow at their next read. A file that
    was cut short is refused: it is mapped, and reading what is not there would end the process.

    What is not ``durable`` survives the end of the process, but no power cut.

    Raises:
        Conflict: the folder is already open in this process (LMDB's locks do not survive a second opening).
        StorageError: from any method, when the files cannot be opened, read or written.
    """

    def __init__(self, path: Path, map_size: int, *, durable: bool = True) -> None:
        self.path = path
        self._gate = Gate()
        self._writer = threading.Lock()
        self._durable = durable
        self.dbs: dict[str, Database] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lmdb = self._opened(max(map_size, 64 * _PAGE))
            self._refuse_cut()
            self._take_handles()
        except (lmdb.Error, OSError) as cause:
            raise self._mapped(cause) from cause

    def _opened(self, map_size: int) -> lmdb.Environment:
        """The files, for reading alone where nothing can be written: then nobody else writes either."""
        unwritable = (self.path / "data.mdb").exists() and not os.access(self.path, os.W_OK)
        return lmdb.open(
            str(self.path),
            map_size=map_size,
            max_dbs=len(DATABASES),
            max_readers=_MAX_READERS,
            max_spare_txns=16,
            sync=self._durable,
            readonly=unwritable,
            lock=not unwritable,
        )

    def _take_handles(self) -> None:
        """Let ``dbs`` hold the handles of what is open now; whoever has it sees the new ones."""
        self.dbs.update(self._open_databases())
        self._several = frozenset(id(db) for name, db in self.dbs.items() if DATABASES[name])

    def _open_databases(self) -> Databases:
        """Create the databases where they are missing."""
        # Handles opened in a read transaction of py-lmdb die with it; opened one by one they last.
        try:
            return {n: self._lmdb.open_db(n.encode(), create=False) for n in DATABASES}
        except lmdb.NotFoundError:
            with self._lmdb.begin(write=True) as txn:
                return {
                    n: self._lmdb.open_db(n.encode(), txn=txn, dupsort=several, dupfixed=several)
                    for n, several in DATABASES.items()
                }

    @contextmanager
    def reading(self) -> Iterator[ReadTransaction]:
        """See `Environment`."""
        self._gate.enter()
        try:
            with self._begin_reading() as txn:
                yield txn
        except lmdb.Error as cause:
            raise self._mapped(cause) from cause
        finally:
            self._gate.leave()

    def _begin_reading(self) -> AbstractContextManager[ReadTransaction]:
        while True:
            try:
                txn: AbstractContextManager[ReadTransaction] = self._lmdb.begin(buffers=True)
            except lmdb.MapResizedError:  # another process has grown the map
                self._gate.leave()
                try:
                    self._resize(0)
                finally:
                    self._gate.enter()
            else:
                return txn

    @contextmanager
    def writing(self) -> Iterator[WriteTransaction]:
        """See `Environment`."""
        with self._writer:
            self._make_room()
            try:
                with self._gate.stay(), self._lmdb.begin(write=True) as txn:
                    summed = SummedWrites(txn, self.dbs, self._several)
                    yield cast("WriteTransaction", summed)
                    summed.finish()
                self._fill_up()
            except lmdb.MapFullError as cause:
                grown = self._grow()
                raise StorageError(
                    f"the memory in {self.path} was full and this batch is undone; it may hold {grown >> 20} MiB now: "
                    "apply the batch again"
                ) from cause
            except lmdb.Error as cause:
                raise self._mapped(cause) from cause

    def follow(self) -> int:
        """See `Environment`: all processes share the files."""
        return 0

    def check_alone(self) -> None:
        """See `Environment`: it is."""

    def erase(self) -> bool:
        """See `Environment`.

        Reading goes on meanwhile, but for the moment in which the files are opened anew: LMDB keeps the memory of pages
        that it wrote, and would write to the file what is left in it.
        """
        with self._writer:
            try:
                return self._erase()
            except (lmdb.Error, OSError) as cause:
                raise self._mapped(cause) from cause

    def used(self) -> tuple[int, int]:
        """See `Environment`."""
        self._gate.enter()
        try:
            return self._used()
        except lmdb.Error as cause:
            raise self._mapped(cause) from cause
        finally:
            self._gate.leave()

    def close(self) -> None:
        """See `Environment`."""
        with self._writer, self._gate.alone():
            self._lmdb.close()

    def _used(self) -> tuple[int, int]:
        info = self._lmdb.info()
        return (info["last_pgno"] + 1) * _PAGE, info["map_size"]

    def _erase(self) -> bool:
        upto = self._lmdb.info()["last_txnid"]
        for _ in range(2):  # each writes one of the two pages that say which state is the newest
            with self._lmdb.begin(write=True) as txn:
                summed = SummedWrites(txn, self.dbs, self._several)
                summed.put(_ERASED, os.urandom(8), db=self.dbs["meta"])
                summed.finish()
        with self._gate.alone():
            pass  # who read here before has ended
        self._lmdb.reader_check()
        if self._oldest_read() <= upto:
            return False
        with self._lmdb.begin(write=True):  # nobody else writes
            erase(self.path / "data.mdb", upto)
        with self._gate.alone():
            size = self._lmdb.info()["map_size"]
            self._lmdb.close()
            self._lmdb = self._opened(size)
            self._take_handles()
        return True

    def _oldest_read(self) -> float:
        """The number of the oldest state that somebody reads, in any process; infinity where nobody does."""
        listed = (line.split() for line in self._lmdb.readers().splitlines()[1:])
        return min((int(row[2]) for row in listed if len(row) == 3 and row[2].isdigit()), default=math.inf)

    def _make_room(self) -> None:
        used, size = self.used()
        if (size - used) * _HEADROOM < size:
            self._grow()

    def _grow(self) -> int:
        size = 2 * self.used()[1]
        self._resize(size)
        return size

    def _resize(self, size: int) -> None:
        """Map ``size`` bytes, or what the file says where 0; LMDB forbids it while this process reads."""
        with self._gate.alone():
            try:
                self._lmdb.set_mapsize(size)
            except (lmdb.Error, OSError) as cause:
                raise self._mapped(cause) from cause

    def _refuse_cut(self) -> None:
        missing = self._missing()
        if not missing:
            return
        # The last pages may be free and were never written, of a version that did not fill the file up.
        wrong = "" if missing % _PAGE else damage(self.path)
        if missing % _PAGE or wrong:
            self._lmdb.close()
            raise DamagedFile(
                f"{self.path / 'data.mdb'} was cut short by {missing} bytes: restore the folder {self.path} from a"
                f" backup, or delete it and learn anew from the log{wrong and f' ({wrong})'}"
            )
        self._fill_up()

    def _fill_up(self) -> None:
        """Let the file be as long as LMDB says, also where the last pages are free and were not written."""
        if self._missing():
            os.truncate(self.path / "data.mdb", self.used()[0])

    def _missing(self) -> int:
        """How many bytes the file lacks of those that are in use."""
        return max(self.used()[0] - (self.path / "data.mdb").stat().st_size, 0)

    def _mapped(self, cause: Exception) -> Exception:
        """The error of our tree that stands for an upstream one, with its remedy."""
        where, why = f"the memory in {self.path}", str(cause)
        if isinstance(cause, lmdb.BadValsizeError):
            return BadInput("a key of the memory must have 1 to 511 bytes")
        if "already open in this process" in why:
            return Conflict(f"{where} is already open in this process: share the one Memory")
        if "closed" in why:
            return StorageError(f"{where} is closed, or its transaction has ended: open it again")
        if isinstance(cause, lmdb.ReadersFullError):
            return StorageError(f"{where} has {_MAX_READERS} readers already: run fewer processes or threads")
        if isinstance(cause, (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)):
            return DamagedFile(
                f"{where} is damaged or from another version ({why}): restore it from a backup, or delete the folder"
                " and learn anew from the log"
            )
        return StorageError(f"{where} cannot be used ({why}): check free space and permissions")
