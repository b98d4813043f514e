"""What clicks say about how a phrase is meant: where their counts come from, and the posterior that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

SenseKey = tuple[str, str]
"""(slot, value)."""

STRENGTH = 5.0
"""How many clicks the catalogue's own opinion of a phrase is worth."""


class SenseEvidence(Protocol):
    """Where click counts come from: the platform's memory, or `NoClicks`."""

    @property
    def version(self) -> int:
        """Changes whenever counts may have changed."""
        ...

    def counts(self, asked: Mapping[str, Sequence[SenseKey]]) -> Mapping[str, Sequence[float]]:
        """Clicks that support each asked sense of a phrase, aligned; phrases without any may be left out."""
        ...


class NoClicks:
    """Nobody has clicked yet."""

    version = 0

    def counts(self, asked: Mapping[str, Sequence[SenseKey]]) -> Mapping[str, Sequence[float]]:  # noqa: ARG002
        """See `SenseEvidence`."""
        return {}


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
