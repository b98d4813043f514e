"""The score that trees start from: weighted reciprocal-rank fusion and a few features, to be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from bandstand.errors import ModelError
from bandstand.ranker.features import VAGUENESS, FeatureSet
from bandstand.types import FeatureLayout, Matrix, Scores
from bandstand.types.features import RANK

SMOOTHING = 60
"""The constant of reciprocal-rank fusion; Cormack, Clarke & Büttcher, SIGIR 2009."""


@dataclass(frozen=True, slots=True)
class Start:
    """Score = Σ_retriever (w + v · vagueness) · 61 / (60 + rank) + Σ_feature w · value, where what is NaN adds nothing.

    ``weights`` w are by feature, that of ``<retriever>.rr`` is the retriever's; ``vague`` v are by retriever's feature.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    vague: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, features: FeatureSet) -> Start:
        """The weights that retrievers and features bring themselves."""
        fused = {f"{spec.name}.{RANK}": spec.weight for spec in features.roster}
        summed = {
            f"{spec.name}.{column}": weight for spec in features.roster for column, weight in spec.weights.items()
        }
        pairs = {feature.name: feature.weight for feature in features.pairs}
        vague = {f"{spec.name}.{RANK}": spec.vague_weight for spec in features.roster if spec.vague_weight}
        return cls({name: weight for name, weight in (fused | summed | pairs).items() if weight}, vague)

    @classmethod
    def from_json(cls, content: bytes) -> Start:
        """What `to_json` wrote.

        Raises:
            ModelError: it cannot be read.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError as cause:
            raise ModelError("the start of a ranker is damaged: train again with `bandstand train`") from cause

    def to_json(self) -> bytes:
        """The weights as they are kept beside the trees."""
        return msgspec.json.encode(self)

    def terms(self, features: Matrix, layout: FeatureLayout) -> Matrix:
        """The terms of the sum: features float32 (m, f) of a layout to float32 (m, f)."""
        names = [name for name in layout.names if name in self.weights or name in self.vague]
        columns = np.array([layout.names.index(name) for name in names], np.intp)
        values = features[:, columns]
        ranks = np.array([name.endswith(f".{RANK}") for name in names], np.bool_)
        values[:, ranks] *= (SMOOTHING + 1) / (SMOOTHING * values[:, ranks] + 1)
        weights, vague = (
            np.array([by.get(name, 0.0) for name in names], np.float32) for by in (self.weights, self.vague)
        )
        if VAGUENESS in layout.names:
            weights = weights + np.nan_to_num(features[:, [layout.names.index(VAGUENESS)]]) * vague
        found = np.zeros(features.shape, np.float32)
        found[:, columns] = np.nan_to_num(values * weights)
        return found

    def scores(self, features: Matrix, layout: FeatureLayout) -> Scores:
        """The sum: features float32 (m, f) of a layout to float32 (m,)."""
        scores: Scores = self.terms(features, layout).sum(axis=1, dtype=np.float32)
        return scores
