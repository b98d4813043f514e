"""The union of the arms' answers, columnar: one row a candidate, NaN where an arm did not bring it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandstand.errors import BadInput
from bandstand.types import ARM_COLUMNS, ARMS, Candidates, CandidateSet, Matrix


def union(candidates: Sequence[Candidates], arms: tuple[str, ...] = ARMS) -> CandidateSet:
    """Join answers, given in any order, into one `CandidateSet` whose layout depends on ``arms`` alone.

    An arm of ``arms`` without an answer leaves NaN, as does a column of `ARM_COLUMNS` that an answer lacks; columns
    that are not listed there are left out.

    Raises:
        BadInput: an answer of a retriever that is not in ``arms``, or two answers of the same one.
    """
    _check(candidates, arms)
    ordinals, rows = np.unique(
        np.concatenate([np.empty(0, np.int32), *(answer.ordinals for answer in candidates)]), return_inverse=True
    )
    ranks, scores = np.full((2, len(ordinals), len(arms)), np.nan, np.float32)
    facts = {arm: _unknown(arm, len(ordinals)) for arm in arms if arm in ARM_COLUMNS}
    counting = np.arange(1, 1 + max(map(len, candidates), default=0), dtype=np.float32)
    start = 0
    for answer in candidates:
        own = rows[start : start + len(answer)]
        start += len(answer)
        column = arms.index(answer.retriever)
        ranks[own, column] = counting[: len(answer)]
        scores[own, column] = answer.scores
        for row, name in enumerate(ARM_COLUMNS.get(answer.retriever, ())):
            if name in answer.columns:
                facts[answer.retriever][row, own] = answer.columns[name]
    columns = {f"{arm}.{name}": facts[arm][row] for arm in facts for row, name in enumerate(ARM_COLUMNS[arm])}
    return CandidateSet(arms=arms, ordinals=ordinals, ranks=ranks, scores=scores, columns=columns)


def _check(candidates: Sequence[Candidates], arms: tuple[str, ...]) -> None:
    retrievers = [answer.retriever for answer in candidates]
    if unknown := set(retrievers).difference(arms):
        raise BadInput(f"no features for {', '.join(sorted(unknown))}: name every retriever in arms", field="arms")
    if len(set(retrievers)) != len(retrievers):
        raise BadInput("a retriever answers a search once: fuse its answers before the union", field="candidates")


def _unknown(arm: str, m: int) -> Matrix:
    return np.full((len(ARM_COLUMNS[arm]), m), np.nan, np.float32)
