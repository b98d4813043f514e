"""What a retriever costs and how often it is of use: what its spec says, then running means of what was measured."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

from bandstand.errors import BadInput, StorageError
from bandstand.types import Roster


@dataclass(slots=True)
class _Mean:
    """The plain mean of the first ``window`` values, an exponentially weighted one from then on."""

    value: float = 0.0
    count: int = 0

    def add(self, value: float, window: int) -> None:
        self.count += 1
        self.value += (value - self.value) / min(self.count, window)


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
            means = {name: [mean.value, mean.count] for name, mean in self._means.items()}
        return json.dumps({"window": self._window, "means": means})

    @classmethod
    def from_json(cls, text: str | bytes, roster: Roster) -> ArmStats:
        """Restore what `to_json` gave.

        Raises:
            StorageError: The text is damaged.
        """
        try:
            state = json.loads(text)
            stats = cls(roster, window=int(state["window"]))
            stats._means = {
                str(name): _Mean(float(value), int(count)) for name, (value, count) in state["means"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError, BadInput) as error:
            raise StorageError("the arm statistics are damaged: delete them, they are measured anew") from error
        return stats

    def _add(self, name: str, value: float) -> None:
        with self._lock:
            self._means.setdefault(name, _Mean()).add(value, self._window)
