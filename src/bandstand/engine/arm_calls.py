"""One arm asked once, whatever it does: its candidates, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from bandstand.errors import RetrievalError
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.cancellation import called_off
from bandstand.types import ArmOutcome, ArmStatus, Candidates, Query

ArmAnswer = tuple[Candidates, ArmOutcome]


class ArmCalls:
    """Calls retrievers, times them, and never raises for what they do. Safe for threads."""

    def __init__(self, retrievers: Mapping[str, Retriever], *, timer: Callable[[], float] = time.perf_counter) -> None:
        self._retrievers = dict(retrievers)
        self._failing: set[str] = set()
        self.timer = timer

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that can be called."""
        return tuple(self._retrievers)

    def call(self, arm: str, query: Query, depth: int) -> ArmAnswer:
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
        return found, ArmOutcome(arm=arm, candidates=len(found), took_ms=took, status="ok")

    def _report(self, arm: str, error: Exception) -> None:
        """Log the first failure of a series: each is counted anyway. What was not foreseen comes with its traceback."""
        if arm not in self._failing:
            self._failing.add(arm)
            unforeseen = None if isinstance(error, RetrievalError) else error
            structlog.get_logger("engine").error("arm_failed", arm=arm, reason=str(error), exc_info=unforeseen)


def nothing(arm: str, status: ArmStatus, took_ms: float = 0.0) -> ArmAnswer:
    """The answer of an arm that found nothing, because of ``status``."""
    return Candidates.empty(arm), ArmOutcome(arm=arm, status=status, took_ms=took_ms)
