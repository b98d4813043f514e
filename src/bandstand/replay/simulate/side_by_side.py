"""Policies of one closed loop played at the same time, each in a process of its own; they share the start alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TypeVar

from bandstand.replay.simulate.scene import Scene, Told
from bandstand.replay.simulate.tally import Tally

Message = tuple[str, int, int]
T = TypeVar("T")

_LISTEN_S = 0.2


@dataclass(frozen=True, slots=True)
class _Teller:
    """Sends progress to the process that waits."""

    messages: Queue[Message]

    def __call__(self, name: str, done: int, of: int) -> None:
        self.messages.put((name, done, of))


def play_side_by_side(scene: Scene, names: Sequence[str], *, jobs: int, told: Told) -> dict[str, tuple[Tally, float]]:
    """As `Scene.play` of each, ``jobs`` at a time; processes are started afresh, so that none inherits a lock."""
    fresh = multiprocessing.get_context("spawn")
    with fresh.Manager() as manager, ProcessPoolExecutor(min(jobs, len(names)), mp_context=fresh) as pool:
        messages: Queue[Message] = manager.Queue()
        played = {name: pool.submit(scene.play, name, _Teller(messages)) for name in names}
        _pass_on(messages, list(played.values()), told)
        return {name: future.result() for name, future in played.items()}


def _pass_on(messages: Queue[Message], running: Sequence[Future[T]], told: Told) -> None:
    """Tell what comes, until all have ended or one has failed."""
    while True:
        ended = wait(running, timeout=0)
        try:
            told(*messages.get(timeout=_LISTEN_S))
        except Empty:
            if not ended.not_done or any(future.exception() for future in ended.done):
                return
