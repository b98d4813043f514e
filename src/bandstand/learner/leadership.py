"""Learning on one of several machines: work that runs while a lease is held, and ends when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from bandstand.cluster.lease import Lease
from bandstand.errors import BandstandError, Conflict

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
