"""From the retrievers' answers to the head of the ranking: union, features, scores, duplicates folded, kinds mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Columns
from bandstand.errors import BadInput
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.first_cut import FirstCut
from bandstand.ranker.scorers import Scorer
from bandstand.types import KINDS, LOGGED_DEPTH, Candidates, CandidateSet, Matrix, Ordinals, Query, Roster, Scores


def union(candidates: Sequence[Candidates], roster: Roster) -> CandidateSet:
    """Join answers, given in any order, into one `CandidateSet` whose layout depends on the roster alone.

    A retriever without an answer leaves NaN, as does a column of its spec that an answer lacks; columns that are not in
    its spec are left out.

    Raises:
        BadInput: an answer of a retriever that is not in the roster, or two answers of the same one.
    """
    _check(candidates, roster)
    ordinals, rows = np.unique(
        np.concatenate([np.empty(0, np.int32), *(answer.ordinals for answer in candidates)]), return_inverse=True
    )
    ranks, scores = np.full((2, len(ordinals), len(roster)), np.nan, np.float32)
    facts = {spec.name: np.full((len(spec.columns), len(ordinals)), np.nan, np.float32) for spec in roster}
    counting = np.arange(1, 1 + max(map(len, candidates), default=0), dtype=np.float32)
    start = 0
    for answer in candidates:
        own = rows[start : start + len(answer)]
        start += len(answer)
        column = roster.names.index(answer.retriever)
        ranks[own, column] = counting[: len(answer)]
        scores[own, column] = answer.scores
        for row, name in enumerate(roster[answer.retriever].columns):
            if name in answer.columns:
                facts[answer.retriever][row, own] = answer.columns[name]
    columns = {f"{spec.name}.{name}": facts[spec.name][row] for spec in roster for row, name in enumerate(spec.columns)}
    return CandidateSet(retrievers=roster.names, ordinals=ordinals, ranks=ranks, scores=scores, columns=columns)


def _check(candidates: Sequence[Candidates], roster: Roster) -> None:
    retrievers = [answer.retriever for answer in candidates]
    if unknown := set(retrievers).difference(roster.names):
        raise BadInput(f"no features for {', '.join(sorted(unknown))}: put them into the roster", field="arms")
    if len(set(retrievers)) != len(retrievers):
        raise BadInput("a retriever answers a search once: fuse its answers before the union", field="candidates")


Rows = NDArray[np.intp]
"""Indices into the rows of a candidate set."""


def dedupe(ordinals: Ordinals, scores: Scores, dedupe_keys: NDArray[np.int64]) -> Rows:
    """The indices of the best row of each duplicate group, best first.

    Args:
        ordinals: int32 (m,), which break ties (the lower one, so the older entity, first).
        scores: float32 (m,), higher is better; NaN counts as lowest.
        dedupe_keys: int64 (m,), equal for rows that are the same recording (`Columns.dedupe_key` at ``ordinals``).

    Returns:
        Indices (g,) into the rows, g the number of distinct keys.
    """
    order = np.lexsort((ordinals, -scores))
    _, first = np.unique(dedupe_keys[order], return_index=True)
    first.sort()
    return order[first]


Kinds = NDArray[np.int8]
"""Indices into `bandstand.types.KINDS`."""

_NO_CHANCE = 1e-12
"""Less likely than this is as good as not: its seat is behind every page."""


def kind_likelihoods(scores: Scores, kinds: Kinds) -> NDArray[np.float64]:
    """How likely each of `KINDS` is what was meant, float64 (len(KINDS),), summing to 1; zeros without candidates.

    P(kind) = Σ exp(s_i) / Σ exp(s_j) over its candidates i and all candidates j: the chance that the best answer is one
    of them, if scores are log-odds as LambdaMART's are (top-one probability of Plackett & Luce; Cao et al. 2007,
    "Learning to rank: from pairwise approach to listwise approach"). NaN counts as no chance.

    Args:
        scores: float32 (n,).
        kinds: int8 (n,).
    """
    return np.bincount(kinds, _chances(scores), minlength=len(KINDS)).astype(np.float64)


def mixed_order(scores: Scores, kinds: Kinds) -> Rows:
    """The order in which ranked candidates mix kinds by likelihood; indices (n,) into rows that are best first.

    Places are seats, and chances of being the best answer are votes. The j-th best of a kind stands where its seat by
    Sainte-Laguë falls, (2j - 1) / P, where P is the kind's likelihood without its j - 1 better ones, or where its own
    score puts it, 2p - 1 for the p-th best of all, whichever comes first. So kinds have their share of any beginning of
    the page (calibration, Steck 2018; proportional seats, Dang & Croft 2012, "Diversity by proportionality"), but one
    candidate that is surely meant brings nobody else of its kind forward. None loses what the ranker itself gave it.
    The first candidate keeps its place, the order within a kind stays, and it does not matter how long the page is.
    """
    by_kind = np.argsort(kinds, kind="stable")
    grouped = kinds[by_kind]
    first, last = np.searchsorted(grouped, grouped), np.searchsorted(grouped, grouped, side="right")
    votes = np.concatenate([[0.0], np.cumsum(_chances(scores)[by_kind])])
    left = np.maximum(votes[last] - votes[:-1], _NO_CHANCE)
    seats = np.empty(len(kinds))
    seats[by_kind] = (2 * (np.arange(len(kinds)) - first) + 1) / left
    return np.argsort(np.minimum(seats, 2 * np.arange(len(kinds)) + 1), kind="stable")


def _chances(scores: Scores) -> NDArray[np.float64]:
    """P(the best answer) of each candidate, float64 (n,); all 0 where no score is known."""
    known = ~np.isnan(scores)
    if not known.any():
        return np.zeros(len(scores))
    odds = np.where(known, np.exp(scores.astype(np.float64) - float(scores[known].max())), 0.0)
    chances: NDArray[np.float64] = odds / odds.sum()
    return chances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """The candidates that were ranked: ordinals int32 (m,) ascending, scores float32 (m,), features float32 (m, f)."""

    ordinals: Ordinals
    scores: Scores
    features: Matrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """The head of a ranking, as it is to be shown: best first unless it was re-ordered since; duplicates folded.

    ``ordinals`` int32 (n,), ``scores`` float32 (n,), ``features`` float32 (n, f) as they were scored; ``whole`` is what
    the head was taken from.
    """

    ordinals: Ordinals
    scores: Scores
    features: Matrix
    whole: Scored

    def __len__(self) -> int:
        return len(self.ordinals)

    def taken(self, order: Rows) -> Ranking:
        """The hits at ``order`` (m,), in that order; each keeps its score."""
        return replace(
            self,
            ordinals=self.ordinals[order],
            scores=self.scores[order],
            features=self.features[order],
        )


def rank(
    query: Query,
    candidates: CandidateSet,
    columns: Columns,
    features: FeatureSet,
    scorer: Scorer,
    *,
    cut: FirstCut | None = None,
    depth: int = LOGGED_DEPTH,
) -> Ranking:
    """Rank a search's candidates, all that ``cut`` leaves, and keep the best ``depth``.

    ``scorer`` reads the layout of ``features``. A candidate newer than the snapshot ``columns`` is passed over: an
    index may be ahead of it by a moment.
    """
    candidates = _known(candidates, columns.n)
    ordinals, matrix = candidates.ordinals, features.early(query, candidates, columns)
    if cut is not None:
        kept = cut.rows(matrix)
        ordinals, matrix = ordinals[kept], matrix[kept]
    features.complete(matrix, query, ordinals, columns)
    scores = scorer.score(matrix)
    rows = dedupe(ordinals, scores, columns.dedupe_key[ordinals])[:depth]
    return Ranking(
        ordinals=ordinals[rows],
        scores=scores[rows],
        features=matrix[rows],
        whole=Scored(ordinals=ordinals, scores=scores, features=matrix),
    )


def _known(candidates: CandidateSet, n: int) -> CandidateSet:
    """The candidates with ordinals below ``n``; their rows stay what they are, since ordinals ascend."""
    known = int(np.searchsorted(candidates.ordinals, n))
    if known == len(candidates):
        return candidates
    return CandidateSet(
        retrievers=candidates.retrievers,
        ordinals=candidates.ordinals[:known],
        ranks=candidates.ranks[:known],
        scores=candidates.scores[:known],
        columns={name: column[:known] for name, column in candidates.columns.items()},
    )
