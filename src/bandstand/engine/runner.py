"""Runs retrievers for a search: cheap ones in place, the others side by side under a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Protocol

import structlog

from bandstand.errors import RetrievalError, loggable
from bandstand.retrievers.base import Cancellation, Retriever, called_off, under
from bandstand.types import Candidates, Query, RetrieverOutcome, RetrieverStatus


class Load:
    """Counts searches in progress. Safe for threads. ``slots`` is how many can run side by side."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._going = 0
        self._changed = threading.Condition()

    @contextmanager
    def search(self) -> Iterator[None]:
        """One search is going on."""
        with self._changed:
            self._going += 1
        try:
            yield
        finally:
            with self._changed:
                self._going -= 1
                if not self._going:
                    self._changed.notify_all()

    @property
    def spare(self) -> int:
        """How many more searches could run now without waiting; never below 0."""
        return max(self._slots - self._going, 0)

    def until_idle(self, seconds: float) -> bool:
        """Wait until no search is going on; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._going, timeout=seconds)


RetrieverAnswer = tuple[Candidates, RetrieverOutcome]


class RetrieverCalls:
    """Calls retrievers, times them, and never raises for what they do. Safe for threads."""

    def __init__(self, retrievers: Mapping[str, Retriever], *, timer: Callable[[], float] = time.perf_counter) -> None:
        self._retrievers = dict(retrievers)
        self._failing: set[str] = set()
        self.timer = timer

    @property
    def names(self) -> tuple[str, ...]:
        """The retrievers that can be called."""
        return tuple(self._retrievers)

    def call(self, name: str, query: Query, depth: int) -> RetrieverAnswer:
        """Ask one retriever for ``depth`` candidates; with depth 0 it is skipped."""
        if not depth:
            return nothing(name, "skipped")
        started = self.timer()
        try:
            found = self._retrievers[name].retrieve(query, depth)
        except Exception as error:  # noqa: BLE001 - whatever it is, the search goes on without this retriever
            if called_off():
                return nothing(name, "skipped", (self.timer() - started) * 1e3)
            self._report(name, error)
            return nothing(name, "failed", (self.timer() - started) * 1e3)
        self._failing.discard(name)
        took = max((self.timer() - started) * 1e3 + found.shared_ms, 0.0)
        return found, RetrieverOutcome(retriever=name, candidates=len(found), took_ms=took, status="ok")

    def _report(self, name: str, error: Exception) -> None:
        """Log the first failure of a series: each is counted anyway. What was not foreseen comes with its traceback."""
        if name not in self._failing:
            self._failing.add(name)
            log, unforeseen = structlog.get_logger("engine"), None if isinstance(error, RetrievalError) else error
            log.error("retriever_failed", retriever=name, reason=loggable(error), exc_info=unforeseen)


def nothing(name: str, status: RetrieverStatus, took_ms: float = 0.0) -> RetrieverAnswer:
    """The answer of a retriever that found nothing, because of ``status``."""
    return Candidates.empty(name), RetrieverOutcome(retriever=name, status=status, took_ms=took_ms)


TURN_S = 0.02
"""How long the next slow retriever of a search waits for the one before it. Retrievers compute in this process: side by
side they wait for each other's interpreter lock, in slices of milliseconds. One that hangs delays the next by this."""

QUEUED = 3
"""How many runs of a retriever may wait for each of its threads."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of a retriever that was handed to its threads, and what calls it off."""

    name: str
    future: Future[RetrieverAnswer]
    started: float
    cancellation: Cancellation = field(default_factory=Cancellation)

    def cancel(self) -> None:
        """It never starts, or ends at its next step."""
        self.future.cancel()
        self.cancellation.cancel()


