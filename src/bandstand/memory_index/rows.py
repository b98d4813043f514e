"""What the memory answers: columnar, frozen, best first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandstand.types import Mask, Matrix, Ordinals, Scores

EXACT, REORDERED, COANSWER = 0.0, 0.5, 3.0
"""Values of `Rows.distance` beside 1 and 2, which count the edits of a near spelling."""

COLUMNS = ("scores", "clicks", "plays", "impressions", "predicted", "own", "distance")
"""The float columns of `Rows`, in the order of the matrix of `Answers`."""

SCORE, CLICK, PLAY, IMPRESSION, PREDICTED, OWN, DISTANCE = range(len(COLUMNS))


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
    """Rows in the making: unique ascending ordinals int32 (n,) and a float32 (7, n) matrix laid out as `COLUMNS`."""

    ordinals: Ordinals
    matrix: Matrix

    def __len__(self) -> int:
        return len(self.ordinals)

    @property
    def chosen(self) -> Mask:
        """Which rows were clicked or played, bool (n,): the others are predictions."""
        chosen: Mask = (self.matrix[CLICK] > 0) | (self.matrix[PLAY] > 0)
        return chosen

    @classmethod
    def empty(cls) -> Answers:
        """No rows."""
        return cls(np.empty(0, np.int32), np.empty((len(COLUMNS), 0), np.float32))

    def discounted(self, discount: float, distance: float) -> Answers:
        """The same rows as an answer from further away."""
        matrix = self.matrix.copy()
        matrix[SCORE] *= discount
        matrix[DISTANCE] = distance
        return Answers(self.ordinals, matrix)

    def rows(self, corrected: str | None = None) -> Rows:
        """Best first."""
        order = (-self.matrix[SCORE]).argsort(kind="stable")
        scores, clicks, plays, impressions, predicted, own, distance = self.matrix.take(order, axis=1)
        return Rows(self.ordinals[order], scores, clicks, plays, impressions, predicted, own, distance, corrected)


def merge(tables: list[Answers]) -> Answers:
    """One table of all rows; of rows with the same ordinal the best scored stays (the first table's on a tie)."""
    if len(tables) == 1:
        return tables[0]
    ordinals = np.concatenate([table.ordinals for table in tables])
    matrix = np.concatenate([table.matrix for table in tables], axis=1)
    order = np.lexsort((-matrix[SCORE], ordinals))
    ordinals = ordinals[order]
    first = np.ones(len(ordinals), np.bool_)
    first[1:] = ordinals[1:] != ordinals[:-1]
    return Answers(ordinals[first], matrix[:, order[first]])
