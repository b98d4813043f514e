"""A lease: at most one holder at a time, by optimistic concurrency on one document and without trusting any clock.

The holder renews by writing the document. Who wants the lease watches it, and takes it over once it has not changed
for the time that the lease lasts, measured on the watcher's own clock. This needs no clock to agree with another
(as in Amazon's DynamoDB lock client). The holder counts from before its last renewal was sent, hence ends earlier.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable

from bandstand.cluster.connection import Cluster, Document, named
from bandstand.cluster.indices import STATE, ensure
from bandstand.errors import Conflict


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
