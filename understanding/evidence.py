"""What clicks say about how a phrase is meant: counts of supported senses, and the posterior that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

SenseKey = tuple[str, str]
"""(slot, value)."""

STRENGTH = 5.0
"""How many clicks the catalogue's own opinion of a phrase is worth."""


class SenseEvidence(Protocol):
    """Where click counts come from; the platform's memory, or `ClickCounts`."""

    def counts(self, phrase: str) -> Mapping[SenseKey, float]:
        """Clicks by the sense of the phrase that they support; empty when there were none."""
        ...

    def add(self, phrase: str, supported: Mapping[SenseKey, float], weight: float = 1.0) -> None:
        """One click after a phrase; ``supported`` says how well each of its senses explains what was clicked, [0, 1].

        The click counts once, shared among the senses.
        """
        ...


class ClickCounts:
    """Counts in memory."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[SenseKey, float]] = {}

    def counts(self, phrase: str) -> Mapping[SenseKey, float]:
        """See `SenseEvidence`."""
        return self._counts.get(phrase, {})

    def add(self, phrase: str, supported: Mapping[SenseKey, float], weight: float = 1.0) -> None:
        """See `SenseEvidence`."""
        total = sum(supported.values())
        if total > 0:
            counts = self._counts.setdefault(phrase, {})
            for key, support in supported.items():
                counts[key] = counts.get(key, 0.0) + weight * support / total


def posterior(joint: Sequence[float], counts: Sequence[float]) -> list[float]:
    """Prior · likelihood of a phrase's senses, after clicks.

    M (κ j_i / M + c_i) / (κ + Σ c) with M = Σ j and κ = `STRENGTH`: the mean of a Dirichlet posterior over the
    phrase's senses, scaled so that their sum stays what it was; ``joint`` itself without clicks.

    Args:
        joint: j, prior · likelihood of each sense, > 0.
        counts: c, clicks that support each sense, >= 0.
    """
    clicks, whole = sum(counts), sum(joint)
    if not clicks:
        return list(joint)
    pairs = zip(joint, counts, strict=True)
    return [whole * (STRENGTH * j / whole + c) / (STRENGTH + clicks) for j, c in pairs]
