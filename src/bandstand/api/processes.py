"""The processes of one server: the learner's own, none outlives the one that started it, how each writes its log."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Self

import structlog

from bandstand.api.service import Service
from bandstand.api.tracing import add_request
from bandstand.errors import loggable
from bandstand.settings import Settings


def _tell_traceback(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put the traceback of ``exc_info`` into an event: where it happened, and of the error what is `loggable`."""
    error = event.pop("exc_info", None)
    error = sys.exc_info()[1] if error is True else error
    if isinstance(error, BaseException):
        event["exception"] = "".join(_told(error))
    return event


def _told(error: BaseException) -> Iterator[str]:
    """An error and what it came of, the first first, as Python tells them but for messages that may quote somebody."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _told(before)
        yield "\nFrom this came:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    name, said = type(error).__qualname__, loggable(error)
    yield f"{name}: {said}\n" if said != name else f"{name}\n"


def configure_logs(level: str = "info") -> None:
    """Set the process-wide configuration; called once, by whoever owns the process. Less than ``level`` is left out."""
    terminal = sys.stderr.isatty()
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            add_request,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _tell_traceback,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )


def when_parent_ends(react: Callable[[], None]) -> None:
    """Call ``react`` once the parent of this spawned process is gone, however it ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            react()

    threading.Thread(target=watch, name="parent-watcher", daemon=True).start()


LONGEST_END_S = 6.0
"""How long the end of a process may take; what is not written by then was not acknowledged."""

_ORPHANED_S = 1.5
"""The same of one whose parent is gone."""


def end_within(seconds: float) -> None:
    """End this process by force if it still runs after so long, whatever hangs."""

    def force() -> None:
        structlog.get_logger("serve").error("ended_by_force", seconds=seconds)
        os._exit(1)

    timer = threading.Timer(seconds, force)
    timer.daemon = True
    timer.start()


def when_terminated(react: Callable[[], None]) -> None:
    """Call ``react`` at SIGTERM or SIGINT, before whoever handles these now; in the main thread of a process alone."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _after(react, signal.getsignal(number)))


def _after(react: Callable[[], None], before: object) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        react()
        if callable(before):
            before(number, frame)

    return handle


def end_orphan() -> None:
    """End this process, whose parent is gone: in order, and otherwise by force."""
    end_within(_ORPHANED_S)
    os.kill(os.getpid(), signal.SIGTERM)


_RESTART_S = 1.0


class LearnerProcess:
    """While the ``with`` block runs, one process indexes and learns."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._ends_by = math.inf
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name="learner-watcher", daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.terminate()
        self._watcher.join(timeout=max(self._ends_by - time.monotonic(), 0.0))
        self._process.kill()

    def terminate(self) -> None:
        """Let it begin to end; it is waited for at the end of the block."""
        with self._lock:
            if not self._stop.is_set():
                self._ends_by = time.monotonic() + LONGEST_END_S
            self._stop.set()
            self._process.terminate()

    def _start(self) -> multiprocessing.process.BaseProcess:
        process = self._context.Process(target=learn, args=(self._settings,), name="bandstand-learner", daemon=True)
        process.start()
        return process

    def _watch(self) -> None:
        while True:
            self._process.join()
            if self._stop.wait(_RESTART_S):
                return
            structlog.get_logger("serve").error("learner_restarted", exit_code=self._process.exitcode)
            with self._lock:
                if not self._stop.is_set():
                    self._process = self._start()


def learn(settings: Settings) -> None:
    """The process: a service without HTTP. Ends with SIGTERM or SIGINT, or with its parent."""
    configure_logs(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    when_terminated(lambda: end_within(LONGEST_END_S))
    when_parent_ends(end_orphan)
    service = Service(settings, learn=True)
    service.start()
    stop.wait()
    service.stop()
