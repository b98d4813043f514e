"""Judged queries as LambdaMART wants them, checked, split by query, and augmented by leaving retrievers out."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.ranker.metrics import Grades, Groups, query_of_row
from bandstand.types import LOGGED_DEPTH, FeatureLayout, FeatureRows, Matrix, Scores

T = TypeVar("T", bound=np.generic)

_ARRAYS = ("features", "grades", "groups", "positions", "weights")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSet:
    """The logged candidates of q queries, n rows in all.

    ``features`` float32 (n, f) in the columns of ``layout``, as logged. ``grades`` int32 (n,), 0 for not relevant.
    ``groups`` int32 (q,): how many consecutive rows belong to each query. ``positions`` int32 (n,): where the row was
    shown (from 1), which the debiasing reads. ``weights`` float32 (n,): how much the row counts.

    Raises:
        BadInput: shapes disagree, a group is empty, or a grade is negative.
    """

    features: Matrix
    layout: FeatureLayout
    grades: Grades
    groups: Groups
    positions: NDArray[np.int32] | None = None
    weights: Scores | None = None

    def __post_init__(self) -> None:
        n = len(self.grades)
        if self.features.shape != (n, len(self.layout.names)):
            raise BadInput(f"features are {self.features.shape}, grades and names say {(n, len(self.layout.names))}")
        for name, rows in (("positions", self.positions), ("weights", self.weights)):
            if rows is not None and len(rows) != n:
                raise BadInput(f"{name} has {len(rows)} rows instead of {n}", field=name)
        if int(self.groups.sum()) != n or (self.groups < 1).any():
            raise BadInput(f"groups must be 1 or more each and sum to {n} rows", field="groups")
        if n and self.grades.min() < 0:
            raise BadInput("a grade is 0 or more", field="grades")

    def __len__(self) -> int:
        return len(self.groups)

    def rows(self, kept: NDArray[np.bool_]) -> TrainingSet:
        """The set of the rows where ``kept`` bool (n,) is True; a query without any is gone."""
        groups = np.bincount(query_of_row(self.groups)[kept], minlength=len(self)).astype(np.int32)
        return replace(
            self,
            features=self.features[kept],
            grades=self.grades[kept],
            groups=groups[groups > 0],
            positions=None if self.positions is None else self.positions[kept],
            weights=None if self.weights is None else self.weights[kept],
        )

    def queries(self, kept: NDArray[np.bool_]) -> TrainingSet:
        """The set of the queries where ``kept`` bool (q,) is True."""
        return self.rows(np.repeat(kept, self.groups))

    def seen(self) -> NDArray[np.bool_]:
        """Which queries were shown to people, bool (q,): all but those whose rows are behind every page."""
        if self.positions is None or not len(self):
            return np.ones(len(self), np.bool_)
        return self.positions[np.cumsum(self.groups) - 1] <= LOGGED_DEPTH

    def decisive(self) -> NDArray[np.bool_]:
        """Which queries have candidates of different grades and so say something about order; bool (q,)."""
        if not len(self):
            return np.empty(0, np.bool_)
        starts = np.cumsum(self.groups) - self.groups
        return np.maximum.reduceat(self.grades, starts) > np.minimum.reduceat(self.grades, starts)


def write_set(data: TrainingSet, path: Path) -> None:
    """Write a set whose every part is there; `read_set` gives it back."""
    arrays = {name: getattr(data, name) for name in _ARRAYS}
    with path.open("wb") as out:
        np.savez(out, layout=json.dumps(astuple(data.layout)), **arrays)


def read_set(path: Path) -> TrainingSet:
    """The set that `write_set` wrote."""
    with np.load(path) as stored:
        names, versions, categorical = json.loads(str(stored["layout"]))
        layout = FeatureLayout.of(names, dict(versions), categorical)
        return TrainingSet(layout=layout, **{name: stored[name] for name in _ARRAYS})


def concatenate(first: TrainingSet, second: TrainingSet) -> TrainingSet:
    """The queries of both, which must have the same columns and optional parts."""
    return replace(
        first,
        features=np.concatenate([first.features, second.features]),
        grades=np.concatenate([first.grades, second.grades]),
        groups=np.concatenate([first.groups, second.groups]),
        positions=_joined(first.positions, second.positions),
        weights=_joined(first.weights, second.weights),
    )


def _joined(first: NDArray[T] | None, second: NDArray[T] | None) -> NDArray[T] | None:
    return None if first is None or second is None else np.concatenate([first, second])


def mask_retrievers(
    data: TrainingSet, retrievers: tuple[str, ...], rng: np.random.Generator, *, chance: float
) -> TrainingSet:
    """A copy as if in each query each of ``retrievers`` had been skipped with probability ``chance``.

    Rows that no retriever brings any more are gone. A model that only ever saw every retriever play reads a missing
    score as "found by none"; one trained on such copies too serves well when the bandit skips retrievers.
    """
    skipped = (rng.random((len(data), len(retrievers))) < chance)[query_of_row(data.groups)]
    features = data.features.copy()
    for number, retriever in enumerate(retrievers):
        features[np.ix_(skipped[:, number], data.layout.columns_of(retriever))] = np.nan
    return replace(data, features=features).rows(FeatureRows(data.layout, features).brought())
