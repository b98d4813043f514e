"""What an arm costs and how often it is of use: a table to start from, then running means of what was measured."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from bandstand.errors import BadInput, StorageError
from bandstand.types import ARMS

MODELLED_MS: Mapping[str, float] = {
    "memory": 0.05,
    "lexical": 0.3,
    "structured": 0.7,
    "personal": 0.05,
    "fresh": 0.05,
    "alike": 0.5,
    "trigram": 1.0,
    "rephrase": 6.3,
    "dense": 6.3,
}
"""Milliseconds of one call until it has been measured; rephrase and dense pay for encoding the query."""

ENCODING_ARMS = ("rephrase", "dense")
"""They pay for encoding the query; who plays second finds it encoded."""

EXPENSIVE_MS = 0.5
"""From this modelled price on an arm is expensive: worth deciding about with and without it, and beginning early."""

EXPENSIVE: tuple[str, ...] = tuple(arm for arm in ARMS if MODELLED_MS[arm] >= EXPENSIVE_MS)
"""The expensive arms, cheapest first; what the others bring is known before any of these is decided about."""

FREE: tuple[str, ...] = tuple(arm for arm in ARMS if arm not in EXPENSIVE)
"""The other arms, which the learning policies always play."""


def modelled_cost(arm: str, depth: int) -> float:
    """Milliseconds that ``arm`` is taken to cost before anything is measured; 0 at depth 0.

    Raises:
        BadInput: The arm is unknown.
    """
    if arm not in MODELLED_MS:
        raise BadInput(f"unknown arm {arm!r}: use one of {', '.join(MODELLED_MS)}", field="arm")
    return MODELLED_MS[arm] if depth else 0.0


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

    ``window`` is how many observations a mean remembers: mean += (x - mean) / min(n, window). Thread-safe.
    """

    def __init__(self, *, window: int = 500) -> None:
        if window < 1:
            raise BadInput(f"window must be at least 1 observation, got {window}", field="window")
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
            BadInput: The arm was never measured and is unknown.
        """
        if depth == 0:
            return 0.0
        with self._lock:
            mean = self._means.get(f"cost/{arm}/{depth}") or self._means.get(f"cost/{arm}")
            return mean.value if mean else modelled_cost(arm, depth or 1)

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
    def from_json(cls, text: str | bytes) -> ArmStats:
        """Restore what `to_json` gave.

        Raises:
            StorageError: The text is damaged.
        """
        try:
            state = json.loads(text)
            stats = cls(window=int(state["window"]))
            stats._means = {
                str(name): _Mean(float(value), int(count)) for name, (value, count) in state["means"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError, BadInput) as error:
            raise StorageError("the arm statistics are damaged: delete them, they are measured anew") from error
        return stats

    def _add(self, name: str, value: float) -> None:
        with self._lock:
            self._means.setdefault(name, _Mean()).add(value, self._window)
