"""A share of searches, drawn by their ids: the same in every process and every replay."""

from __future__ import annotations

from bandstand.types.hashing import uniform


def sampled(query_id: str, *, share: float, seed: int) -> bool:
    """Whether a search belongs to the ``share`` whose page is also made with and without each expensive retriever."""
    return uniform(seed, "ablation", query_id) < share
