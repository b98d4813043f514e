"""What the memory answers: columnar, frozen, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Mask, Ordinals, Scores

EXACT, REORDERED, COANSWER = 0.0, 0.5, 3.0
"""Values of `Rows.distance` beside 1 and 2, which count the edits of a near spelling."""

ANSWER = np.dtype(
    [
        ("ordinals", np.int32),
        ("scores", np.float32),
        ("clicks", np.float32),
        ("plays", np.float32),
        ("impressions", np.float32),
        ("predicted", np.float32),
        ("own", np.float32),
        ("distance", np.float32),
    ]
)
"""One row of `Answers`: a field for each column of `Rows`."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a query led to: ordinals int32 (n,) without repeats, the rest float32 (n,), best first, ties by ordinal.

    ``scores`` are posterior means in [0, 1]; counts are decayed to the time of asking; ``predicted`` is NaN where
    nothing was predicted; ``own`` is 1 where the asking user's own record holds the entity; ``distance`` is 0 for
    the query itself, 0.5 for its words in another order, the number of edits for a near spelling, and 3 for what
    another query with a shared answer led to. ``corrected`` is the stored query that a near spelling answered from.
    """

    ordinals: Ordinals
    scores: Scores
    clicks: Scores
    plays: Scores
    impressions: Scores
    predicted: Scores
    own: Scores
    distance: Scores
    corrected: str | None = None

    def __len__(self) -> int:
        return len(self.ordinals)


@dataclass(frozen=True, slots=True, eq=False)
class PersonalRows:
    """What a user may want again or next: ordinals int32 (n,) without repeats, the rest float32 (n,), best first.

    ``times`` is the decayed number of choices (0: never chosen), ``days`` since the last one (NaN: never),
    ``like_query`` in [0, 1] how like the present query is to the one under which it was chosen; ``past`` is log(1 +
    entities in the history), the same for every row; ``alike`` and ``peers`` how strongly users who chose the same
    chose it under like queries, and at all; ``mates`` how strongly it goes with what the user chose.
    """

    ordinals: Ordinals
    scores: Scores
    times: Scores
    days: Scores
    like_query: Scores
    past: Scores
    alike: Scores
    peers: Scores
    mates: Scores

    def __len__(self) -> int:
        return len(self.ordinals)

    @classmethod
    def empty(cls) -> PersonalRows:
        """Of a stranger."""
        return cls(np.empty(0, np.int32), *np.empty((8, 0), np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LikeAnswers:
    """What like queries led to, one row a (query, entity), n in all.

    ``ordinals`` int32, repeats allowed; ``likeness`` float32 in (0, 1] of the row's query;
    ``scores`` and ``clicks`` (plays included) float32 of the pair.
    """

    ordinals: Ordinals
    likeness: Scores
    scores: Scores
    clicks: Scores

    def __len__(self) -> int:
        return len(self.ordinals)

    @classmethod
    def empty(cls) -> LikeAnswers:
        """No like query, or none that led anywhere."""
        none = np.empty(0, np.float32)
        return cls(ordinals=np.empty(0, np.int32), likeness=none, scores=none, clicks=none)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRow:
    """One believed (query, entity) pair for people to read; counts are decayed to the time of asking."""

    ordinal: int
    score: float
    impressions: float
    clicks: float
    plays: float
    predicted: float | None
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    """How much the memory holds; ``bytes`` is the space used inside a map of ``map_size`` bytes."""

    queries: int
    shared_queries: int
    pairs: int
    own_queries: int
    users: int
    vectors: int
    bytes: int
    map_size: int
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Rows in the making: an array of `ANSWER` (n,), ordinals ascending and without repeats."""

    table: NDArray[Any]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def chosen(self) -> Mask:
        """Which rows were clicked or played, bool (n,): the others are predictions."""
        chosen: Mask = (self.table["clicks"] > 0) | (self.table["plays"] > 0)
        return chosen

    @classmethod
    def empty(cls) -> Answers:
        """No rows."""
        return cls(np.empty(0, ANSWER))

    def discounted(self, discount: float, distance: float) -> Answers:
        """The same rows as an answer from further away."""
        table = self.table.copy()
        table["scores"] *= discount
        table["distance"] = distance
        return Answers(table)

    def rows(self, corrected: str | None = None) -> Rows:
        """Best first."""
        table = self.table[(-self.table["scores"]).argsort(kind="stable")]
        columns: dict[str, NDArray[Any]] = {name: table[name].copy() for name in ANSWER.names or ()}
        return Rows(**columns, corrected=corrected)


def merge(tables: list[Answers]) -> Answers:
    """One table of all rows; of rows with the same ordinal the best scored stays (the first table's on a tie)."""
    if len(tables) == 1:
        return tables[0]
    table = np.concatenate([answers.table for answers in tables])
    table = table[np.lexsort((-table["scores"], table["ordinals"]))]
    first = np.ones(len(table), np.bool_)
    first[1:] = table["ordinals"][1:] != table["ordinals"][:-1]
    return Answers(table[first])
