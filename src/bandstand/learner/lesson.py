"""What self-play teaches with: searches whose right answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Impression

TARGET_GRADE, ALSO_GRADE = 2, 1
"""LambdaMART grades of the entity that the query was made from, and of others for which it was predicted too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """One posed query as it was answered with every retriever; ``grades`` int32 (n,) judge the ranking's head."""

    impression: Impression
    grades: NDArray[np.int32]

    def feedback(self) -> Mapping[int, float]:
        """The lesson as the bandit's feedback: the wanted entity satisfies fully; without it, the next best by half."""
        best = self.impression.ordinals[self.grades == self.grades.max()][:1]
        satisfied = 1.0 if self.grades.max() == TARGET_GRADE else 0.5
        return {int(ordinal): satisfied for ordinal in best}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curriculum:
    """Lessons as the platform answered them, and copies of some in which the memory already holds clicks."""

    posed: tuple[Lesson, ...] = ()
    remembered: tuple[Lesson, ...] = ()
