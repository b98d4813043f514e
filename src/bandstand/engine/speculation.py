"""Expensive retrievers begun before their decision, where that will probably choose them and the machine has room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from bandstand.bandit.policy import FULL_DEPTH
from bandstand.engine.runner import Begun, Load, RetrieverAnswer, Runner
from bandstand.types import Candidates, Query


@dataclass(slots=True)
class Counts:
    """Since the start: runs that a decision took, that it called off, and that there was no room for."""

    taken: int = 0
    cancelled: int = 0
    refused: int = 0


class Ahead:
    """The runs of one search that were begun ahead of their decision."""

    def __init__(self, runner: Runner, query: Query, places: BoundedSemaphore, counts: Counts) -> None:
        self._runner, self._query, self._places, self._counts = runner, query, places, counts
        self._begun: dict[str, Begun] = {}

    def begin(self, retrievers: Iterable[str]) -> None:
        """Start retrievers at full depth, as long as there is room: a deeper answer begins with every shallower one."""
        for retriever in retrievers:
            if not self._places.acquire(blocking=False):
                self._counts.refused += 1
                continue
            begun = self._runner.begin(retriever, self._query, FULL_DEPTH)
            if begun is None:
                self._places.release()
                self._counts.refused += 1
                continue
            begun.future.add_done_callback(lambda _: self._places.release())
            self._begun[retriever] = begun

    def take(self, retriever: str, depth: int, deadline: float) -> RetrieverAnswer | None:
        """The answer at the depth that was decided, waited for; None where it was not begun, or is not wanted."""
        begun = self._begun.pop(retriever, None)
        if begun is None:
            return None
        if not depth:
            self._cancel(begun)
            return None
        self._counts.taken += 1
        found, outcome = self._runner.finish(begun, deadline)
        found = first(found, depth)
        return found, replace(outcome, candidates=len(found))

    def close(self) -> None:
        """Call off what nobody took."""
        for begun in self._begun.values():
            self._cancel(begun)
        self._begun.clear()

    def _cancel(self, begun: Begun) -> None:
        self._counts.cancelled += 1
        begun.cancel()


class Speculation:
    """Room for runs ahead of their decision: ``places`` in the whole process, and none while searches want the threads.

    So it is the first to give way: with as many searches as there are threads nothing is begun early, and every
    retriever runs when it is decided, as without speculation.
    """

    def __init__(self, runner: Runner, load: Load, *, places: int) -> None:
        self._runner, self._load = runner, load
        self._places = BoundedSemaphore(max(places, 1))
        self._on = places > 0
        self.counts = Counts()

    @property
    def possible(self) -> bool:
        """Whether there is room now; else what would be begun need not even be worked out."""
        return self._on and self._load.spare > 0

    @contextmanager
    def search(self, query: Query) -> Iterator[Ahead]:
        """One search's early runs; what is left at its end is called off."""
        ahead = Ahead(self._runner, query, self._places, self.counts)
        try:
            yield ahead
        finally:
            ahead.close()


def first(found: Candidates, depth: int) -> Candidates:
    """The best ``depth`` of an answer."""
    if len(found) <= depth:
        return found
    return replace(
        found,
        ordinals=found.ordinals[:depth],
        scores=found.scores[:depth],
        columns={name: column[:depth] for name, column in found.columns.items()},
    )
