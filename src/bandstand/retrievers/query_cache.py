"""A bounded cache of query vectors in which threads asking for the same text at once compute it once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from bandstand.errors import Cancelled
from bandstand.retrievers.cancellation import check
from bandstand.types import Scores


class QueryCache:
    """The last ``size`` texts' vectors, least recently used first to go; safe for threads.

    Two retrievers that embed the same query side by side share one computation. A failed one is not kept.
    """

    def __init__(self, compute: Callable[[str], Scores], size: int) -> None:
        self._compute = compute
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Future[Scores]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> Scores:
        """Return the vector of a text as a read-only array; raises what ``compute`` raises."""
        while True:
            with self._lock:
                entry = self._entries.get(text)
                if entry is not None:
                    self._entries.move_to_end(text)
                else:
                    mine = self._entries[text] = Future()
                    while len(self._entries) > self._size:
                        self._entries.popitem(last=False)
            if entry is None:
                return self._fill(text, mine)
            try:
                return entry.result()
            except Cancelled:
                check()  # whoever computed it was called off; unless this call was too, it is computed again

    def _fill(self, text: str, entry: Future[Scores]) -> Scores:
        try:
            vector = self._compute(text)
        except BaseException as error:
            with self._lock:
                if self._entries.get(text) is entry:
                    del self._entries[text]
            entry.set_exception(error)
            raise
        vector.setflags(write=False)
        entry.set_result(vector)
        return vector
