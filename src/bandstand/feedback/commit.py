"""Group commit: one thread turns what many threads want to write into few durable transactions."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bandstand.errors import StorageError, Unavailable
from bandstand.sqlite import Database

T = TypeVar("T")
Apply = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSettings:
    """How writes are gathered.

    A batch closes after ``linger_s``, or earlier when nobody is about to add to it or it holds ``max_batch`` rows.
    Callers wait up to ``busy_s`` for a place among the ``max_queued`` rows, not at all while writing fails, and SQLite
    as long for a lock. What is not
    ``durable`` survives the end of the process, but no power cut.
    """

    linger_s: float = 0.002
    max_batch: int = 5_000
    max_queued: int = 20_000
    busy_s: float = 10.0
    retry_s: float = 0.5
    durable: bool = True


@dataclass(slots=True, eq=False)
class _Write:
    """``apply`` runs inside the transaction. With ``kept`` nobody waits: it is tried until it succeeds."""

    apply: Apply[Any]
    rows: int
    kept: bool = False
    future: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """The only writer of this process to a database; other processes may have theirs, SQLite's lock lines them up.

    Writes are applied in the order of their submission. A failed transaction leaves no trace: every caller that
    waits on it gets the error, writes that nobody waits on go back to the front of the queue.
    """

    def __init__(self, database: Database, settings: CommitSettings) -> None:
        self._database, self._settings = database, settings
        self._queue: deque[_Write] = deque()
        self._rows = 0
        self._closing = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="bandstand-log", daemon=True)
        self._thread.start()

    def run(self, apply: Apply[T], *, rows: int = 1) -> T:
        """Apply in the next transaction and return its result once that is on disk.

        Raises:
            StorageError: the transaction failed, or the log is closed.
            Unavailable: the queue stayed full.
        """
        result: T = self._put(_Write(apply, rows)).result()
        return result

    def post(self, apply: Apply[object], done: Callable[[], None]) -> None:
        """Queue without waiting for the disk; ``done`` is called once it is written.

        Raises:
            StorageError: the queue is full because writing keeps failing, or the log is closed.
            Unavailable: the queue stayed full.
        """
        write = _Write(apply, 1, kept=True)
        write.future.add_done_callback(lambda _: done())
        self._put(write)

    def close(self) -> None:
        """Write what is queued and stop.

        Raises:
            StorageError: some of it could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._database.close()
        if self._queue:
            raise StorageError(f"{len(self._queue)} searches were not logged: {self._failure}") from self._failure

    def _put(self, write: _Write) -> Future[Any]:
        with self._changed:
            # A write larger than the whole queue is let in alone, else it would wait for ever.
            patience = 0.0 if self._failure is not None else self._settings.busy_s
            if not self._changed.wait_for(lambda: self._has_room(write.rows), patience):
                raise self._failure or Unavailable("the log cannot keep up with what is written; try again later")
            if self._closing:
                raise StorageError("the log is closed; open it again before writing")
            # Waking the writer for every write would cost a switch of threads each; it looks again by itself.
            wake = not self._queue or self._failure is not None
            self._queue.append(write)
            self._rows += write.rows
            if wake:
                self._changed.notify_all()
        return write.future

    def _has_room(self, rows: int) -> bool:
        return self._closing or self._rows == 0 or self._rows + rows <= self._settings.max_queued

    def _release(self, writes: list[_Write]) -> None:
        # Rows count as queued until they are written or refused, else a failing disk would let in ever more.
        with self._changed:
            self._rows -= sum(write.rows for write in writes)
            self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._collect():
            try:
                results = self._transact(batch)
            except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must hear it and the thread live
                if not self._fail(batch, error):
                    return
            else:
                self._failure = None
                self._release(batch)
                for write, result in zip(batch, results, strict=True):
                    write.future.set_result(result)

    def _collect(self) -> list[_Write]:
        """The next batch, in order; empty once the queue is closed and drained."""
        settings = self._settings
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
        self._linger()
        with self._changed:
            batch: list[_Write] = []
            rows = 0
            while self._queue and (not batch or rows + self._queue[0].rows <= settings.max_batch):
                batch.append(self._queue.popleft())
                rows += batch[-1].rows
        return batch

    def _linger(self) -> None:
        """Let every thread that is about to write do so, as long as there are more of them and time is left.

        Yielding instead of sleeping: a caller who is alone does not wait.
        """
        deadline = time.monotonic() + self._settings.linger_s
        seen = -1
        while seen < self._rows < self._settings.max_batch and time.monotonic() < deadline:
            seen = self._rows
            time.sleep(0)

    def _transact(self, batch: list[_Write]) -> list[Any]:
        with self._database.transaction() as connection:
            return [write.apply(connection) for write in batch]

    def _fail(self, batch: list[_Write], error: BaseException) -> bool:
        """Tell those who wait, keep the rest for another attempt; False when closing leaves no further attempt."""
        kept = [write for write in batch if write.kept]
        refused = [write for write in batch if not write.kept]
        with self._changed:
            self._failure = error
            self._queue.extendleft(reversed(kept))
        self._release(refused)
        for write in refused:
            write.future.set_exception(error)
        with self._changed:
            if not kept:
                return True
            # Try again when somebody else wants to write, or after a while; do not spin on a full disk.
            count = len(self._queue)
            self._changed.wait_for(lambda: self._closing or len(self._queue) > count, self._settings.retry_s)
            return not (self._closing and all(write.kept for write in self._queue))
