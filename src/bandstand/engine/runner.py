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

from bandstand.errors import RetrievalError
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
    def arms(self) -> tuple[str, ...]:
        """The arms that can be called."""
        return tuple(self._retrievers)

    def call(self, arm: str, query: Query, depth: int) -> RetrieverAnswer:
        """Ask one arm for ``depth`` candidates; with depth 0 it is skipped."""
        if not depth:
            return nothing(arm, "skipped")
        started = self.timer()
        try:
            found = self._retrievers[arm].retrieve(query, depth)
        except Exception as error:  # noqa: BLE001 - whatever it is, the search goes on without this arm
            if called_off():
                return nothing(arm, "skipped", (self.timer() - started) * 1e3)
            self._report(arm, error)
            return nothing(arm, "failed", (self.timer() - started) * 1e3)
        self._failing.discard(arm)
        took = max((self.timer() - started) * 1e3 + found.shared_ms, 0.0)
        return found, RetrieverOutcome(retriever=arm, candidates=len(found), took_ms=took, status="ok")

    def _report(self, arm: str, error: Exception) -> None:
        """Log the first failure of a series: each is counted anyway. What was not foreseen comes with its traceback."""
        if arm not in self._failing:
            self._failing.add(arm)
            unforeseen = None if isinstance(error, RetrievalError) else error
            structlog.get_logger("engine").error("arm_failed", arm=arm, reason=str(error), exc_info=unforeseen)


def nothing(arm: str, status: RetrieverStatus, took_ms: float = 0.0) -> RetrieverAnswer:
    """The answer of an arm that found nothing, because of ``status``."""
    return Candidates.empty(arm), RetrieverOutcome(retriever=arm, status=status, took_ms=took_ms)


INLINE_ARMS = frozenset({"memory", "structured", "alike", "personal", "fresh"})
"""Arms that read nothing but this process's memory and answer in about a millisecond or less: a thread hand-over would
cost as much."""

TURN_S = 0.02
"""How long the next slow arm of a search waits for the one before it. Retrievers compute in this process: side by side
they wait for each other's interpreter lock, in slices of milliseconds. One that hangs delays the next by this much."""

QUEUED = 3
"""How many runs of an arm may wait for each of its threads."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of an arm that was handed to its threads, and what calls it off."""

    arm: str
    future: Future[RetrieverAnswer]
    started: float
    cancellation: Cancellation = field(default_factory=Cancellation)

    def cancel(self) -> None:
        """It never starts, or ends at its next step."""
        self.future.cancel()
        self.cancellation.cancel()


