"""Rows of ranking features: what each column means, and how rows of another time or platform are read by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.types.arrays import Mask, Matrix

RANK, SCORE = "rr", "score"
"""Every retriever has the features ``<retriever>.rr``, the reciprocal rank that it gave a candidate, and
``<retriever>.score``; both are NaN where it did not bring the candidate."""


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """The feature that each column of a matrix holds; ``versions`` are (name, version) where that is not 1.

    The numbers of ``categorical`` features stand for kinds of things, without an order.
    """

    names: tuple[str, ...]
    versions: tuple[tuple[str, int], ...] = ()
    categorical: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], versions: Mapping[str, int], categorical: Iterable[str] = ()) -> FeatureLayout:
        """The layout of features by name, and the versions of their meanings; those that are not given are 1."""
        names = tuple(names)
        changed = tuple((name, versions[name]) for name in names if versions.get(name, 1) != 1)
        return cls(names, changed, tuple(categorical))

    @property
    def retrievers(self) -> tuple[str, ...]:
        """The retrievers whose ranks are among the features, in order."""
        return tuple(name.removesuffix(f".{RANK}") for name in self.names if name.endswith(f".{RANK}"))

    def columns_of(self, retriever: str) -> NDArray[np.intp]:
        """Which columns say how a retriever held a candidate.

        Raises:
            BadInput: none does.
        """
        own = _named(self, f"{retriever}.", "")
        if not len(own):
            raise BadInput(f"these features hold nothing of {retriever!r}", field="arm")
        return own

    def shares(self, other: FeatureLayout) -> bool:
        """Whether some feature is in both with the same meaning: else rows of the one say nothing to the other."""
        return bool((_plan(other, self) >= 0).any())

    def aligned(self, values: Matrix, layout: FeatureLayout) -> Matrix:
        """Rows float32 (n, ·) of another ``layout`` in this one, float32 (n, len(names)).

        NaN where the other lacks a feature, or has it in another meaning; features that are not in this one are gone.
        A row of a search in which a retriever did not exist so is that of a search in which it did not play.
        """
        if (layout.names, layout.versions) == (self.names, self.versions):
            return values
        source = _plan(layout, self)
        found = np.full((len(values), len(self.names)), np.nan, np.float32)
        found[:, source >= 0] = values[:, source[source >= 0]]
        return found


@lru_cache(maxsize=1_024)
def _named(layout: FeatureLayout, begin: str, end: str) -> NDArray[np.intp]:
    """The columns whose names begin and end like this."""
    names = enumerate(layout.names)
    return np.array([column for column, name in names if name.startswith(begin) and name.endswith(end)], np.intp)


@lru_cache(maxsize=64)
def _plan(source: FeatureLayout, target: FeatureLayout) -> NDArray[np.intp]:
    """For each column of the target the source's column of that name and meaning; -1 where there is none."""
    theirs, ours = dict(source.versions), dict(target.versions)
    places = {name: column for column, name in enumerate(source.names)}
    return np.array(
        [places[name] if name in places and theirs.get(name) == ours.get(name) else -1 for name in target.names],
        np.intp,
    )


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Candidates as the ranker sees them: ``values`` float32 (n, f) in the columns of ``layout``."""

    layout: FeatureLayout
    values: Matrix

    def rank(self, retriever: str) -> NDArray[np.float64]:
        """The rank (from 1) that a retriever gave each row, (n,); NaN where it did not bring it.

        Raises:
            BadInput: the rows hold nothing of it.
        """
        return np.rint(1.0 / self._column(retriever, RANK).astype(np.float64))

    def score(self, retriever: str) -> NDArray[np.float32]:
        """The score that a retriever gave each row, as the ranker sees it, (n,); raises like `rank`."""
        return self._column(retriever, SCORE)

    def without(self, retriever: str, depth: int = 0) -> tuple[FeatureRows, Mask]:
        """What the rows would have been had a retriever gone only to ``depth`` (0: not played at all).

        Returns:
            The rows, and which of them bool (n,) some retriever would still have brought.

        Raises:
            BadInput: the rows hold nothing of it.
        """
        deeper = ~(self._column(retriever, RANK) > 1 / (depth + 0.5))  # rank > depth, or not brought: NaN
        values = self.values.copy()
        values[np.ix_(deeper, self.layout.columns_of(retriever))] = np.nan
        limited = FeatureRows(self.layout, values)
        return limited, limited.brought()

    def brought(self) -> Mask:
        """Which rows bool (n,) some retriever brings."""
        found: Mask = np.any(self.values[:, _named(self.layout, "", f".{RANK}")] > 0, axis=1)
        return found

    def aligned(self, layout: FeatureLayout) -> Matrix:
        """The values in the columns of another layout, see `FeatureLayout.aligned`."""
        return layout.aligned(self.values, self.layout)

    def _column(self, retriever: str, fact: str) -> NDArray[np.float32]:
        try:
            return self.values[:, self.layout.names.index(f"{retriever}.{fact}")]
        except ValueError:
            raise BadInput(f"these features hold nothing of {retriever!r}", field="arm") from None
