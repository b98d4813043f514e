"""What a choice of expensive retrievers costs and finds, over audited searches: truth, thresholds, fixed choices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.feedback.ablation import helped
from bandstand.replay.selective.audit import CHOICES, Audits, Floats
from bandstand.replay.simulate.oracle import cost_of

Plays = NDArray[np.bool_]
"""Which expensive arms play in each search: (n, len(EXPENSIVE))."""


def reciprocal_ranks(audits: Audits, plays: Plays) -> Floats:
    """(n,): 1 / rank of what was wanted when these arms play, 0 where it is not on the page."""
    ranks = audits.ranks[np.arange(len(audits)), numbers(plays)]
    return inverse(ranks)


def costs(plays: Plays) -> Floats:
    """Modelled milliseconds of each search, (n,), the free arms included; the query is encoded once."""
    return np.array([cost_of(choice) for choice in CHOICES])[numbers(plays)]


def numbers(plays: Plays) -> NDArray[np.intp]:
    """The column of `Audits.ranks` that belongs to each search's choice, (n,)."""
    by_bits = np.empty(1 << len(EXPENSIVE), np.intp)
    for number, choice in enumerate(CHOICES):
        by_bits[sum(1 << at for at, arm in enumerate(EXPENSIVE) if arm in choice)] = number
    return by_bits[plays @ (1 << np.arange(len(EXPENSIVE)))]


def fixed(audits: Audits, *, play: bool) -> Plays:
    """All expensive arms in every search, or none."""
    return np.full((len(audits), len(EXPENSIVE)), play)


def by_threshold(audits: Audits, thresholds: Mapping[str, float]) -> Plays:
    """Arms whose estimate reaches their threshold."""
    return audits.helps >= np.array([thresholds[arm] for arm in EXPENSIVE])


def truth(audits: Audits) -> Plays:
    """Which arms helped: each beside the free arms and the cheaper ones that helped, see `ladder`."""
    found = fixed(audits, play=False)
    for arm in range(len(EXPENSIVE)):
        with_it = found.copy()
        with_it[:, arm] = True
        before = audits.ranks[np.arange(len(audits)), numbers(found)]
        after = audits.ranks[np.arange(len(audits)), numbers(with_it)]
        found[:, arm] = [helped(*pair) for pair in zip(before.tolist(), after.tolist(), strict=True)]
    return found


def missed_alone(audits: Audits) -> Plays:
    """Which arms helped where all others play too: leaving such an arm out loses the answer, or clearly lowers it."""
    everything = fixed(audits, play=True)
    found = fixed(audits, play=False)
    full = audits.ranks[np.arange(len(audits)), numbers(everything)]
    for arm in range(len(EXPENSIVE)):
        without = everything.copy()
        without[:, arm] = False
        ranks = audits.ranks[np.arange(len(audits)), numbers(without)]
        found[:, arm] = [helped(*pair) for pair in zip(ranks.tolist(), full.tolist(), strict=True)]
    return found


def inverse(ranks: NDArray[np.int64]) -> Floats:
    """1 / rank, 0 where it is 0."""
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)
