"""A command again and again in a process of its own, beside a server that it must not slow down."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_NICE = 10
_FIRST_S = 60.0
_JOIN_S = 10.0


class Repeated:
    """While the ``with`` block runs, a command every ``minutes``, with low priority, in a process of its own.

    ``made`` is the file that it writes: what is young enough is not made anew after a restart.
    """

    def __init__(self, command: Sequence[str], *, made: Path, minutes: float, first_s: float = _FIRST_S) -> None:
        self._command = list(command)
        self._made = made
        self._pause_s = 60.0 * minutes
        self._first_s = first_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="estimates", daemon=True)

    def __enter__(self) -> Self:
        if self._pause_s:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._pause_s:
            self._thread.join(timeout=_JOIN_S)

    def _run(self) -> None:
        pause = max(self._pause_s - self._age_s(), self._first_s)
        while not self._stop.wait(pause):
            self._once()
            pause = self._pause_s

    def _once(self) -> None:
        """Run the command to its end, or to ours."""
        import structlog

        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        while process.poll() is None:
            if self._stop.wait(0.2):
                process.terminate()
                break
        _, complaint = process.communicate()
        if process.returncode and not self._stop.is_set():
            structlog.get_logger("estimates").error(
                "estimates_failed", reason=complaint.decode(errors="replace").strip()
            )

    def _age_s(self) -> float:
        try:
            return max(time.time() - self._made.stat().st_mtime, 0.0)
        except FileNotFoundError:
            return self._pause_s
