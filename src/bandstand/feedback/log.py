"""What every log offers: searches, events and control records in one order, for whoever follows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from bandstand.types import Event, History, Impression

EntryKind = Literal["impression", "event", "control"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """An order to whoever follows the log, e.g. ``Control(kind="forget", payload={"user_id": "u1"})``."""

    kind: str
    payload: Mapping[str, Any]


class LogEntry(NamedTuple):
    """One record of the log; ``time`` is when it was logged, the record itself says when it happened."""

    seq: int
    kind: EntryKind
    time: float
    record: Impression | Event | Control


class Spared(NamedTuple):
    """What pruning passes over: entries by seq, and searches by id with everything that was done on them."""

    seqs: Collection[int] = ()
    searches: Collection[str] = ()


NOTHING_SPARED = Spared()


class Appended(NamedTuple):
    """What became of events: new ones, ones that were there already, and the seq up to which all of them stand."""

    accepted: int
    duplicates: int
    last_seq: int


class Log(Protocol):
    """Searches, events and orders in one order, which followers read by position. Safe for threads and processes.

    What is appended is acknowledged once it is on this machine's disk. Where followers read elsewhere, as on a cluster,
    it is delivered there afterwards: numbers that `append_events` and `append_control` give then say nothing of places
    in the order, and `reached` compares the two.

    Raises:
        StorageError, Unavailable: from any method, when what is stored cannot be reached.
    """

    def append_events(self, events: Sequence[Event]) -> Appended:
        """Append and return once durable; an id that is already in the log, or earlier in ``events``, changes nothing.

        Raises:
            BadInput: an event cannot be encoded; then none is written.
        """
        ...

    def append_impression(self, impression: Impression) -> None:
        """Queue a search for the next transaction, before every later write of this process; does not wait for it.

        A query id that is already logged keeps its first impression: later pages repeat the same ranking.

        Raises:
            BadInput: it cannot be encoded.
        """
        ...

    def append_control(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Append an order for the log's followers and return its number once durable.

        Raises:
            BadInput: ``payload`` is not plain JSON.
        """
        ...

    def drop_control(self, seq: int) -> None:
        """Delete an order that has been carried out, as it may name the user whom it made forget."""
        ...

    def flush(self) -> None:
        """Return once everything that this process queued before is durable."""
        ...

    def deliver(self) -> int:
        """Return once followers can read everything that was appended here; how many entries had to travel for that."""
        ...

    def waiting(self) -> int:
        """How many entries of this machine wait to be delivered to where followers read."""
        ...

    def reached(self, position: int, seq: int) -> bool:
        """Whether a follower that stands at ``position`` has read what was appended as number ``seq``."""
        ...

    def read(self, after: int, limit: int, *, kind: EntryKind | None = None) -> list[LogEntry]:
        """At most ``limit`` entries with ``seq > after``, in order; only of one ``kind`` if given.

        Raises:
            DamagedRecord: an entry cannot be decoded; says which.
        """
        ...

    def impression(self, query_id: str) -> Impression:
        """The search with this id, also one that is still queued.

        Raises:
            NotFound: it was never made, or was deleted.
            StorageError: it is damaged.
        """
        ...

    def events_of(self, query_id: str, *, limit: int) -> list[Event]:
        """The first ``limit`` events that name this search, in the order of the log; damaged ones are left out."""
        ...

    def events_of_each(self, query_ids: Sequence[str], *, limit: int) -> list[list[Event]]:
        """`events_of` for each of several searches."""
        ...

    def head(self) -> int:
        """The seq of the newest entry, 0 where there is none; later entries are above every seq ever given."""
        ...

    def history(self) -> History:
        """What the numbers of entries belong to; a cluster refuses by itself what was set back, and has one chapter."""
        ...

    def count(self, kind: EntryKind | None = None, *, after: int = 0) -> int:
        """How many entries the log holds after a seq, of one kind if given.

        Orders of a cluster count only ``after`` a seq above 0.
        """
        ...

    def before_newest(self, searches: int) -> int:
        """The seq after which the newest so many searches stand; 0 where there are no more."""
        ...

    def surplus(self, most_bytes: int) -> int:
        """The seq up to which the oldest entries are too many for a size, all taken as equally long; 0: none are.

        Of a cluster none ever are: how much it holds is watched there.
        """
        ...

    def delete(self, entries: Sequence[LogEntry]) -> int:
        """Delete searches and events; returns how many there were."""
        ...

    def sessions_of(self, user_id: str) -> list[str]:
        """The sessions in which the user was seen, as far as the log still holds them; ascending."""
        ...

    def records_of(self, user_id: str, sessions: Collection[str] = ()) -> Iterator[Impression | Event]:
        """What `delete_user` would delete, searches and events; a damaged record is told in the log and left out."""
        ...

    def delete_user(self, user_id: str, sessions: Collection[str] = ()) -> dict[str, int]:
        """Delete the user's searches and events, and those of the sessions that name nobody; counts by kind.

        Unnamed events on those searches go too.
        """
        ...

    def prune(
        self, before: float, *, upto: int | None = None, spared: Spared = NOTHING_SPARED, batch: int = 1_000
    ) -> int:
        """Delete what was logged before the time ``before``, up to seq ``upto`` (a follower's position) if given.

        Works in transactions of ``batch`` rows, so that other writers get their turn; returns how many went. A cluster
        goes by the time alone: what was not learned from yet must be younger than ``before``.
        """
        ...

    def close(self) -> None:
        """Write what is queued and close.

        Raises:
            StorageError: searches were left that could not be written.
        """
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
