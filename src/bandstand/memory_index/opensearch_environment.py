"""The memory of several machines: each has a copy in LMDB, and every batch is a commit in OpenSearch first."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bandstand.errors import StorageError
from bandstand.memory_index.environment import DATABASES, Environment
from bandstand.memory_index.meta import Meta
from bandstand.memory_index.opensearch_journal import MemoryJournal, State
from bandstand.memory_index.writes import Place, Recorder, apply

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import WriteTransaction

_COMMIT = "commit"
_JOURNAL = b"journal"
_AT_ONCE = 50_000


class ReplicatedEnvironment(Environment):
    """An `Environment` whose batches are commits of a journal: all copies go through the same states in the same order.

    A search reads a handful of dependent records for one look-up; from the copy that takes microseconds, from a cluster
    each step would be a round trip. The copy is bounded by the memory's own bounds, and is rebuilt from the cluster
    wherever it is missing. Reads need no cluster: they see the last state that this machine has followed.

    Raises:
        Conflict: from `writing`, when another machine has committed meanwhile; nothing of the batch remains.
        Unavailable: from `writing` and `follow`, when the cluster cannot be reached; nothing of the batch remains.
    """

    def __init__(self, path: Path, map_size: int, *, journal: MemoryJournal) -> None:
        super().__init__(path, map_size)
        self._journal = journal
        self._turn = threading.RLock()
        try:
            self.follow()
        except BaseException:
            self.close()
            raise

    def follow(self) -> int:
        """Take in what was committed since; returns how many commits that were."""
        with self._turn:
            state, (journal, mine) = self._journal.state(), self._stands()
            if mine and (journal != state.journal or mine > state.head):
                raise StorageError(
                    f"the memory in {self.path} is a copy of another cluster's, or the cluster was set back: delete the"
                    " folder to begin from this cluster's"
                )
            before = mine
            if mine + 1 < state.oldest and mine < state.folded:
                mine = self._begin_from_base(state)
            for commit in state.commits:
                if commit["number"] > mine:
                    self._apply(self._journal.read(commit), state.journal, commit["number"])
            return state.head - before

    @contextmanager
    def writing(self) -> Iterator[WriteTransaction]:
        """The one write transaction: committed in the cluster and here after the block, undone when it raises."""
        with self._turn:
            self.follow()
            with super().writing() as txn:
                recorder = Recorder(txn, self.dbs)
                yield cast("WriteTransaction", recorder)
                if recorder.writes:
                    number = Meta(txn, self.dbs["meta"]).get(_COMMIT) + 1
                    # First there, then here: what is lost between the two is followed like anybody else's commit.
                    self._note(txn, self._journal.publish(number, recorder.writes), number)

    def _stands(self) -> tuple[str, int]:
        """The journal that this is a copy of, and the commit that it has come to."""
        with self.reading() as txn:
            journal = txn.get(_JOURNAL, db=self.dbs["meta"]) or b""
            return bytes(journal).decode(), Meta(txn, self.dbs["meta"]).get(_COMMIT)

    def _note(self, txn: WriteTransaction, journal: str, number: int) -> None:
        txn.put(_JOURNAL, journal.encode(), db=self.dbs["meta"])
        Meta(txn, self.dbs["meta"]).set(_COMMIT, number)

    def _apply(self, writes: Iterable[tuple[Place, bytes | None]], journal: str, number: int) -> None:
        """One commit of somebody else; passed over where another process of this machine has applied it."""
        with super().writing() as txn:
            if Meta(txn, self.dbs["meta"]).get(_COMMIT) < number:
                apply(txn, self.dbs, writes)
                self._note(txn, journal, number)

    def _begin_from_base(self, state: State) -> int:
        """Fill an empty copy with all that is folded; the commit from which to follow on."""
        with super().writing() as txn:
            for name in DATABASES:
                txn.drop(self.dbs[name], delete=False)
        source = self._journal.base()
        while some := list(islice(source, _AT_ONCE)):
            with super().writing() as txn:
                apply(txn, self.dbs, some)
        with super().writing() as txn:
            self._note(txn, state.journal, state.folded)
        return state.folded
