"""What is kept of every search: a few numbers each, in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.replay.columns_file import Columnar

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Columnar):
    """n searches under one policy, in order, all of shape (n,) unless said otherwise.

    ``classes`` are names, ``keys`` numbers of the distinct query behind each. ``ranks`` are places of the first right
    hit from 1, 0 where none is on the page. ``cost_ms`` is modelled, ``real_ms`` what the arms took here, ``search_ms``
    the whole search. ``depths`` (n, len(ARMS)). ``exploring_ms`` is what the draw of depths costs beyond the most
    likely ones, by expectation. ``regret`` is in units of reciprocal rank, NaN where it was not looked at.
    ``satisfied`` says whose need the first page met. ``relabelled`` is with what weight a failed search was credited
    with a later goal, below 0 where that was not what was wanted, and 0 where it was not.
    """

    remedy = "delete it, and the policy is played again"

    classes: NDArray[np.str_]
    keys: NDArray[np.int64]
    ranks: NDArray[np.int64]
    cost_ms: Floats
    real_ms: Floats
    search_ms: Floats
    depths: NDArray[np.int64]
    exploring_ms: Floats
    regret: Floats
    oracle_ms: Floats
    retried: NDArray[np.bool_]
    satisfied: NDArray[np.bool_]
    relabelled: Floats

    def __len__(self) -> int:
        return len(self.ranks)

    @property
    def reciprocal_ranks(self) -> Floats:
        """1 / rank, 0 where nothing right was on the page: every search counts."""
        return np.divide(1.0, self.ranks, out=np.zeros(len(self)), where=self.ranks > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One search; fields as in `Tally`, in the singular."""

    query_class: str
    key: int
    rank: int
    cost_ms: float
    real_ms: float
    search_ms: float
    depths: tuple[int, ...]
    exploring_ms: float
    regret: float
    oracle_ms: float
    retried: bool
    satisfied: bool = False
    relabelled: float = 0.0


def tally_of(lines: list[Line]) -> Tally:
    """Lines as columns."""
    return Tally(
        classes=np.array([line.query_class for line in lines], np.str_),
        keys=np.array([line.key for line in lines], np.int64),
        ranks=np.array([line.rank for line in lines], np.int64),
        cost_ms=np.array([line.cost_ms for line in lines], np.float64),
        real_ms=np.array([line.real_ms for line in lines], np.float64),
        search_ms=np.array([line.search_ms for line in lines], np.float64),
        depths=np.array([line.depths for line in lines], np.int64),
        exploring_ms=np.array([line.exploring_ms for line in lines], np.float64),
        regret=np.array([line.regret for line in lines], np.float64),
        oracle_ms=np.array([line.oracle_ms for line in lines], np.float64),
        retried=np.array([line.retried for line in lines], np.bool_),
        satisfied=np.array([line.satisfied for line in lines], np.bool_),
        relabelled=np.array([line.relabelled for line in lines], np.float64),
    )
