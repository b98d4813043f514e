"""Log entries that could not be learned from: set aside with the reason, so that the learner goes on after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lmdb
import msgspec

from bandstand.errors import DamagedRecord, StorageError, Unavailable
from bandstand.feedback.log import LogEntry
from bandstand.learner.open_searches import KeyValue, OpenSearch
from bandstand.learner.relabelling import hashed
from bandstand.types import Event, Impression

MOST_PARKED = 1_000
"""With so many parked it is not single entries that are wrong: the learner stops rather than pass over the log."""

RETRY_PARKED = "retry_parked"
"""Control record, with an empty payload: what is parked is tried once more."""

RETRY = b"learner/retry"
"""Where that is noted until it is done."""

_PREFIX = b"parked/"
_NOT_THE_ENTRYS = (StorageError, Unavailable, lmdb.Error, OSError, MemoryError)
_THE_ENTRYS = (DamagedRecord, lmdb.BadValsizeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """What was set aside: an entry of the log, or the finalization of a search.

    ``seq`` is the entry's place in the log, where it stays; 0 for a finalization. ``kind`` is that of the entry, or
    "finalize"; ``time`` when it was logged, or fell due. ``query_id`` is the search that it is about, ``who`` a hash of
    who acted (empty: nobody). ``reason`` is the error. ``search`` is what a finalization needs to be done once more.
    """

    seq: int
    kind: str
    time: float
    query_id: str | None = None
    who: str = ""
    reason: str
    version: int = 1
    search: OpenSearch | None = None

    @property
    def key(self) -> bytes:
        """Where it is kept in the learner's state."""
        return entry_key(self.seq) if self.seq else finalization_key(str(self.query_id))


def entry_key(seq: int) -> bytes:
    """The key of an entry of the log; they sort as in the log."""
    return _PREFIX + b"%016x" % seq


def finalization_key(query_id: str) -> bytes:
    """The key of a search that could not be finalized; after all entries."""
    return _PREFIX + b"search/" + query_id.encode()


class CannotLearn(Exception):
    """One entry cannot be applied, or one search finalized: its transaction is to be repeated without it."""

    def __init__(self, parked: Parked) -> None:
        super().__init__(parked.reason)
        self.parked = parked


def is_the_entrys_fault(error: Exception) -> bool:
    """Whether an error will come again with this entry alone; a full disk or a cluster that is away hits any."""
    return isinstance(error, _THE_ENTRYS) or not isinstance(error, _NOT_THE_ENTRYS)


def parked_record(damaged: DamagedRecord) -> Parked:
    """An entry of the log that cannot be read."""
    return Parked(seq=damaged.seq, kind="damaged", time=damaged.time, reason=_reason(damaged))


def parked_entry(entry: LogEntry, error: Exception) -> Parked:
    """An entry of the log that raised when it was applied."""
    record = entry.record
    query_id = who = None
    if isinstance(record, Impression):
        query_id, who = record.query.id, record.query.actor
    elif isinstance(record, Event):
        query_id, who = record.query_id, record.actor
    return Parked(
        seq=entry.seq, kind=entry.kind, time=entry.time, query_id=query_id, who=hashed(who), reason=_reason(error)
    )


def parked_search(search: OpenSearch, error: Exception) -> Parked:
    """A search that raised when it was finalized."""
    return Parked(
        seq=0,
        kind="finalize",
        time=search.due,
        query_id=search.query_id,
        who=search.who,
        reason=_reason(error),
        search=search,
    )


class Parking:
    """What is parked, in the learner's transaction."""

    def __init__(self, state: KeyValue) -> None:
        self._state = state

    def add(self, parked: Parked) -> None:
        """Set one aside (raises `StorageError` where too many are already)."""
        if sum(1 for _ in self._state.scan(_PREFIX)) >= MOST_PARKED:
            raise StorageError(
                f"{MOST_PARKED} log entries are parked already, so that nothing is learned any more; the last one: "
                f"{parked.reason}. `bandstand doctor` says why: mend what they have in common"
            )
        self._state.put(parked.key, msgspec.json.encode(parked))

    def remove(self, parked: Parked) -> None:
        """Take one out: it is learned from after all, or is not in the log any more."""
        self._state.delete(parked.key)

    def forget(self, *who: str) -> None:
        """Drop what actors did (hashes): the log does not hold it any more."""
        for parked in parked_entries(self._state.scan):
            if parked.who and parked.who in who:
                self._state.delete(parked.key)


def parked_entries(scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]) -> list[Parked]:
    """Everything that is parked, in the order of the log; ``scan`` gives the stored pairs, e.g. `Memory.scan`."""
    return [msgspec.json.decode(raw, type=Parked) for _, raw in scan(_PREFIX)]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
