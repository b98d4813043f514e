"""How busy this process is with searches: what speculation and other extra work look at before they begin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
