"""Calling a retriever's run off: work that was queued never starts, and what goes on ends at its next step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bandstand.errors import Cancelled

_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class Cancellation:
    """One run that may be called off, by another thread than the one that works. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called_off = False
        self._then: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Call it off, once and for all."""
        with self._lock:
            self._called_off = True
            then, self._then = self._then, []
        for act in then:
            act()

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Do something when it is called off, at once if it is already."""
        with self._lock:
            if not self._called_off:
                self._then.append(act)
                return
        act()

    @property
    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self._called_off


@contextmanager
def under(cancellation: Cancellation) -> Iterator[None]:
    """What this thread does within the block can be called off."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Cancellation | None:
    """What this thread's work can be called off by; None where nothing can."""
    return _current.get()


def called_off() -> bool:
    """Whether what this thread works on was called off."""
    cancellation = _current.get()
    return cancellation is not None and cancellation.cancelled


def check() -> None:
    """Between two steps of a run.

    Raises:
        Cancelled: it was called off.
    """
    if called_off():
        raise Cancelled("called off: nobody waits for this any more")
