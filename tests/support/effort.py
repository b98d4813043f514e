"""How much computing something takes, in a unit that a busy machine changes little."""

from __future__ import annotations

import time
from collections.abc import Callable

TRIES = 3


def effort(work: Callable[[], object], *, clock: Callable[[], float] = time.process_time) -> float:
    """How many plain loops of a million steps (15 ms on an idle core) the work takes: the least of several tries.

    ``clock`` counts seconds of computing: of this process, or of this thread alone (`time.thread_time`).
    """
    return min(_seconds(work, clock) / _seconds(_loop, time.thread_time) for _ in range(TRIES))


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def _loop() -> None:
    for _ in range(1_000_000):
        pass
