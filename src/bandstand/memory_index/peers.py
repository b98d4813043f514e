"""Users who chose the same, and what they chose: altogether, and under queries like the present one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.history import CHOICE
from bandstand.memory_index.keys import ordinal_key
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Databases, ReadTransaction

_CONSIDERED, _PEERS, _LATEST = 60, 40, 100
"""Of how many users with the most in common the history is looked at, how many speak, and over how many of each one's
latest choices."""

Weigh = Callable[[np.ndarray], tuple[Scores, Scores]]
"""Decayed strength and likeness to the present query of `CHOICE` rows, float32 (n,) each."""


@dataclass(frozen=True, slots=True, eq=False)
class PeerChoices:
    """Entities int32 (n,) ascending, and float32 (n,) how strongly peers chose them, and did so under like queries."""

    ordinals: Ordinals
    chosen: Scores
    alike: Scores


def peer_choices(
    dbs: Databases, txn: ReadTransaction, user: bytes, seeds: tuple[Ordinals, Scores], weigh: Weigh
) -> PeerChoices:
    """What peers of a user chose, by user-based collaborative filtering.

    ``seeds`` are the user's own entities (m,) and their weights. likeness(u, v) = Σ_e w(e) / sqrt(fans of e) /
    sqrt(choices of v) over the seeds e that v chose: a rare common choice says more, one who chooses everything less.
    chosen(e) = Σ_v likeness(u, v) · (1 - exp(-strength of e for v)) over the nearest v, likenesses summing to
    n / (n + 1) or less; alike(e) counts only what v chose under like queries, by how like they are.
    """
    keys, alike = _peers(dbs, txn, user, seeds)
    tails = [txn.get(key, db=dbs["users"]) or b"" for key in keys]
    alike = alike / np.sqrt([max(len(tail) // CHOICE.itemsize, 1) for tail in tails])
    best = np.argsort(-alike, kind="stable")[:_PEERS]
    alike = (alike[best] / (alike[best].sum() + 0.1)).astype(np.float32)
    latest = [bytes(tails[at][-_LATEST * CHOICE.itemsize :]) for at in best.tolist()]
    rows = np.frombuffer(b"".join(latest), CHOICE)
    strength, like = weigh(rows)
    counts = np.array([len(tail) // CHOICE.itemsize for tail in latest], np.intp)
    amount = np.repeat(alike, counts) * (1 - np.exp(-strength))
    ordinals, at = np.unique(rows["ordinal"], return_inverse=True)
    chosen, under_like = (np.bincount(at, each, minlength=len(ordinals)) for each in (amount, amount * like))
    return PeerChoices(ordinals.astype(np.int32), chosen.astype(np.float32), under_like.astype(np.float32))


def _peers(
    dbs: Databases, txn: ReadTransaction, user: bytes, seeds: tuple[Ordinals, Scores]
) -> tuple[list[bytes], NDArray[np.float64]]:
    """Keys of the users with the most in common, and Σ weight / sqrt(fans)."""
    found, shares = [np.empty(0, np.uint64)], [np.empty(0)]
    for ordinal, weight in zip(seeds[0].tolist(), seeds[1].tolist(), strict=True):
        value = txn.get(ordinal_key(ordinal), db=dbs["fans"])
        if value is not None:
            fans = np.frombuffer(value, np.uint64)
            found.append(fans)
            shares.append(np.full(len(fans), weight / len(fans) ** 0.5))
    users, at = np.unique(np.concatenate(found), return_inverse=True)
    common = np.bincount(at, np.concatenate(shares), minlength=len(users)).astype(np.float64)
    common[users == np.frombuffer(user, np.uint64)] = 0
    best = np.argsort(-common, kind="stable")[:_CONSIDERED]
    best = best[common[best] > 0]
    return [users[at].tobytes() for at in best], common[best]
