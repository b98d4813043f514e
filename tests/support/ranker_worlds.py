"""Made-up judged queries whose truth is known, and all features of a search."""

from __future__ import annotations

import numpy as np

from bandstand.ranker.training_set import TrainingSet


def synthetic(queries, seed, layout, *, per_query=12):
    """Queries whose relevance is a noisy function of the first and third feature, some values missing."""
    rng = np.random.default_rng(seed)
    features = rng.random((queries * per_query, len(layout.names)), np.float32)
    utility = 2 * features[:, 0] + features[:, 2] + rng.normal(0, 0.1, len(features))
    grades = np.digitize(utility, [1.8, 2.3]).astype(np.int32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return TrainingSet(features=features, layout=layout, grades=grades, groups=np.full(queries, per_query, np.int32))


def matrix_of(features, query, candidates, columns):
    """All features of all candidates of a search."""
    matrix = features.early(query, candidates, columns)
    features.complete(matrix, query, candidates.ordinals, columns)
    return matrix
