"""What every retriever is, the one way in which raw hits become `Candidates`, and how a call is cancelled."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog
from bandstand.errors import Cancelled
from bandstand.types import Candidates, Mask, Query, RetrieverSpec, Scores

_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class Cancellation:
    """One run that may be called off, by another thread than the one that works. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called_off = False
        self._then: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Call it off, once and for all."""
        with self._lock:
            self._called_off = True
            then, self._then = self._then, []
        for act in then:
            act()

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Do something when it is called off, at once if it is already."""
        with self._lock:
            if not self._called_off:
                self._then.append(act)
                return
        act()

    @property
    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self._called_off


@contextmanager
def under(cancellation: Cancellation) -> Iterator[None]:
    """What this thread does within the block can be called off."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Cancellation | None:
    """What this thread's work can be called off by; None where nothing can."""
    return _current.get()


def called_off() -> bool:
    """Whether what this thread works on was called off."""
    cancellation = _current.get()
    return cancellation is not None and cancellation.cancelled


def check() -> None:
    """Between two steps of a run.

    Raises:
        Cancelled: it was called off.
    """
    if called_off():
        raise Cancelled("called off: nobody waits for this any more")


class Retriever(ABC):
    """A candidate generator: derive from it, set ``spec``, and write `retrieve`."""

    spec: RetrieverSpec
    """What the rest of the platform needs to know about it."""

    catalog: Catalog
    """Of the platform that it joined, see `attach`."""

    @property
    def name(self) -> str:
        """The name in its spec."""
        return self.spec.name

    def attach(self, catalog: Catalog) -> None:
        """Join a platform; called once, before the first search. By default the catalogue is kept as ``catalog``."""
        self.catalog = catalog

    def refresh(self) -> None:  # noqa: B027 - most have nothing to do
        """Take in what changed outside since the last call; called now and then, by one thread at a time."""

    def close(self) -> None:  # noqa: B027
        """Give back what was opened; called once, after the last search."""

    @abstractmethod
    def retrieve(self, query: Query, depth: int) -> Candidates:
        """At most ``depth`` candidates, best first, ties by ordinal, none twice, each live and allowed.

        The scores of a candidate do not depend on ``depth``, and a smaller depth gives a prefix of a larger one:
        so a logged rank also says what each smaller depth would have brought.

        Raises:
            RetrievalError: the retriever could not answer; nothing else is raised.
        """
        ...

    def candidates(
        self, query: Query, depth: int, ids: Iterable[str], scores: Iterable[float], **columns: Iterable[float]
    ) -> Candidates:
        """Ids of entities and their scores as `retrieve` has to return them.

        Ids that the catalogue does not know, and what the query's kinds and filters forbid, are left out. ``columns``
        are further numbers of each candidate, named as in the spec. Needs `attach`.
        """
        ordinals = self.catalog.store.ordinals(list(ids))
        return finish(
            self.name,
            ordinals,
            np.fromiter(scores, np.float64),
            mask=permitted(query, self.catalog.columns.live),
            depth=depth,
            columns={name: np.fromiter(values, np.float32) for name, values in columns.items()},
        )


def permitted(query: Query, live: Mask) -> Mask:
    """The entities that may be returned: live and, where the query says so, allowed; shape (n_ordinals,).

    The two masks may come from different catalogue snapshots; what only one of them knows is not permitted.
    """
    if query.allowed is None:
        return live
    known = min(len(query.allowed), len(live))
    return query.allowed[:known] & live[:known]


def inside(ordinals: NDArray[np.integer], mask: Mask) -> Mask:
    """Which of ``ordinals`` (n,) lie inside ``mask`` and are True in it; shape (n,)."""
    known = (ordinals >= 0) & (ordinals < len(mask))
    known[known] = mask[ordinals[known]]
    return known


def finish(
    name: str,
    ordinals: NDArray[np.integer],
    scores: NDArray[np.floating],
    *,
    mask: Mask | None,
    depth: int,
    columns: Mapping[str, Scores] | None = None,
    shared_ms: float = 0.0,
) -> Candidates:
    """Raw hits as the `Retriever` contract wants them.

    Args:
        name: the retriever's name.
        ordinals: (n,) in any order, repeats allowed: the best scored one stays.
        scores: (n,), higher is better.
        mask: what may be returned, see `permitted`; None when the hits are known to be so.
        depth: how many at most.
        columns: further (n,) facts, taken along.
        shared_ms: see `Candidates`.
    """
    scores = scores.astype(np.float32)
    order = np.lexsort((ordinals, -scores))
    if mask is not None:
        order = order[inside(ordinals[order], mask)]
    _, first = np.unique(ordinals[order], return_index=True)
    order = order[np.sort(first)][: max(depth, 0)]
    return Candidates(
        retriever=name,
        ordinals=ordinals[order].astype(np.int32),
        scores=scores[order],
        columns={key: np.asarray(values[order], np.float32) for key, values in (columns or {}).items()},
        shared_ms=shared_ms,
    )