class Runner(Protocol):
    """Runs arms and says how each ended; never raises for what a retriever does."""

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that can be run."""

    def deadline(self, milliseconds: float) -> float:
        """The moment, on this runner's timer, ``milliseconds`` from now."""

    def run(self, arm: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:
        """One arm's candidates and outcome."""

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """Several arms; those with depth 0 are skipped. Keys of the answer are those of ``depths``, in their order."""

    def begin(self, arm: str, query: Query, depth: int) -> Begun | None:
        """Start an arm that may turn out not to be needed; None where there is no room for it."""

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:
        """The answer of an arm that was begun, waited for until the deadline."""

    def close(self) -> None:
        """Stop taking work; runs that are going are left to end."""


class InlineRunner:
    """Runs arms one after another in the caller's thread, and waits for each however long it takes.

    For replays: nobody waits for an answer, and a deadline would make it depend on the machine's mood.
    """

    def __init__(self, retrievers: Mapping[str, Retriever]) -> None:
        self._calls = RetrieverCalls(retrievers)

    @property
    def arms(self) -> tuple[str, ...]:
        """See `Runner`."""
        return self._calls.arms

    def deadline(self, milliseconds: float) -> float:  # noqa: ARG002 - there is none
        """Never."""
        return float("inf")

    def run(self, arm: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:  # noqa: ARG002 - as above
        """See `Runner`."""
        return self._calls.call(arm, query, depth)

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """See `Runner`."""
        return {arm: self.run(arm, query, depth, deadline) for arm, depth in depths.items()}

    def begin(self, arm: str, query: Query, depth: int) -> Begun | None:  # noqa: ARG002 - as above
        """Nothing goes side by side here."""
        return None

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:  # noqa: ARG002 - as above
        """What another runner began."""
        return begun.future.result()

    def close(self) -> None:
        """Nothing is going."""


class RetrieverRunner:
    """The runner that serves: no search waits longer than its deadline for anything but the cheap arms.

    A late arm cannot be killed: it is called off, and ends at its next step if it has one. So each arm that may be slow
    has ``threads`` of its own, and at most `QUEUED` runs waiting for each: one that hangs takes nothing from the rest,
    and once it holds all its places, further searches count it as late at once.
    """

    def __init__(
        self, retrievers: Mapping[str, Retriever], *, threads: int = 4, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._calls = RetrieverCalls(retrievers, timer=timer)
        slow = [arm for arm in retrievers if arm not in INLINE_ARMS]
        self._pools = {arm: ThreadPoolExecutor(max_workers=threads, thread_name_prefix=arm) for arm in slow}
        self._places = {arm: BoundedSemaphore(threads * (1 + QUEUED)) for arm in slow}
        self._timer = timer

    @property
    def arms(self) -> tuple[str, ...]:
        """See `Runner`."""
        return self._calls.arms

    def deadline(self, milliseconds: float) -> float:
        """See `Runner`."""
        return self._timer() + milliseconds / 1e3

    def run(self, arm: str, query: Query, depth: int, deadline: float) -> RetrieverAnswer:
        """See `Runner`."""
        return self.run_all({arm: depth}, query, deadline)[arm]

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, RetrieverAnswer]:
        """See `Runner`; the slow arms run side by side.

        What has not answered by the deadline is late; after the deadline no slow arm is begun.
        """
        quick = [arm for arm, depth in depths.items() if not depth or arm in INLINE_ARMS]
        answers = {arm: self._calls.call(arm, query, depths[arm]) for arm in quick}
        # The slow ones after these: beside them the quick ones would take milliseconds, waiting for the interpreter.
        slow = {arm: depth for arm, depth in depths.items() if arm not in answers}
        runs = {arm: self._begin(arm, query, depth, deadline) for arm, depth in slow.items()}
        for arm, run in runs.items():
            answers[arm] = nothing(arm, "late") if run is None else self.finish(run, deadline)
        return {arm: answers[arm] for arm in depths}

    def close(self) -> None:
        """See `Runner`."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def begin(self, arm: str, query: Query, depth: int) -> Begun | None:
        """See `Runner`; none for quick arms, where too many runs of it are going, nor after `close`."""
        if arm not in self._pools or not self._places[arm].acquire(blocking=False):
            return None
        cancellation = Cancellation()
        try:
            future = self._pools[arm].submit(self._called, cancellation, arm, query, depth)
        except RuntimeError:  # how a pool says that it was shut down
            self._places[arm].release()
            return None
        future.add_done_callback(lambda _: self._places[arm].release())
        return Begun(arm, future, self._timer(), cancellation)

    def finish(self, begun: Begun, deadline: float) -> RetrieverAnswer:
        """See `Runner`; what is late is called off, and what `close` has called off is late."""
        try:
            return begun.future.result(timeout=max(deadline - self._timer(), 0.0))
        except (FutureTimeout, CancelledError):
            begun.cancel()
            return nothing(begun.arm, "late", (self._timer() - begun.started) * 1e3)

    def _begin(self, arm: str, query: Query, depth: int, deadline: float) -> Begun | None:
        """Hand a slow arm to its threads; None where it is too late, or too many runs of it are going."""
        begun = None if self._timer() >= deadline else self.begin(arm, query, depth)
        if begun is not None:
            with suppress(FutureTimeout, CancelledError):
                begun.future.exception(timeout=TURN_S)
        return begun

    def _called(self, cancellation: Cancellation, arm: str, query: Query, depth: int) -> RetrieverAnswer:
        with under(cancellation):
            return self._calls.call(arm, query, depth)
