"""Delivers an outbox to the cluster: at least once onto the wire, exactly once into the log's order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from bandstand.errors import BandstandError, Conflict, Unavailable, loggable
from bandstand.feedback.codec import decode_event, decode_impression, decode_json
from bandstand.opensearch.log_order import Batch, Order, Ref, Tail
from bandstand.opensearch.outbox import Outbox, Row
from bandstand.opensearch.ubi_indices import Document, Origin, UbiIndices
from bandstand.types import Clock
from bandstand.types.times import HOUR_S, MINUTE_S

Json = dict[str, Any]

ROWS_AT_ONCE = 500
_POLL_S = 0.1
_LONGEST_PAUSE_S = 5.0
_KEPT_S = HOUR_S
_CLEARED_EVERY_S = MINUTE_S
"""How often delivered rows are looked through for old ones."""


class Relay:
    """Carries rows from this machine's outbox to the cluster, oldest first. For the process that claimed the outbox.

    A delivery is (1) the documents, created under ids that follow from the rows, then (2) a batch of the order that
    names them, created under the next free number, then (3) the note in the outbox. Killed after 1, it repeats 1, which
    changes nothing. Killed after 2, it finds its own batch when it reads the order on, which it always does before it
    appends. So each row comes into the order once. An event that another machine delivered first is left to that one.
    """

    def __init__(self, outbox: Outbox, indices: UbiIndices, order: Order) -> None:
        self._outbox, self._indices, self._order = outbox, indices, order
        self._stepping = threading.Lock()

    def step(self) -> int:
        """Deliver the next rows; how many were looked at. Safe for threads: they take turns.

        Raises:
            Unavailable, StorageError: the cluster did not take them, or perhaps did: call again.
        """
        with self._stepping:
            return self._step()

    def _step(self) -> int:
        tail = self.follow()
        rows = self._outbox.rows(ROWS_AT_ONCE)
        if not rows:
            return 0
        upto, entries = rows[-1].seq, self._deliver(rows)
        if entries:
            try:
                tail = self._order.append(tail, outbox=self._outbox.id, upto=upto, entries=entries).tail
            except Conflict:  # another machine took this number: read its batch, then once more
                return len(rows)
        self._outbox.advance(tail, upto)
        return len(rows)

    def follow(self) -> Tail:
        """Read the order to its end: note what of it is from here, and forget whom it says to forget."""
        tail = self._outbox.seen
        if tail is None:
            tail = self._order.tail()
            self._outbox.advance(tail)
        while batches := self._order.after(tail.number):
            for batch in batches:
                self._forget(batch)
                tail = batch.tail
                self._outbox.advance(tail, batch.upto if batch.outbox == self._outbox.id else None)
        return tail

    def _deliver(self, rows: Sequence[Row]) -> list[Ref]:
        """Write the documents of rows; the entries that are this outbox's to order."""
        indices, outbox = self._indices, self._outbox.id
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
        origin = Origin(outbox=self._outbox.id, seq=row.seq, logged=row.time)
        if row.kind == "impression":
            return self._indices.of_search(decode_impression(row.payload), row.payload, origin)
        return self._indices.of_event(decode_event(row.payload), row.payload, origin)

    def _ref(self, row: Row, document: Document | None) -> Ref:
        if document is not None:
            return Ref(row.kind, document.id, document.index, row.time)
        kind, payload = decode_json(row.payload)
        return Ref("control", None, None, row.time, {"kind": kind, "payload": payload})

    def _forget(self, batch: Batch) -> None:
        """Forget a user here too where the batch orders it: what has not been delivered must not be."""
        for ref in batch.entries:
            if ref.order is None:
                continue
            sessions = [session for session in self._outbox.sessions() if ref.forgets_session(session)]
            users = [user for user in self._outbox.users() if ref.forgets(user)]
            for user in users or ([""] if sessions else []):
                self._outbox.log.delete_user(user, sessions)
                self._indices.delete_user(user, sessions, now=ref.time)


class RelayThread:
    """Delivers as long as it runs, whenever the outbox is free to claim and the cluster there.

    Whatever goes wrong is logged and tried again: a thread that ended would not be missed for days.
    """

    def __init__(self, relay: Relay, outbox: Outbox, clock: Clock, *, poll_s: float = _POLL_S) -> None:
        self._relay, self._outbox, self._clock, self._poll_s = relay, outbox, clock, poll_s
        self._stop = threading.Event()
        self._failure = ""
        self._cleared = clock()
        self._thread = threading.Thread(target=self._run, name="bandstand-relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Try once more to deliver what is left, and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._poll_s
        while not self._stop.wait(pause):
            pause = self._round(pause)
        self._round(pause)

    def _round(self, pause: float) -> float:
        """Deliver what there is; how long to wait then, longer and longer where the cluster does not take it."""
        try:
            while self._outbox.claim() and self._relay.step():
                pass
            self._clear()
        except Exception as error:  # noqa: BLE001 - see the class
            self._tell(error)
            return min(2 * pause, _LONGEST_PAUSE_S if isinstance(error, Unavailable) else 2 * _LONGEST_PAUSE_S)
        if self._failure:
            structlog.get_logger("relay").info("delivers_again")
        self._failure = ""
        return self._poll_s

    def _clear(self) -> None:
        """Now and then, drop delivered rows that are old."""
        now = self._clock()
        if now - self._cleared >= _CLEARED_EVERY_S:
            self._outbox.clear(now - _KEPT_S)
            self._cleared = now

    def _tell(self, error: Exception) -> None:
        """Log a failure; the same one twice a second is one piece of news."""
        if str(error) != self._failure:
            unforeseen = None if isinstance(error, BandstandError) else error
            structlog.get_logger("relay").error("not_delivered", reason=loggable(error), exc_info=unforeseen)
        self._failure = str(error)
