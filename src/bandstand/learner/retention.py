"""How long the log holds what was learned from it: by age, by size, or for ever."""

from __future__ import annotations

from bandstand.feedback.log import Log, Spared
from bandstand.learner.parking import parked_entries
from bandstand.memory_index.memory import Memory
from bandstand.types import Clock
from bandstand.types.times import DAY_S


class Retention:
    """Deletes from the log what is older than ``days``, and the oldest above ``gigabytes``; None: no limit.

    What was deleted is not trained on any more, and is not found by its id; what the memory learned from it stays.
    The last day stays in any case: searches of that time may still be acted on. So do entries that were not learned
    from yet, and those that are parked, with their searches.
    """

    def __init__(
        self, log: Log, memory: Memory, *, clock: Clock, days: float | None = None, gigabytes: float | None = None
    ) -> None:
        self._log, self._memory, self._clock = log, memory, clock
        self._days, self._gigabytes = days, gigabytes

    def prune(self) -> int:
        """Delete what is over the limits now; returns how many entries went."""
        now = self._clock()
        pruned = 0
        if self._days is not None:
            pruned += self._prune(now - max(self._days, 1) * DAY_S, self._memory.position())
        if self._gigabytes is not None:
            surplus = self._log.surplus(int(self._gigabytes * 1e9))
            pruned += self._prune(now - DAY_S, min(surplus, self._memory.position()))
        return pruned

    def _prune(self, before: float, upto: int) -> int:
        unlearned = self._log.read(self._memory.position(), 1)
        if not upto or (unlearned and unlearned[0].time < before):
            return 0
        parked = parked_entries(self._memory.scan)
        spared = Spared(
            seqs=frozenset(one.seq for one in parked),
            searches=frozenset(one.query_id for one in parked if one.query_id is not None),
        )
        return self._log.prune(before, upto=upto, spared=spared)
