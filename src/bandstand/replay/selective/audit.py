"""Searches looked into: where what was wanted stood under every choice of expensive arms, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.policy import Teacher
from bandstand.engine.ablation import seen_before, subset_pages
from bandstand.engine.search import Answer
from bandstand.feedback.ablation import SHOWN, Played, choices
from bandstand.replay.columns_file import Columnar
from bandstand.replay.judge import Judge
from bandstand.replay.simulate.prices import played, price
from bandstand.replay.stage import Stage

CHOICES: tuple[Played, ...] = tuple(choices(EXPENSIVE))
"""The columns of `Audits.ranks`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One search; fields as in `Audits`, in the singular."""

    user: str
    query_class: str
    ranks: tuple[int, ...]
    helps: tuple[float, ...]
    played: tuple[bool, ...]
    shown: int
    cost_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits(Columnar):
    """n searches. ``ranks`` int (n, len(CHOICES)) of the first right hit of each choice's page, 0 where none is shown.

    ``helps`` (n, len(EXPENSIVE)) are the estimates, NaN without a model; ``played`` bool of the same shape is what the
    policy did; ``shown`` (n,) the rank on its page, ``cost_ms`` (n,) what it spent, modelled. ``users`` and ``classes``
    (n,) are names.
    """

    remedy = "delete the policy's folder and play again"

    users: NDArray[np.str_]
    classes: NDArray[np.str_]
    ranks: NDArray[np.int64]
    helps: Floats
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
            helps=np.array([each.helps for each in audits], np.float64).reshape(count, arms),
            played=np.array([each.played for each in audits], np.bool_).reshape(count, arms),
            shown=np.array([each.shown for each in audits], np.int64),
            cost_ms=np.array([each.cost_ms for each in audits], np.float64),
        )


def audit(stage: Stage, answer: Answer, judge: Judge, *, user: str, query_class: str) -> Audit:
    """Ask every arm once more, after the answer, and see what each choice of expensive ones would have shown."""
    home = stage.home
    columns, brains = home.catalog.columns, home.brains()
    full = home.engine.answer(replace(answer.query, id=f"{answer.query.id}/audit"), Teacher())
    whole, names = full.head.whole, full.impression.feature_names
    pages = subset_pages(whole.features, names, whole.ordinals, columns, brains.scorer)
    context, _ = seen_before(full.impression.decision)
    helps = brains.helps(context)
    asked = played(answer.impression)
    return Audit(
        user=user,
        query_class=query_class,
        ranks=tuple(_first(judge.right(pages[choice])) for choice in CHOICES),
        helps=tuple(helps.get(arm, float("nan")) for arm in EXPENSIVE),
        played=tuple(arm in asked for arm in EXPENSIVE),
        shown=_first(judge.right(answer.impression.ordinals[:SHOWN])),
        cost_ms=sum(price(asked).values()),
    )


def _first(right: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(right)
    return int(places[0]) + 1 if len(places) else 0
