"""Searches looked into: where what was wanted stood under every choice of expensive retrievers, what each cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.policy import Teacher
from bandstand.engine.ablation import seen_before, subset_pages
from bandstand.engine.search import Answer
from bandstand.feedback.ablation import SHOWN, Played, choices, useful
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.rows import Columnar
from bandstand.replay.simulate.costs import cost_of, played, price
from bandstand.replay.stream import Judge

CHOICES: tuple[Played, ...] = tuple(choices(EXPENSIVE))
"""The columns of `Audits.ranks`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One search; fields as in `Audits`, in the singular."""

    user: str
    query_class: str
    ranks: tuple[int, ...]
    p_useful: tuple[float, ...]
    played: tuple[bool, ...]
    shown: int
    cost_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits(Columnar):
    """n searches. ``ranks`` int (n, len(CHOICES)) of the first right hit of each choice's page, 0 where none is shown.

    ``p_useful`` (n, len(EXPENSIVE)) are the estimates, NaN without a model; ``played`` bool of the same shape is what
    the policy did; ``shown`` (n,) the rank on its page, ``cost_ms`` (n,) what it spent, modelled. ``users`` and
    ``classes`` (n,) are names.
    """

    remedy = "delete the policy's folder and play again"

    users: NDArray[np.str_]
    classes: NDArray[np.str_]
    ranks: NDArray[np.int64]
    p_useful: Floats
    played: NDArray[np.bool_]
    shown: NDArray[np.int64]
    cost_ms: Floats

    def __len__(self) -> int:
        return len(self.shown)

    @classmethod
    def of(cls, audits: list[Audit]) -> Audits:
        """Audits as columns."""
        count, arms = len(audits), len(EXPENSIVE)
        return cls(
            users=np.array([each.user for each in audits], np.str_),
            classes=np.array([each.query_class for each in audits], np.str_),
            ranks=np.array([each.ranks for each in audits], np.int64).reshape(count, len(CHOICES)),
            p_useful=np.array([each.p_useful for each in audits], np.float64).reshape(count, arms),
            played=np.array([each.played for each in audits], np.bool_).reshape(count, arms),
            shown=np.array([each.shown for each in audits], np.int64),
            cost_ms=np.array([each.cost_ms for each in audits], np.float64),
        )


def audit(environment: ReplayEnvironment, answer: Answer, judge: Judge, *, user: str, query_class: str) -> Audit:
    """Ask every arm once more, after the answer, and see what each choice of expensive ones would have shown."""
    home = environment.home
    columns, serving = home.catalog.columns, home.serving()
    full = home.engine.answer(replace(answer.query, id=f"{answer.query.id}/audit"), Teacher())
    whole, names = full.head.whole, full.impression.feature_names
    pages = subset_pages(whole.features, names, whole.ordinals, columns, serving.scorer)
    context, _ = seen_before(full.impression.decision)
    p_useful = serving.p_useful(context)
    asked = played(answer.impression)
    return Audit(
        user=user,
        query_class=query_class,
        ranks=tuple(_first(judge.right(pages[choice])) for choice in CHOICES),
        p_useful=tuple(p_useful.get(arm, float("nan")) for arm in EXPENSIVE),
        played=tuple(arm in asked for arm in EXPENSIVE),
        shown=_first(judge.right(answer.impression.ordinals[:SHOWN])),
        cost_ms=sum(price(asked).values()),
    )


def _first(right: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(right)
    return int(places[0]) + 1 if len(places) else 0


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
    return audits.p_useful >= np.array([thresholds[arm] for arm in EXPENSIVE])


def truth(audits: Audits) -> Plays:
    """Which arms helped: each beside the free arms and the cheaper ones that helped, see `ladder`."""
    found = fixed(audits, play=False)
    for arm in range(len(EXPENSIVE)):
        with_it = found.copy()
        with_it[:, arm] = True
        before = audits.ranks[np.arange(len(audits)), numbers(found)]
        after = audits.ranks[np.arange(len(audits)), numbers(with_it)]
        found[:, arm] = [useful(*pair) for pair in zip(before.tolist(), after.tolist(), strict=True)]
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
        found[:, arm] = [useful(*pair) for pair in zip(ranks.tolist(), full.tolist(), strict=True)]
    return found


def inverse(ranks: NDArray[np.int64]) -> Floats:
    """1 / rank, 0 where it is 0."""
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)
