"""After the answer: pages with and without each expensive retriever, of a sampled share of searches, into the log."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bandstand.catalog.columns import Catalog
from bandstand.engine.ablation import ablate
from bandstand.engine.brains import Brains
from bandstand.engine.load import Load
from bandstand.engine.sampling import sampled
from bandstand.engine.search import Engine, ImpressionLog
from bandstand.errors import BandstandError, NotFound
from bandstand.feedback.ablation import ablation_event
from bandstand.types import Clock, Event, Impression

WAITING = 16
"""Sampled searches that may wait; a further one is dropped. The share is a target, the answer to somebody is not."""

PATIENCE_S = 5.0
"""How long one waits for a moment without any search before it is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where records go, and the logged searches that they are of."""

    append: Callable[[Sequence[Event]], object]
    impression: Callable[[str], Impression]


class OfferingLog:
    """A log that also offers each search to the ablator; where nothing is sampled, the log alone would do."""

    def __init__(self, log: ImpressionLog, offer: Callable[[Impression], None]) -> None:
        self._log, self._offer = log, offer

    def append_impression(self, impression: Impression) -> None:
        """See `ImpressionLog`."""
        self._log.append_impression(impression)
        self._offer(impression)

    def impression(self, query_id: str) -> Impression:
        """See `ImpressionLog`."""
        return self._log.impression(query_id)


class Ablator:
    """Takes offers from searching threads and works them off in one of its own, while nobody searches.

    ``made`` and ``dropped`` count. Safe for threads; `close` waits for the one in hand and drops the rest.
    """

    def __init__(  # noqa: PLR0913 - the parts that it ties together
        self,
        engine: Engine,
        catalog: Catalog,
        brains: Callable[[], Brains],
        records: Records,
        *,
        load: Load,
        clock: Clock,
        share: float,
        seed: int,
    ) -> None:
        self._engine, self._catalog, self._brains, self._records = engine, catalog, brains, records
        self._load, self._clock, self._share, self._seed = load, clock, share, seed
        self._waiting: queue.Queue[Impression | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self.made = self.dropped = 0

    def offer(self, impression: Impression) -> None:
        """Take a search that was just answered, if it is sampled and there is room; never waits."""
        if self._closed or not sampled(impression.query.id, share=self._share, seed=self._seed):
            return
        try:
            self._waiting.put_nowait(impression)
        except queue.Full:
            self.dropped += 1
            return
        self._start()

    def settle(self) -> None:
        """Return when everything that was taken is worked off."""
        self._waiting.join()

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._closed = True
        while self._thread is not None and self._thread.is_alive():
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                self._waiting.get_nowait()
                self._waiting.task_done()
            self._thread.join(timeout=0.05)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="ablator", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (impression := self._waiting.get()) is not None and not self._closed:
            try:
                self._record(impression)
            except NotFound:
                pass  # deleted meanwhile, with its user: nothing of it may be written again
            except BandstandError as error:
                structlog.get_logger("ablator").error("not_recorded", reason=str(error))
            finally:
                self._waiting.task_done()

    def _record(self, impression: Impression) -> None:
        if not self._load.until_idle(PATIENCE_S):
            self.dropped += 1
            return
        query, columns = impression.query, self._catalog.columns
        record = ablate(self._engine, query, columns, self._brains().scorer, shown=impression)
        self._records.impression(query.id)
        self._records.append([ablation_event(record, query, now=self._clock())])
        self.made += 1
