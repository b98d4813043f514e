"""A share of searches, drawn by their ids: the same in every process and every replay."""

from __future__ import annotations

from hashlib import blake2b


def uniform(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on nothing but the seed and the names."""
    digest = blake2b("/".join((str(seed), *names)).encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def sampled(query_id: str, *, share: float, seed: int) -> bool:
    """Whether a search belongs to the ``share`` whose page is also made with and without each expensive arm."""
    return uniform(seed, "ablation", query_id) < share
