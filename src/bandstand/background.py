"""Work that is repeated in a thread until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from bandstand.errors import BandstandError
from bandstand.training import Told

_AFTER_FAILURE_S = 1.0


class Stopped(Exception):
    """Long work was told to stop; what it had committed by then stays."""


def repeat(work: Callable[[], bool], stop: threading.Event, *, name: str, pause_s: float) -> None:
    """Repeat until ``stop``: at once while there is more work, else after a pause.

    What fails is logged and tried again, whatever it is: a thread that ended would not be missed for days.
    """
    log = structlog.get_logger(name)
    while not stop.is_set():
        pause = pause_s
        try:
            if work():
                continue
        except Stopped:
            return
        except BandstandError as error:
            log.error("failed", reason=str(error))
            pause = max(pause, _AFTER_FAILURE_S)
        except Exception:
            log.exception("failed")
            pause = max(pause, _AFTER_FAILURE_S)
        stop.wait(pause)


def stopper(stop: threading.Event) -> Told:
    """Progress that nobody reads, but that ends the work when it is to stop."""

    def told(job: str, done: int, of: int) -> None:  # noqa: ARG001 - as progress is told
        if stop.is_set():
            raise Stopped

    return told
