"""The first cut: which candidates of a search are worth being compared with it letter by letter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandstand.ranker.features import FeatureSet
from bandstand.ranker.start import Start
from bandstand.types import Matrix
from bandstand.types.features import RANK

MOST = 150
"""Candidates that are left. Of the judged sets four of 1,467 pages change and no mean falls (docs/adr/0029)."""

EACH = 10
"""Of each retriever so many are kept whatever the others say: what only one knows may be what was meant."""


class FirstCut:
    """Keeps the best by what costs next to nothing: the part of the `Start` over retrievers and early features."""

    def __init__(self, features: FeatureSet, *, most: int = MOST) -> None:
        start = Start.of(features)
        late = {feature.name for feature in features.pairs if not feature.early}
        known = {name: weight for name, weight in start.weights.items() if name not in late}
        self._sum = Start(known, trust=start.trust).over(features.layout)
        self._ranks = [column for column, name in enumerate(features.names) if name.endswith(f".{RANK}")]
        self._most = most

    def rows(self, matrix: Matrix) -> NDArray[np.intp]:
        """The rows to keep, ascending: at most ``most`` of the float32 (m, f) that `FeatureSet.early` gave."""
        if len(matrix) <= self._most:
            return np.arange(len(matrix))
        sure = np.any(matrix[:, self._ranks] >= np.float32(1 / EACH), axis=1)
        order = np.lexsort((-self._sum.scores(matrix), ~sure))
        return np.sort(order[: self._most])
