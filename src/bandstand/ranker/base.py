"""What every scorer of candidates is."""

from __future__ import annotations

from typing import Protocol

from bandstand.types import Matrix, Scores


class Scorer(Protocol):
    """Scores the rows of a feature matrix, in the layout of `bandstand.ranker.features.feature_names`.

    Safe for several threads at once.
    """

    @property
    def version(self) -> str:
        """What the impression log names as the ranker's version."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The features that `score` expects, in order."""
        ...

    def score(self, features: Matrix) -> Scores:
        """Score candidates, higher is better: features float32 (m, f) to scores float32 (m,)."""
        ...

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature adds to the score, float32 (m, f + 1); the base is last, and rows sum to the scores."""
        ...
