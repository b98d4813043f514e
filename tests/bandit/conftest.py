"""Records that the bandit's tests build on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bandstand.types import Candidates, Query


@pytest.fixture
def make_candidates() -> Callable[..., Candidates]:
    def make(
        retriever: str, ordinals: Sequence[int], scores: Sequence[float], **columns: Sequence[float]
    ) -> Candidates:
        return Candidates(
            retriever=retriever,
            ordinals=np.array(ordinals, np.int32),
            scores=np.array(scores, np.float32),
            columns={name: np.array(values, np.float32) for name, values in columns.items()},
        )

    return make


@pytest.fixture
def make_query() -> Callable[..., Query]:
    def make(normalized: str = "", **fields: object) -> Query:
        return Query(id="q", text=normalized, normalized=normalized, **fields)  # type: ignore[arg-type]

    return make
