"""What an arm earned in a search: the page with it less the page without it, at every depth up to the chosen one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.feedback.ablation import Ablation
from bandstand.types import DEPTHS, ArmDecision, FeatureRows, Impression, Mask, Matrix, Ordinals, Scores

Scorer = Callable[[Matrix], Scores]
"""The ranker: features float32 (rows, f), in the layout of the head, to scores float32 (rows,), higher is better."""

CostOf = Callable[[str, int], float]
"""Milliseconds of an arm at a depth, e.g. `ArmStats.cost` or `Roster.modelled_cost`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthLabel:
    """The reward of one depth of one arm, and the probability with which that reward was going to be seen."""

    arm: str
    depth_index: int
    reward: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedHead:
    """The upper part of a ranking: ordinals (n,), features of its n rows, and a grade in [0, 1] for each row (n,)."""

    ordinals: Ordinals
    rows: FeatureRows
    grades: NDArray[np.float64]

    @classmethod
    def of(cls, impression: Impression, grades: Mapping[int, float]) -> RankedHead:
        """What ``impression`` logged features of; an ordinal without a grade has grade 0."""
        ordinals = impression.ordinals[: len(impression.features)]
        by_row = np.zeros(len(ordinals))
        if grades:
            by_row[:] = [grades.get(ordinal, 0.0) for ordinal in ordinals.tolist()]
        return cls(ordinals=ordinals, rows=impression.rows, grades=by_row)


def page_value(grades: ArrayLike, positions: ArrayLike) -> NDArray[np.float64]:
    """V = min(1, sum of grade / position) over the entities that satisfied, along the last axis.

    With one satisfying entity this is its reciprocal rank times its grade. The sum credits a page that satisfies
    twice; the cap says that a need is met once it is met. Grades lie in [0, 1], positions count from 1 and are
    infinite for what is not on the page; without entities the value is 0.
    """
    ratios = np.asarray(grades, np.float64) / np.asarray(positions, np.float64)
    return np.asarray(np.minimum(1.0, ratios.sum(axis=-1)), np.float64)


def difference_rewards(head: RankedHead, chosen: Mapping[str, int], score: Scorer) -> dict[str, tuple[float, ...]]:
    """What each arm added to the page's value, at every depth of `DEPTHS` up to the chosen one.

    D(arm, d) = V(page with the arm cut to depth d) - V(page without the arm), all else equal: the difference reward
    of Wolpert & Tumer 2001 ("Optimal payoff functions for members of collectives"). Cutting at the logged ranks
    makes one search a label for every smaller depth too: an entity held at rank r counts for d >= r only. All pages
    of all arms are scored in a single call; pages that come out alike are scored once.

    The head ends with the logged features, so what would have moved up from below it is not seen, which makes the
    difference a little too small (docs/adr/0032-what-a-short-log-keeps.md has by how much); nor is what a user would
    have clicked instead, which makes it an upper bound of the arm's worth, tight for single answers.

    Args:
        head: The ranking that was shown; its graded rows are what satisfied.
        chosen: The depth at which each arm played.
        score: The ranker that orders the pages; called at most once.

    Returns:
        By arm, one difference for each depth up to the chosen one, ascending; the first, for depth 0, is 0.

    Raises:
        BadInput: the head holds nothing of an arm.
    """
    if not head.grades.any():
        return {arm: (0.0,) * (DEPTHS.index(depth) + 1) for arm, depth in chosen.items()}
    pages: list[tuple[Matrix, Mask]] = [(head.rows.values, np.ones(len(head.ordinals), np.bool_))]
    page_of = {arm: _cut_pages(head, arm, depth, pages) for arm, depth in chosen.items()}
    values = _page_values(head, pages, score).tolist() if len(pages) > 1 else [0.0]
    return {arm: tuple(values[page] - values[cuts[0]] for page in cuts) for arm, cuts in page_of.items()}


def _cut_pages(head: RankedHead, arm: str, depth: int, pages: list[tuple[Matrix, Mask]]) -> list[int]:
    """The number of the page for each depth up to ``depth``; appends to ``pages`` those not there yet.

    Page 0 is the page as it was: the arm has been cut to ``depth`` already. A depth that keeps as many rows as
    another keeps the same ones.
    """
    ranks = head.rows.rank(arm)
    page_by_kept = {int((ranks > 0).sum()): 0}
    numbers = []
    for shallower in DEPTHS[: DEPTHS.index(depth) + 1]:
        kept = int((ranks <= shallower).sum())
        if kept not in page_by_kept:
            page_by_kept[kept] = len(pages)
            limited, brought = head.rows.without(arm, shallower)
            pages.append((limited.values, brought))
        numbers.append(page_by_kept[kept])
    return numbers


