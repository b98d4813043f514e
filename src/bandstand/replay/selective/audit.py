"""Searches looked into: where what was wanted stood under every choice of expensive retrievers, what each cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bandstand.engine.ablation import pages_by_choice, seen_before
from bandstand.engine.search import Answer
from bandstand.feedback.ablation import Played, choices, useful
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Extra
from bandstand.replay.simulate.costs import cost_of, first_place, played, price
from bandstand.replay.stream import Judge
from bandstand.replay.table import Labels, Table
from bandstand.retrievers.registry import BUILT_IN

CHOICES: tuple[Played, ...] = tuple(choices(BUILT_IN.expensive))
"""The columns of `Audits.ranks`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audits:
    """n searches. ``ranks`` int (n, len(CHOICES)) of the first right hit of each choice's page, 0 where none is shown.

    ``p_useful`` (n, expensive retrievers) are the estimates, NaN without a model; ``played`` bool of the same shape is
    what the policy did; ``shown`` (n,) the rank on its page, ``cost_ms`` (n,) what it spent, modelled. ``users`` and
    ``classes`` (n,) are names.
    """

    users: Labels
    classes: Labels
    ranks: NDArray[np.int64]
    p_useful: Floats
    played: NDArray[np.bool_]
    shown: NDArray[np.int64]
    cost_ms: Floats

    def __len__(self) -> int:
        return len(self.shown)

    @classmethod
    def of(cls, table: Table) -> Audits:
        """The searches of a table, all of which were looked into (`audit`).

        Of real searches the classes are whether anybody had succeeded with the query before.
        """
        known = [f"{seen} query" for seen in table.labels["query"].tolist()] if "query" in table.labels else None
        return cls(
            users=table.users,
            classes=table.classes if known is None else np.array(known, object),
            ranks=table.extra["ranks"].astype(np.int64),
            p_useful=table.extra["p_useful"],
            played=table.extra["played"] > 0,
            shown=table.first,
            cost_ms=table.extra["spent_ms"],
        )

    def rows(self, kept: NDArray[np.bool_]) -> Audits:
        """Some of the searches."""
        return Audits(**{each.name: getattr(self, each.name)[kept] for each in fields(self)})


def audit(environment: ReplayEnvironment, answer: Answer, judge: Judge) -> Extra:
    """Ask every retriever once more, after the answer, and see what each choice of expensive ones would have shown."""
    home = environment.home
    full, pages = pages_by_choice(home.engine, answer.query)
    context, _ = seen_before(full.impression.decision, BUILT_IN.expensive)
    p_useful = home.serving().p_useful(context)
    asked = played(answer.impression)
    return {
        "ranks": [first_place(judge.right(pages[choice])) for choice in CHOICES],
        "p_useful": [p_useful.get(name, math.nan) for name in BUILT_IN.expensive],
        "played": [float(name in asked) for name in BUILT_IN.expensive],
        "spent_ms": sum(price(asked).values()),
    }


Plays = NDArray[np.bool_]
"""Which expensive retrievers play in each search: (n, len(BUILT_IN.expensive))."""


def reciprocal_ranks(audits: Audits, plays: Plays) -> Floats:
    """(n,): 1 / rank of what was wanted when these retrievers play, 0 where it is not on the page."""
    ranks = audits.ranks[np.arange(len(audits)), numbers(plays)]
    return inverse(ranks)


def costs(plays: Plays) -> Floats:
    """Modelled milliseconds of each search, (n,), the free retrievers included; the query is encoded once."""
    return np.array([cost_of(choice) for choice in CHOICES])[numbers(plays)]


def numbers(plays: Plays) -> NDArray[np.intp]:
    """The column of `Audits.ranks` that belongs to each search's choice, (n,)."""
    by_bits = np.empty(1 << len(BUILT_IN.expensive), np.intp)
    for number, choice in enumerate(CHOICES):
        by_bits[sum(1 << at for at, retriever in enumerate(BUILT_IN.expensive) if retriever in choice)] = number
    return by_bits[plays @ (1 << np.arange(len(BUILT_IN.expensive)))]


def fixed(audits: Audits, *, play: bool) -> Plays:
    """All expensive retrievers in every search, or none."""
    return np.full((len(audits), len(BUILT_IN.expensive)), play)


def by_threshold(audits: Audits, thresholds: Mapping[str, float]) -> Plays:
    """Arms whose estimate reaches their threshold."""
    return audits.p_useful >= np.array([thresholds[name] for name in BUILT_IN.expensive])


def truth(audits: Audits) -> Plays:
    """Which retrievers helped: each beside the free retrievers and the cheaper ones that helped, see `ladder`."""
    found = fixed(audits, play=False)
    for retriever in range(len(BUILT_IN.expensive)):
        with_it = found.copy()
        with_it[:, retriever] = True
        before = audits.ranks[np.arange(len(audits)), numbers(found)]
        after = audits.ranks[np.arange(len(audits)), numbers(with_it)]
        found[:, retriever] = [useful(*pair) for pair in zip(before.tolist(), after.tolist(), strict=True)]
    return found


def missed_alone(audits: Audits) -> Plays:
    """Which retrievers helped where all others play too: leaving one out loses the answer, or clearly lowers it."""
    everything = fixed(audits, play=True)
    found = fixed(audits, play=False)
    full = audits.ranks[np.arange(len(audits)), numbers(everything)]
    for retriever in range(len(BUILT_IN.expensive)):
        without = everything.copy()
        without[:, retriever] = False
        ranks = audits.ranks[np.arange(len(audits)), numbers(without)]
        found[:, retriever] = [useful(*pair) for pair in zip(ranks.tolist(), full.tolist(), strict=True)]
    return found


def inverse(ranks: NDArray[np.int64]) -> Floats:
    """1 / rank, 0 where it is 0."""
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)
