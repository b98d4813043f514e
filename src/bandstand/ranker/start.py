"""The score that trees start from: weighted reciprocal-rank fusion and a few features, to be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.errors import ModelError
from bandstand.ranker.features import VAGUENESS, FeatureSet
from bandstand.types import FeatureLayout, Mask, Matrix, Scores
from bandstand.types.features import RANK

SMOOTHING = 60
"""The constant of reciprocal-rank fusion; Cormack, Clarke & Büttcher, SIGIR 2009."""


@dataclass(frozen=True, slots=True)
class Start:
    """Score = Σ_retriever (w + v · vagueness) · t · 61 / (60 + rank) + Σ_feature w · value; what is NaN adds nothing.

    ``weights`` w are by feature, that of ``<retriever>.rr`` is the retriever's; ``vague`` v are by retriever's feature.
    ``trust`` names by it the feature that is t; elsewhere t is 1.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    vague: Mapping[str, float] = field(default_factory=dict)
    trust: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, features: FeatureSet) -> Start:
        """The weights that retrievers and features bring themselves."""
        fused = {f"{spec.name}.{RANK}": spec.weight for spec in features.roster}
        summed = {
            f"{spec.name}.{column}": weight for spec in features.roster for column, weight in spec.weights.items()
        }
        pairs = {feature.name: feature.weight for feature in features.pairs}
        vague = {f"{spec.name}.{RANK}": spec.vague_weight for spec in features.roster if spec.vague_weight}
        trust = {f"{spec.name}.{RANK}": f"{spec.name}.{spec.trust}" for spec in features.roster if spec.trust}
        return cls({name: weight for name, weight in (fused | summed | pairs).items() if weight}, vague, trust)

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

    def over(self, layout: FeatureLayout) -> WeightedSum:
        """The sum over rows of a layout; features that it lacks add nothing."""
        names = [name for name in layout.names if name in self.weights or name in self.vague]
        weights, vague = (
            np.array([by.get(name, 0.0) for name in names], np.float32) for by in (self.weights, self.vague)
        )
        trusted = [(name, self.trust[name]) for name in names if self.trust.get(name) in layout.names]
        return WeightedSum(
            columns=np.array([layout.names.index(name) for name in names], np.intp),
            ranks=np.array([name.endswith(f".{RANK}") for name in names], np.bool_),
            weights=weights,
            vague=vague,
            trusted=np.array([names.index(name) for name, _ in trusted], np.intp),
            trust=np.array([layout.names.index(by) for _, by in trusted], np.intp),
            vagueness=layout.names.index(VAGUENESS) if VAGUENESS in layout.names and vague.any() else None,
        )

    def scores(self, features: Matrix, layout: FeatureLayout) -> Scores:
        """The sum: features float32 (m, f) of a layout to float32 (m,)."""
        return self.over(layout).scores(features)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedSum:
    """A `Start` over the columns of one layout: where the k weighed features stand, and their weights, each (k,).

    ``ranks`` says which are reciprocal ranks. ``trusted`` are those, among the k, whose terms count in proportion to
    the features in the columns ``trust``. ``vagueness`` is that feature's column, None where nothing depends on it.
    """

    columns: NDArray[np.intp]
    ranks: Mask
    weights: Scores
    vague: Scores
    trusted: NDArray[np.intp]
    trust: NDArray[np.intp]
    vagueness: int | None

    def scores(self, features: Matrix) -> Scores:
        """Features float32 (m, f) to float32 (m,)."""
        scores: Scores = self._weighed(features).sum(axis=1, dtype=np.float32)
        return scores

    def terms(self, features: Matrix) -> Matrix:
        """The terms of the sum: features float32 (m, f) to float32 (m, f)."""
        found = np.zeros(features.shape, np.float32)
        found[:, self.columns] = self._weighed(features)
        return found

    def _weighed(self, features: Matrix) -> Matrix:
        """The terms, float32 (m, k)."""
        values, weights = features[:, self.columns], self.weights
        ranked = values[:, self.ranks]
        values[:, self.ranks] = ranked * ((SMOOTHING + 1) / (SMOOTHING * ranked + 1))
        if self.vagueness is not None:
            weights = weights + np.nan_to_num(features[:, [self.vagueness]]) * self.vague
        values *= weights
        values[:, self.trusted] *= features[:, self.trust]
        return np.nan_to_num(values, copy=False)
