"""What a retriever costs and how often it is of use: what its spec says, then running means of what was measured."""

from __future__ import annotations

import threading
from typing import NamedTuple

import msgspec

from bandstand.errors import BadInput, StorageError
from bandstand.types import Roster


class _Mean(NamedTuple):
    """The plain mean of the first ``window`` values, an exponentially weighted one from then on."""

    value: float = 0.0
    n: int = 0

    def with_value(self, value: float, window: int) -> _Mean:
        n = self.n + 1
        return _Mean(self.value + (value - self.value) / min(n, window), n)


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """`ArmStats` as they are stored."""

    window: int
    means: dict[str, _Mean]
    version: int = 1


class ArmStats:
    """Running means of each arm's cost in milliseconds (over all depths, and by depth) and of its yield.

    ``window`` is how many observations a mean remembers: mean += (x - mean) / min(n, window). What was measured of an
    arm that is not in the roster is kept, in case it comes back. Thread-safe.
    """

    def __init__(self, roster: Roster, *, window: int = 500) -> None:
        if window < 1:
            raise BadInput(f"window must be at least 1 observation, got {window}", field="window")
        self._roster = roster
        self._window = window
        self._means: dict[str, _Mean] = {}
        self._lock = threading.Lock()

    def record_cost(self, arm: str, depth: int, took_ms: float) -> None:
        """An arm was asked for ``depth`` candidates and took ``took_ms`` milliseconds."""
        self._add(f"cost/{arm}", took_ms)
        self._add(f"cost/{arm}/{depth}", took_ms)

    def record_hit(self, arm: str, *, useful: bool) -> None:
        """An arm played in a search, and one of its candidates was chosen there or not."""
        self._add(f"yield/{arm}", float(useful))

    def cost(self, arm: str, depth: int | None = None) -> float:
        """Milliseconds: measured at ``depth``, else measured at any depth, else modelled. 0 at depth 0.

        Raises:
            BadInput: The arm was never measured, and is not in the roster.
        """
        if depth == 0:
            return 0.0
        with self._lock:
            mean = self._means.get(f"cost/{arm}/{depth}") or self._means.get(f"cost/{arm}")
            return mean.value if mean else self._roster[arm].cost_ms

    def past_yield(self, arm: str) -> float:
        """The share of recent searches in which the arm was of use, in [0, 1]; 0.5 while nothing is known."""
        with self._lock:
            mean = self._means.get(f"yield/{arm}")
            return mean.value if mean else 0.5

    def to_json(self) -> str:
        """Everything measured so far; `from_json` restores it exactly."""
        with self._lock:
            return msgspec.json.encode(_Stored(window=self._window, means=self._means)).decode()

    @classmethod
    def from_json(cls, text: str | bytes, roster: Roster) -> ArmStats:
        """Restore what `to_json` gave.

        Raises:
            StorageError: The text is damaged.
        """
        try:
            stored = msgspec.json.decode(text, type=_Stored)
            stats = cls(roster, window=stored.window)
        except (msgspec.MsgspecError, ValueError, BadInput) as error:
            raise StorageError("the arm statistics are damaged: delete them, they are measured anew") from error
        stats._means = stored.means
        return stats

    def _add(self, name: str, value: float) -> None:
        with self._lock:
            self._means[name] = self._means.get(name, _Mean()).with_value(value, self._window)