class Runner(Protocol):
    """Runs retrievers and says how each ended; never raises for what a retriever does."""

    @property
    def names(self) -> tuple[str, ...]:
        """The retrievers that can be run."""

    def deadline(self, milliseconds: float) -> float:
        """The moment, on this runner's timer, ``milliseconds`` from now."""

    def run(self, name: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:
        """One retriever's candidates and outcome."""

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """Several of them; those with depth 0 are skipped. The answer has the keys of ``depths``, in their order."""

    def begin(self, name: str, query: Query, depth: int) -> Begun | None:
        """Start a retriever that may turn out not to be needed; None where there is no room for it."""

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:
        """The answer of a retriever that was begun, waited for until the deadline."""

    def close(self) -> None:
        """Stop taking work; runs that are going are left to end."""


class InlineRunner:
    """Runs retrievers one after another in the caller's thread, and waits for each however long it takes.

    For replays: nobody waits for an answer, and a deadline would make it depend on the machine's mood.
    """

    def __init__(self, retrievers: Mapping[str, Retriever]) -> None:
        self._calls = RetrieverCalls(retrievers)

    @property
    def names(self) -> tuple[str, ...]:
        """See `Runner`."""
        return self._calls.names

    def deadline(self, milliseconds: float) -> float:  # noqa: ARG002 - there is none
        """Never."""
        return float("inf")

    def run(self, name: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:  # noqa: ARG002 - as above
        """See `Runner`."""
        return self._calls.call(name, query, depth)

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """See `Runner`."""
        return {name: self.run(name, query, depth, deadline) for name, depth in depths.items()}

    def begin(self, name: str, query: Query, depth: int) -> Begun | None:  # noqa: ARG002 - as above
        """Nothing goes side by side here."""
        return None

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:  # noqa: ARG002 - as above
        """What another runner began."""
        return begun.future.result()

    def close(self) -> None:
        """Nothing is going."""


class RetrieverRunner:
    """The runner that serves: no search waits longer than its deadline for anything but the cheap retrievers.

    A late retriever cannot be killed: it is called off, and ends at its next step if it has one. So each one that may
    be slow has ``threads`` of its own, and at most `QUEUED` runs waiting for each: one that hangs takes nothing from
    the rest, and once it holds all its places, further searches count it as late at once.
    """

    def __init__(
        self, retrievers: Mapping[str, Retriever], *, threads: int = 4, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._calls = RetrieverCalls(retrievers, timer=timer)
        slow = [name for name, retriever in retrievers.items() if not retriever.spec.inline]
        self._pools = {name: ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name) for name in slow}
        self._places = {name: BoundedSemaphore(threads * (1 + QUEUED)) for name in slow}
        self._timer = timer

    @property
    def names(self) -> tuple[str, ...]:
        """See `Runner`."""
        return self._calls.names

    def deadline(self, milliseconds: float) -> float:
        """See `Runner`."""
        return self._timer() + milliseconds / 1e3

    def run(self, name: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:
        """See `Runner`."""
        return self.run_all({name: depth}, query, deadline)[name]

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """See `Runner`; the slow retrievers run side by side.

        What has not answered by the deadline is late; after the deadline no slow retriever is begun.
        """
        quick = [name for name, depth in depths.items() if not depth or name not in self._pools]
        answers = {name: self._calls.call(name, query, depths[name]) for name in quick}
        # The slow ones after these: beside them the quick ones would take milliseconds, waiting for the interpreter.
        slow = {name: depth for name, depth in depths.items() if name not in answers}
        runs = {name: self._begin(name, query, depth, deadline) for name, depth in slow.items()}
        for name, run in runs.items():
            answers[name] = nothing(name, "late") if run is None else self.finish(run, deadline)
        return {name: answers[name] for name in depths}

    def close(self) -> None:
        """See `Runner`."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def begin(self, name: str, query: Query, depth: int) -> Begun | None:
        """See `Runner`; none for quick retrievers, where too many runs of it are going, nor after `close`."""
        if name not in self._pools or not self._places[name].acquire(blocking=False):
            return None
        cancellation = Cancellation()
        try:
            future = self._pools[name].submit(self._called, cancellation, name, query, depth)
        except RuntimeError:  # how a pool says that it was shut down
            self._places[name].release()
            return None
        future.add_done_callback(lambda _: self._places[name].release())
        return Begun(name, future, self._timer(), cancellation)

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:
        """See `Runner`; what is late is called off, and what `close` has called off is late."""
        try:
            return begun.future.result(timeout=max(deadline - self._timer(), 0.0))
        except (FutureTimeout, CancelledError):
            begun.cancel()
            return nothing(begun.name, "late", (self._timer() - begun.started) * 1e3)

    def _begin(self, name: str, query: Query, depth: int, deadline: float) -> Begun | None:
        """Hand a slow retriever to its threads; None where it is too late, or too many runs of it are going."""
        begun = None if self._timer() >= deadline else self.begin(name, query, depth)
        if begun is not None:
            with suppress(FutureTimeout, CancelledError):
                begun.future.exception(timeout=TURN_S)
        return begun

    def _called(self, cancellation: Cancellation, name: str, query: Query, depth: int) -> RetrieverAnswer:
        with under(cancellation):
            return self._calls.call(name, query, depth)
