"""Numbers for several writers at once: each takes its ordinals and its places in the change feed beforehand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bandstand.cluster.connection import Cluster, Json, named
from bandstand.errors import Unavailable
from bandstand.types import Clock

_ID = "catalog"
_PATIENCE_S = 120.0
"""How long a writer may take for what it has reserved before others stop waiting for it."""

_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Reservation:
    """A writer's numbers: changes from ``seq`` on, new entities from ``ordinal`` on."""

    id: str
    seq: int
    ordinal: int


class Numbering:
    """One state document, changed by optimistic concurrency only: the next numbers, and which are still being written.

    A reader of the change feed must miss nothing: it reads up to the `head`, which stays below the oldest numbers that
    somebody is still writing. A writer that dies is waited for at most two minutes; one that is only slow finds at the
    end that nobody has waited, and writes again under new numbers.
    """

    def __init__(
        self, cluster: Cluster, index: str, *, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._cluster = cluster
        self._index = index
        self._clock = clock
        self._sleep = sleep

    def reserve(self, changes: int, entities: int) -> Reservation:
        """Take numbers for so many changes, and for so many new entities among them."""
        mine = uuid.uuid4().hex

        def take(state: Json) -> Json:
            if state.get("paused", 0.0) > self._clock():
                raise Unavailable("the catalogue is being moved to a new index; try again in a moment", retry_after=1)
            now, seq, ordinal = self._clock(), named(state, "seq"), named(state, "ordinal")
            waited_for = [entry for entry in state.get("open", []) if entry["until"] > now]
            entry = {"id": mine, "seq": seq, "ordinal": ordinal, "until": now + _PATIENCE_S}
            return {"seq": seq + changes, "ordinal": ordinal + entities, "open": [*waited_for, entry]}

        state = self._cluster.change(self._index, _ID, take)
        entry = state["open"][-1]
        return Reservation(mine, entry["seq"] + 1, entry["ordinal"])

    def finish(self, reservation: Reservation) -> bool:
        """Say that everything under these numbers can be found; False when it took too long, and must be done again."""
        in_time = False

        def leave(state: Json) -> Json:
            nonlocal in_time
            others = [entry for entry in state.get("open", []) if entry["id"] != reservation.id]
            in_time = len(others) < len(state.get("open", []))
            return {**state, "open": others}

        self._cluster.change(self._index, _ID, leave)
        return in_time

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody writes while the block runs, which may take two minutes at most; waits for those who do."""
        self._pause_until(self._clock() + _PATIENCE_S)
        try:
            while self._writing():
                self._sleep(_LOOK_AGAIN_S)
            yield
        finally:
            self._pause_until(0.0)

    def _pause_until(self, moment: float) -> None:
        self._cluster.change(self._index, _ID, lambda state: {**state, "paused": moment})

    def _writing(self) -> bool:
        document = self._cluster.get(self._index, _ID)
        return document is not None and any(e["until"] > self._clock() for e in document.source.get("open", []))

    def head(self) -> int:
        """The newest change of which it and all before it can be found."""
        document = self._cluster.get(self._index, _ID)
        if document is None:
            return 0
        now = self._clock()
        waited_for = [entry["seq"] for entry in document.source.get("open", []) if entry["until"] > now]
        return min(named(document.source, "seq"), *waited_for) if waited_for else named(document.source, "seq")