def _page_values(head: RankedHead, pages: Sequence[tuple[Matrix, Mask]], score: Scorer) -> NDArray[np.float64]:
    """The value (pages,) of each page when its candidates are ordered by score; equal scores by ordinal."""
    scores = np.asarray(score(np.concatenate([features for features, _ in pages])), np.float64)
    scores = scores.reshape(len(pages), -1)
    kept = np.stack([mask for _, mask in pages])
    graded = np.flatnonzero(head.grades)
    mine = scores[:, graded, None]
    tie = (scores[:, None, :] == mine) & (head.ordinals[None, None, :] < head.ordinals[None, graded, None])
    above = ((scores[:, None, :] > mine) | tie) & kept[:, None, :]
    positions = np.where(kept[:, graded], 1.0 + above.sum(axis=2), np.inf)
    return page_value(head.grades[graded], positions)


def depth_labels(
    decision: ArmDecision, differences: Sequence[float], *, cost_weight: float, cost: CostOf
) -> list[DepthLabel]:
    """What one decision teaches: for each depth d up to the chosen one, D(arm, d) - cost_weight · cost(arm, d).

    Feedback is one-sided: going to depth c shows what every d <= c would have earned and nothing about deeper
    ones. Label d is therefore seen exactly when the choice is d or deeper, and its inverse-propensity weight is
    1 / P(choice >= d), not 1 / P(choice = d): E[1{choice >= d} r(d) / P(choice >= d)] = r(d).

    Args:
        decision: The logged choice; a policy that logged no distribution chose with probability 1.
        differences: From `difference_rewards`, for the depths up to the chosen one.
        cost_weight: lambda, the page value that one millisecond must earn.
        cost: Milliseconds by arm and depth; depth 0 is free by definition.
    """
    labels = []
    for index, difference in enumerate(differences):
        spent = cost(decision.arm, DEPTHS[index]) if index else 0.0
        seen = math.fsum(decision.probabilities[index:]) if decision.probabilities else 1.0
        labels.append(
            DepthLabel(
                arm=decision.arm, depth_index=index, reward=difference - cost_weight * spent, probability=min(seen, 1.0)
            )
        )
    return labels


def recorded_differences(record: Ablation, impression: Impression, grades: Mapping[int, float]) -> dict[str, float]:
    """What each expensive arm that played at full depth added to the page, from the pages recorded with and without it.

    D(arm) = V(page of what played) - V(page without the arm), as in `difference_rewards`, but ranked from all
    candidates and counted over the recorded page: below it, nobody looks. Empty where an expensive arm played less
    deep, since no such page was recorded, and where nothing satisfied.
    """
    depths = {arm.arm: arm.depth for arm in impression.decision.arms if arm.arm in record.retrievers and arm.depth}
    names = dict(zip(impression.ordinals.tolist(), impression.entity_ids, strict=False))
    wanted = {names[ordinal]: grade for ordinal, grade in grades.items() if ordinal in names}
    if not wanted or any(depth < DEPTHS[-1] for depth in depths.values()):
        return {}

    def value(played: frozenset[str]) -> float:
        positions = [record.rank(played, {entity}) or math.inf for entity in wanted]
        return float(page_value(list(wanted.values()), positions))

    full = frozenset(depths)
    return {arm: value(full) - value(full - {arm}) for arm in full}


def impression_labels(
    impression: Impression,
    grades: Mapping[int, float],
    score: Scorer,
    *,
    cost_weight: float,
    cost: CostOf,
    exact: Mapping[str, float] | None = None,
) -> list[DepthLabel]:
    """Every label that a search teaches, with one call of ``score`` (none where nothing satisfied).

    Decisions without context were not weighed (arms that always play, fixed policies) and teach nothing; nor does
    an arm that failed, whose page says nothing about its depths.

    Args:
        impression: What the search logged.
        grades: How much each ordinal satisfied, in (0, 1]; empty when nothing did.
        score: The ranker that orders the page again.
        cost_weight: As in `depth_labels`.
        cost: As in `depth_labels`.
        exact: By arm, the difference at the chosen depth, where it is known better than from the logged head.
    """
    failed = {outcome.retriever for outcome in impression.outcomes if outcome.status == "failed"}
    weighed = [arm for arm in impression.decision.arms if arm.context and arm.arm not in failed]
    head = RankedHead.of(impression, grades)
    differences = difference_rewards(head, {arm.arm: arm.depth for arm in weighed}, score)
    differences |= {arm: (*differences[arm][:-1], gap) for arm, gap in (exact or {}).items() if arm in differences}
    return [
        label
        for arm in weighed
        for label in depth_labels(arm, differences[arm.arm], cost_weight=cost_weight, cost=cost)
    ]
