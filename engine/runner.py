"""Runs retrievers for a search: cheap ones in place, the others side by side under a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from threading import BoundedSemaphore

import structlog

from bandstand.errors import RetrievalError
from bandstand.retrievers.base import Retriever
from bandstand.types import ArmOutcome, ArmStatus, Candidates, Query

INLINE_ARMS = frozenset({"memory", "personal", "fresh"})
"""Arms that answer in well under a millisecond: a thread hand-over would cost more than they do."""

TURN_S = 0.02
"""How long the next slow arm of a search waits for the one before it. Retrievers compute in this process: side by side
they wait for each other's interpreter lock, in slices of milliseconds. One that hangs delays the next by this much."""

QUEUED = 3
"""How many runs of an arm may wait for each of its threads."""

ArmAnswer = tuple[Candidates, ArmOutcome]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of an arm that was handed to its threads."""

    future: Future[ArmAnswer]
    started: float


class ArmRunner:
    """Runs arms and says how each ended; never raises for what a retriever does.

    A late arm cannot be killed, only abandoned. So each arm that may be slow has ``threads`` of its own, and at most
    `QUEUED` runs waiting for each: one that hangs takes nothing from the others, and once it holds all its places,
    further searches count it as late at once.
    """

    def __init__(
        self, retrievers: Mapping[str, Retriever], *, threads: int = 4, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._retrievers = dict(retrievers)
        slow = [arm for arm in retrievers if arm not in INLINE_ARMS]
        self._pools = {arm: ThreadPoolExecutor(max_workers=threads, thread_name_prefix=arm) for arm in slow}
        self._places = {arm: BoundedSemaphore(threads * (1 + QUEUED)) for arm in slow}
        self._failing: set[str] = set()
        self._timer = timer

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that can be run."""
        return tuple(self._retrievers)

    def deadline(self, milliseconds: float) -> float:
        """The moment, on this runner's timer, ``milliseconds`` from now."""
        return self._timer() + milliseconds / 1e3

    def run(self, arm: str, query: Query, depth: int, deadline: float) -> ArmAnswer:
        """One arm's candidates and outcome."""
        return self.run_all({arm: depth}, query, deadline)[arm]

    def run_all(self, depths: Mapping[str, int], query: Query, deadline: float) -> dict[str, ArmAnswer]:
        """Several arms side by side; arms with depth 0 are skipped. Keys of the answer are those of ``depths``.

        What has not answered by the deadline is late; after the deadline no slow arm is begun.
        """
        answers: dict[str, ArmAnswer] = {}
        for arm, depth in depths.items():
            if not depth:
                answers[arm] = _nothing(arm, "skipped", 0.0)
            elif arm in INLINE_ARMS:
                answers[arm] = self._guarded(arm, query, depth)
        # The slow ones after these: beside them the quick ones would take milliseconds, waiting for the interpreter.
        slow = {arm: depth for arm, depth in depths.items() if arm not in answers}
        runs = {arm: self._begin(arm, query, depth, deadline) for arm, depth in slow.items()}
        for arm, run in runs.items():
            answers[arm] = self._collect(arm, run, deadline)
        return {arm: answers[arm] for arm in depths}

    def close(self) -> None:
        """Stop taking work; runs that are going are left to end."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, arm: str, query: Query, depth: int, deadline: float) -> _Run | None:
        """Hand a slow arm to its threads; None where it is too late, or too many runs of it are going."""
        if self._timer() >= deadline or not self._places[arm].acquire(blocking=False):
            return None
        future = self._pools[arm].submit(self._guarded, arm, query, depth)
        future.add_done_callback(lambda _: self._places[arm].release())
        run = _Run(future, self._timer())
        wait([future], timeout=TURN_S)
        return run

    def _collect(self, arm: str, run: _Run | None, deadline: float) -> ArmAnswer:
        if run is None:
            return _nothing(arm, "late", 0.0)
        try:
            return run.future.result(timeout=max(deadline - self._timer(), 0.0))
        except FutureTimeout:
            run.future.cancel()
            return _nothing(arm, "late", (self._timer() - run.started) * 1e3)

    def _guarded(self, arm: str, query: Query, depth: int) -> ArmAnswer:
        started = self._timer()
        try:
            found = self._retrievers[arm].retrieve(query, depth)
        except Exception as error:  # noqa: BLE001 - whatever it is, the search goes on without this arm
            self._report(arm, error)
            return _nothing(arm, "failed", (self._timer() - started) * 1e3)
        self._failing.discard(arm)
        took = (self._timer() - started) * 1e3
        return found, ArmOutcome(arm=arm, candidates=len(found), took_ms=took, status="ok")

    def _report(self, arm: str, error: Exception) -> None:
        """Log the first failure of a series: each is counted anyway. What was not foreseen comes with its traceback."""
        if arm not in self._failing:
            self._failing.add(arm)
            unforeseen = None if isinstance(error, RetrievalError) else error
            structlog.get_logger("engine").error("arm_failed", arm=arm, reason=str(error), exc_info=unforeseen)


def _nothing(arm: str, status: ArmStatus, took_ms: float) -> ArmAnswer:
    return Candidates.empty(arm), ArmOutcome(arm=arm, status=status, took_ms=took_ms)
