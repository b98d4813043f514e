"""Delivers an outbox to the cluster: at least once onto the wire, exactly once into the log's order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import structlog

from bandstand.errors import BandstandError, Conflict, Unavailable
from bandstand.feedback.codec import decode_event, decode_impression, decode_json
from bandstand.opensearch.log_order import Batch, Order, Ref, Tail
from bandstand.opensearch.outbox import Outbox, Row
from bandstand.opensearch.ubi_indices import Document, Origin, UbiIndices
from bandstand.types import Clock
from bandstand.types.times import HOUR_S

Json = dict[str, Any]

ROWS_AT_ONCE = 500
FORGOTTEN = "forgotten"
"""In an order that was carried out, the user's name gives way to a hash under this key, by which a machine that was
away still recognises whom to forget."""

_USER = "user_id"
_POLL_S = 0.1
_LONGEST_PAUSE_S = 5.0
_KEPT_S = HOUR_S
_CLEARED_EVERY = 600
"""Polls after which delivered rows are looked through for old ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a relay stands between: this machine's outbox, and the cluster's indices and order.

    ``forget`` deletes a user's rows from the local log.
    """

    outbox: Outbox
    indices: UbiIndices
    order: Order
    forget: Callable[[str], object]


class Relay:
    """Carries rows from the outbox to the cluster, oldest first. For the process that claimed the outbox.

    A delivery is (1) the documents, created under ids that follow from the rows, then (2) a batch of the order that
    names them, created under the next free number, then (3) the note in the outbox. Killed after 1, it repeats 1, which
    changes nothing. Killed after 2, it finds its own batch when it reads the order on, which it always does before it
    appends. So each row comes into the order once. An event that another machine delivered first is left to that one.
    """

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._stepping = threading.Lock()

    def step(self) -> int:
        """Deliver the next rows; how many were looked at. Safe for threads: they take turns.

        Raises:
            Unavailable, StorageError: the cluster did not take them, or perhaps did: call again.
        """
        with self._stepping:
            return self._step()

    def _step(self) -> int:
        ends, tail = self._ends, self.follow()
        rows = ends.outbox.rows(ROWS_AT_ONCE)
        if not rows:
            return 0
        upto, entries = rows[-1].seq, self._deliver(rows)
        if entries:
            try:
                tail = ends.order.append(tail, outbox=ends.outbox.id, upto=upto, entries=entries).tail
            except Conflict:  # another machine took this number: read its batch, then once more
                return len(rows)
        ends.outbox.advance(tail, upto)
        return len(rows)

    def follow(self) -> Tail:
        """Read the order to its end: note what of it is from here, and forget whom it says to forget."""
        ends = self._ends
        tail = ends.outbox.seen
        if tail is None:
            tail = ends.order.tail()
            ends.outbox.advance(tail)
        while batches := ends.order.after(tail.number):
            for batch in batches:
                self._obey(batch)
                tail = batch.tail
                ends.outbox.advance(tail, batch.upto if batch.outbox == ends.outbox.id else None)
        return tail

    def _deliver(self, rows: Sequence[Row]) -> list[Ref]:
        """Write the documents of rows; the entries that are this outbox's to order."""
        indices, outbox = self._ends.indices, self._ends.outbox.id
        documents = {row.seq: self._document(row) for row in rows if row.kind != "control"}
        written = list(documents.values())
        created = indices.create(written) if written else []
        others = [document for document, new in zip(written, created, strict=True) if not new]
        foreign = {
            (document.index, document.id)
            for document, owner in zip(others, indices.outboxes(others), strict=True)
            if owner != outbox
        }
        return [
            self._ref(row, documents.get(row.seq))
            for row in rows
            if row.seq not in documents or (documents[row.seq].index, documents[row.seq].id) not in foreign
        ]

    def _document(self, row: Row) -> Document:
        origin = Origin(outbox=self._ends.outbox.id, seq=row.seq, logged=row.time)
        if row.kind == "impression":
            return self._ends.indices.of_search(decode_impression(row.payload), row.payload, origin)
        return self._ends.indices.of_event(decode_event(row.payload), row.payload, origin)

    def _ref(self, row: Row, document: Document | None) -> Ref:
        if document is not None:
            return Ref(row.kind, document.id, document.index, row.time)
        kind, payload = decode_json(row.payload)
        return Ref("control", None, None, row.time, {"kind": kind, "payload": payload})

    def _obey(self, batch: Batch) -> None:
        """Forget a user here too: what has not been delivered must not be."""
        for ref in batch.entries:
            payload = (ref.order or {}).get("payload", {})
            for user in self._ends.outbox.users() if payload else ():
                if payload.get(_USER) == user or payload.get(FORGOTTEN) == forgotten(user):
                    self._ends.forget(user)
                    self._ends.indices.delete_user(user, now=ref.time)


def forgotten(user: str) -> str:
    """A user as 32 hex digits."""
    return blake2b(user.encode("utf-8", "replace"), digest_size=16).hexdigest()


class RelayThread:
    """Ships as long as it runs, whenever the outbox is free to claim and the cluster there."""

    def __init__(self, relay: Relay, outbox: Outbox, clock: Clock) -> None:
        self._relay, self._outbox, self._clock = relay, outbox, clock
        self._stop = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="bandstand-relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Try once more to deliver what is left, and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        polls = 0
        pause = _POLL_S
        while not self._stop.wait(pause):
            pause = self._round(pause)
            polls += 1
            if polls % _CLEARED_EVERY == 0:
                self._outbox.clear(self._clock() - _KEPT_S)
        self._round(pause)

    def _round(self, pause: float) -> float:
        """Ship what there is; how long to wait then, longer and longer where the cluster does not take it."""
        try:
            while self._outbox.claim() and self._relay.step():
                pass
        except BandstandError as error:
            if str(error) != self._told:  # the same failure twice a second is one piece of news
                structlog.get_logger("relay").error("not_delivered", reason=str(error), waiting=self._outbox.waiting())
            self._told = str(error)
            longest = _LONGEST_PAUSE_S if isinstance(error, Unavailable) else 2 * _LONGEST_PAUSE_S
            return min(2 * pause, longest)
        if self._told:
            structlog.get_logger("relay").info("delivers_again")
        self._told = ""
        return _POLL_S
