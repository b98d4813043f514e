"""Whether learning goes on: how old the oldest entry is that waits to be learned, and how the threads fare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

import msgspec

from bandstand.errors import DamagedRecord, ModelError
from bandstand.feedback.log import Log
from bandstand.learner.orders import is_paused
from bandstand.learner.standing import standing
from bandstand.memory_index.memory import Memory
from bandstand.models.registry import ModelRegistry
from bandstand.supervision import Fares


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How far learning has come: ``position`` in the log, ``waiting`` entries after it, the oldest since ``oldest_s``.

    They wait because somebody ``paused`` it, or to be learned.
    ``published_s`` and ``trained_s`` are the ages of the newest bandit and ranker, None where there is none.
    """

    position: int
    waiting: int
    oldest_s: float = 0.0
    published_s: float | None = None
    trained_s: float | None = None
    paused: bool = False


def learned(log: Log, memory: Memory, models: ModelRegistry, now: float) -> Learned:
    """How far learning has come, at a time in seconds since 1970.

    Raises:
        StorageError, Unavailable: log or memory cannot be read.
    """
    position = standing(log, memory)
    waiting = max(log.head() - position, 0)
    return Learned(
        position=position,
        waiting=waiting,
        oldest_s=_waits(log, position, now) if waiting else 0.0,
        published_s=_age(models, "bandit", now),
        trained_s=_age(models, "ranker", now),
        paused=is_paused(memory.state),
    )


def _waits(log: Log, position: int, now: float) -> float:
    """For how long the entry after a position waits; 0 where there is none."""
    try:
        following = log.read(position, 1)
        logged = following[0].time if following else now
    except DamagedRecord as damaged:
        logged = damaged.time or now
    return max(now - logged, 0.0)


_LOOKED_S = 1.0


class Backlog:
    """Whether learning is too far behind for more than a few events at a time, which it is ``limit_s`` late (0: never).

    Looked up once a second at most. Safe for threads.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._looked, self._late_s = -inf, 0.0

    def late_s(self, log: Log, memory: Memory, now: float) -> float:
        """For how long the oldest entry waits; 0 within the limit, and where somebody paused learning.

        Raises:
            StorageError, Unavailable: log or memory cannot be read.
        """
        if self._limit_s and not 0 <= now - self._looked < _LOOKED_S:
            late_s = _waits(log, standing(log, memory), now)
            self._late_s = late_s if late_s > self._limit_s and not is_paused(memory.state) else 0.0
            self._looked = now
        return self._late_s


def _age(models: ModelRegistry, name: str, now: float) -> float | None:
    with suppress(ModelError):  # a damaged one is told elsewhere
        for newest in models.list(name)[-1:]:
            return max(now - newest.created, 0.0)
    return None


class Vigil:
    """Watches learning from one process: it stands still when nothing moves while entries wait beyond ``limit_s``.

    What is waited for here counts from the first look on: who starts after a day has the limit to begin catching up.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._seen: tuple[int, float] | None = None

    def complaint(self, state: Learned, threads: Sequence[Fares], now: float) -> str:
        """Why learning is not well, and what to do; "" where it is."""
        if self._seen is None or self._seen[0] != state.position or not state.waiting:
            self._seen = (state.position, now)
        late = min(state.oldest_s, now - self._seen[1])
        return standstill(state, late, self._limit_s) or failing(threads, self._limit_s, now)


def standstill(state: Learned, late_s: float, limit_s: float) -> str:
    """What to say of entries that wait for so long; "" where that is within the limit, or wanted."""
    if state.paused or not state.waiting or not 0 < limit_s < late_s:
        return ""
    return (
        f"learning stands still: {state.waiting} log entries wait, the oldest for {state.oldest_s:.0f} s"
        f" (BANDSTAND_LEARN_WITHIN_SECONDS is {limit_s:.0f}); start `bandstand serve` where none learns, else see why"
        " in its log"
    )


_NEEDED = frozenset(("learner", "indexer", "refresher"))


def failing(threads: Sequence[Fares], limit_s: float, now: float) -> str:
    """What to say of a thread that learning needs and that has failed for longer than the limit; "" where none has."""
    for one in threads:
        if one.name in _NEEDED and one.failing_since is not None and 0 < limit_s < now - one.failing_since:
            return f"the {one.name} fails since {now - one.failing_since:.0f} s: {one.reason}"
    return ""


class _Told(msgspec.Struct, frozen=True):
    process: int
    threads: tuple[Fares, ...] = ()


def tell_threads(path: Path, threads: Sequence[Fares]) -> None:
    """Let other processes know how the threads fare that learn here; where the disk is full, they do not hear of it."""
    with suppress(OSError):
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(_Told(os.getpid(), tuple(threads))))
        temporary.replace(path)


def told_threads(path: Path) -> tuple[Fares, ...]:
    """How the threads fare that learn for a home, wherever they run; none where no such process lives."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=_Told)
        os.kill(told.process, 0)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
        return ()
    return told.threads
