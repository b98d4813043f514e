"""A lease: at most one holder at a time, by optimistic concurrency; and work that runs while it is held."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from bandstand.errors import BandstandError, Conflict
from bandstand.opensearch.connection import Cluster, Document, named
from bandstand.opensearch.indices import STATE, ensure


class Lease:
    """The lease ``name`` as ``holder`` wants it; ``lasts_s`` must be the same for all who want it. For one thread.

    ``monotonic`` measures durations in seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        *,
        holder: str,
        lasts_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder, self.lasts_s = holder, lasts_s
        self._cluster, self._id, self._monotonic = cluster, f"lease-{name}", monotonic
        self._index = ""
        self._held_until: float | None = None
        self._watched: tuple[int, int] | None = None
        self._watched_since = 0.0

    @property
    def held(self) -> bool:
        """Whether it is certain that nobody else has it."""
        return self._held_until is not None and self._monotonic() < self._held_until

    def take(self) -> bool:
        """Take it or renew it; whether it is held now. Call it several times in the time that it lasts.

        Raises:
            Unavailable, StorageError: the cluster cannot say; what was held is held until its time is over.
        """
        self._index = self._index or ensure(self._cluster, STATE)
        now, document = self._monotonic(), self._cluster.get(self._index, self._id)
        if document is not None and not self._free(document, now):
            self._held_until = None
            return False
        try:
            self._cluster.put(self._index, self._id, self._next(document), create=document is None, at=document)
        except Conflict:
            self._held_until = None
            return False
        self._held_until = now + self.lasts_s
        return True

    def release(self) -> None:
        """Give it back, so that another need not wait.

        Raises:
            Unavailable, StorageError: the cluster cannot be told; it is free when its time is over.
        """
        self._held_until = None
        document = self._cluster.get(self._index, self._id) if self._index else None
        if document is not None and document.source["holder"] == self.holder:
            try:
                self._cluster.put(self._index, self._id, {**document.source, "holder": None}, at=document)
            except Conflict:
                return  # somebody else has it already

    def _free(self, document: Document, now: float) -> bool:
        """Whether it may be written: it is ours or nobody's, or it was watched long enough without a change."""
        if document.source["holder"] in (None, self.holder):
            return True
        state = (document.term, document.seq_no)
        if state != self._watched:
            self._watched, self._watched_since = state, now
        return now - self._watched_since >= self.lasts_s

    def _next(self, document: Document | None) -> dict[str, object]:
        """The document with us as its holder; ``term`` counts the changes of hands, ``renewed`` the renewals."""
        before = {} if document is None else document.source
        return {
            "holder": self.holder,
            "term": named(before, "term") + (before.get("holder") != self.holder),
            "renewed": named(before, "renewed") + 1,
        }


def new_holder() -> str:
    """A name for who wants a lease, which says where it runs and is nobody else's."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


LEARNER = "learner"
"""The lease of who indexes and learns."""

_RENEWALS = 5
"""How often a lease is renewed in the time that it lasts: all but one may fail in a row."""

_LOOK_S = 0.1


def lead(lease: Lease, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Run ``work`` whenever this machine holds the lease, until ``stop``.

    ``work`` gets an event that is set when it has to end: at ``stop``, or once the lease may be another's. It may still
    run for a moment then, beside the next holder: what it writes must be refused by other means than the lease
    (the memory's commits and the registry's document are changed by optimistic concurrency).

    Raises:
        BandstandError: whatever ``work`` raises; the lease was given back.
    """
    log = structlog.get_logger("leader")
    while not stop.is_set():
        if _taken(lease):
            log.info("leads", holder=lease.holder)
            try:
                _hold(lease, work, stop)
            finally:
                _release(lease)
                log.info("leads_no_more", holder=lease.holder)
        else:
            stop.wait(lease.lasts_s / _RENEWALS)


@contextmanager
def leading(lease: Lease) -> Iterator[None]:
    """Hold the lease while the block runs.

    Raises:
        Conflict: another process has it.
        Unavailable, StorageError: the cluster cannot say.
    """
    if not lease.take():
        raise Conflict("another machine of the cluster learns and indexes (bandstand serve?): let it, or stop it first")
    ends = threading.Event()

    def renew() -> None:
        while not ends.wait(lease.lasts_s / _RENEWALS):
            _taken(lease)

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ends.set()
        renewing.join()
        _release(lease)


def _hold(lease: Lease, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Renew while the work runs."""
    ends = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work(ends)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that renews
            failed.append(error)
        finally:
            ends.set()

    worker = threading.Thread(target=run, name="leader", daemon=True)
    worker.start()
    while not _over(ends, stop, lease.lasts_s / _RENEWALS):
        if not _taken(lease) and not lease.held:
            break
    ends.set()
    worker.join()
    if failed:
        raise failed[0]


def _over(ends: threading.Event, stop: threading.Event, seconds: float) -> bool:
    """Wait, but not beyond the end of the work or the order to stop; whether there is one of them."""
    due = time.monotonic() + seconds
    while not stop.is_set() and (left := due - time.monotonic()) > 0:
        if ends.wait(min(left, _LOOK_S)):
            return True
    return stop.is_set()


def _taken(lease: Lease) -> bool:
    try:
        return lease.take()
    except BandstandError as error:
        structlog.get_logger("leader").warning("lease_not_renewed", reason=str(error))
        return False


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except BandstandError as error:  # then it is free when its time is over
        structlog.get_logger("leader").warning("lease_not_released", reason=str(error))
