"""Work beside the searches of a process: it indexes and learns where it may, and follows what others have learned."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bandstand.app.platform import Platform
from bandstand.supervision import Supervised

_LOOK_AGAIN_S = 5.0
"""How often it is tried to become the learner while another process is."""

_JOIN_S = 30.0


class Background:
    """Two threads over a platform, from `start` to `stop`.

    One is the home's learner whenever no other process is; the other lets searches see what has been learned, here or
    elsewhere.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._threads: list[Supervised] = []

    def start(self) -> None:
        """Begin, once the home can be searched; again, it changes nothing."""
        with self._starting:
            if self._threads or self._stop.is_set():
                return
            pause = self._platform.settings.refresh_ms / 1e3
            self._threads = [
                Supervised("bandstand-learner", self._learn, self._stop, pause_s=_LOOK_AGAIN_S),
                Supervised("bandstand-refresher", self._refresh, self._stop, pause_s=pause),
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; waits for what they are at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_JOIN_S)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Both threads have ended while the block runs; the next `start` begins anew."""
        self.stop()
        try:
            yield
        finally:
            with self._starting:
                self._threads, self._stop = [], threading.Event()  # one that is still at work must not go on

    def _learn(self) -> bool:
        learning = self._platform.learning_if_free()
        if learning is not None:
            learning.run(self._platform.searching, self._stop)
        return False

    def _refresh(self) -> bool:
        self._platform.searching.refresh()
        return False
