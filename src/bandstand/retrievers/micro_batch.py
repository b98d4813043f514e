"""Calls that come while another one runs are answered together by the next run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from bandstand.errors import Cancelled
from bandstand.retrievers.cancellation import current
from bandstand.types import Matrix, Scores

AT_MOST = 16
"""Texts of one run; those beyond make the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A text, and where its row will be."""

    text: str
    answer: Future[Scores] = field(default_factory=Future)


class MicroBatch:
    """Flat combining (Hendler, Incze, Shavit & Tzafrir 2010): whoever finds a lane free works for all who wait.

    There is no timer and no thread of its own: a call that meets nobody runs at once, alone. ``lanes`` is how many runs
    go side by side. A call that is called off while it waits is taken out, and its text is never run.
    """

    def __init__(self, run: Callable[[Sequence[str]], Matrix], *, lanes: int = 1) -> None:
        self._run = run
        self._free = lanes
        self._changed = threading.Condition()
        self._waiting: list[_Call] = []

    def __call__(self, text: str) -> Scores:
        """One text's row of what ``run`` gives for a batch that holds it; raises what ``run`` raises.

        Raises:
            Cancelled: called off before it was run.
        """
        call = _Call(text)
        with self._changed:
            self._waiting.append(call)
        if (cancellation := current()) is not None:
            cancellation.on_cancel(lambda: self._take_out(call))
        while batch := self._led_by(call):
            self._answer(batch)
        return call.answer.result()

    def _led_by(self, call: _Call) -> list[_Call]:
        """Wait for the call's answer, or for a lane while nobody has taken it; the batch to run, none when answered."""
        with self._changed:
            self._changed.wait_for(lambda: call.answer.done() or (self._free > 0 and call in self._waiting))
            if call.answer.done():
                return []
            self._free -= 1
            batch, self._waiting = self._waiting[:AT_MOST], self._waiting[AT_MOST:]
            return batch

    def _answer(self, batch: Sequence[_Call]) -> None:
        try:
            rows = self._run([call.text for call in batch])
            for call, row in zip(batch, rows, strict=True):
                call.answer.set_result(row.copy())  # a view would keep the whole batch in memory
        except BaseException as error:
            for call in batch:
                call.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _take_out(self, call: _Call) -> None:
        with self._changed:
            if call in self._waiting:
                self._waiting.remove(call)
                call.answer.set_exception(Cancelled("called off before it was encoded"))
                self._changed.notify_all()
