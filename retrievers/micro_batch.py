"""Calls that come while another one runs are answered together by the next run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from bandstand.errors import Cancelled
from bandstand.retrievers.cancellation import current
from bandstand.types import Matrix, Scores

AT_MOST = 16
"""Texts of one run; those beyond make the next."""


class MicroBatch:
    """Flat combining (Hendler, Incze, Shavit & Tzafrir 2010): whoever gets a lane works for all who wait.

    There is no timer and no thread of its own: a call that meets nobody runs at once, alone. ``lanes`` is how many runs
    go side by side. A call that is called off while it waits is taken out, and its text is never run.
    """

    def __init__(self, run: Callable[[Sequence[str]], Matrix], *, lanes: int = 1) -> None:
        self._run = run
        self._lanes = threading.Semaphore(lanes)
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, Future[Scores]]] = []

    def __call__(self, text: str) -> Scores:
        """One text's row of what ``run`` gives for a batch that holds it; raises what ``run`` raises.

        Raises:
            Cancelled: called off before it was run.
        """
        call = (text, Future[Scores]())
        with self._lock:
            self._waiting.append(call)
        if (cancellation := current()) is not None:
            cancellation.on_cancel(lambda: self._take_out(call))
        while not call[1].done():
            with self._lanes:
                if batch := self._next():
                    self._answer(batch)
                    continue
            break  # somebody else's run holds this call
        return call[1].result()

    def _next(self) -> list[tuple[str, Future[Scores]]]:
        with self._lock:
            batch, self._waiting = self._waiting[:AT_MOST], self._waiting[AT_MOST:]
        return batch

    def _take_out(self, call: tuple[str, Future[Scores]]) -> None:
        with self._lock:
            if call not in self._waiting:
                return
            self._waiting.remove(call)
        call[1].set_exception(Cancelled("called off before it was encoded"))

    def _answer(self, batch: Sequence[tuple[str, Future[Scores]]]) -> None:
        try:
            rows = self._run([text for text, _ in batch])
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), row in zip(batch, rows, strict=True):
            future.set_result(row)
