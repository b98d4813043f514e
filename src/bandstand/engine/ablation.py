"""A search's pages with and without each expensive retriever, ranked from one answer in which all of them played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.policy import Teacher
from bandstand.catalog.columns import Columns
from bandstand.engine.search import Answer, Engine
from bandstand.feedback.ablation import SHOWN, Ablation, Played, choices
from bandstand.ranker.base import Scorer
from bandstand.ranker.features import limit_arm
from bandstand.ranker.fold import fold
from bandstand.types import ArmDecision, Decision, Impression, Mask, Matrix, Ordinals, Query

_SUFFIX = "/ablation"


def ablate(engine: Engine, query: Query, columns: Columns, scorer: Scorer, shown: Impression | None = None) -> Ablation:
    """Ask every arm, and rank what each choice of expensive arms would have brought.

    Exact up to the retrievers' own state: no feature depends on which other arms played, and all candidates are ranked
    again, not only the logged ones. Some 30 ms: not for the time in which somebody waits.

    Args:
        engine: Answers with all arms; nothing is logged.
        query: What was asked.
        columns: Of the catalogue, at least as new as the answer.
        scorer: The ranker of every page.
        shown: The page that the person saw: its recordings keep the ids that they have there, since two releases of
            one recording are one hit, and either may stand for it.
    """
    answer = engine.answer(replace(query, id=query.id + _SUFFIX), Teacher())
    whole = answer.head.whole
    ranked = subset_pages(whole.features, answer.impression.feature_names, whole.ordinals, columns, scorer)
    named = _named(answer, columns, shown)
    pages = {played: tuple(named(int(ordinal)) for ordinal in ordinals.tolist()) for played, ordinals in ranked.items()}
    context, yields = seen_before(answer.impression.decision)
    return Ablation(
        query_id=query.id, arms=EXPENSIVE, pages=pages, context=context, yields=yields, ranker=scorer.version
    )


def subset_pages(
    features: Matrix, names: tuple[str, ...], ordinals: Ordinals, columns: Columns, scorer: Scorer
) -> dict[Played, Ordinals]:
    """The first `SHOWN` ordinals, duplicates folded, of every choice of expensive arms; one call of the ranker.

    Args:
        features: float32 (m, f) of candidates that every arm was asked for.
        names: Of the f features.
        ordinals: int32 (m,).
        columns: Knows which ordinals are the same recording.
        scorer: The ranker.
    """
    able = frozenset(arm for arm in EXPENSIVE if (features[:, names.index(f"{arm}.rr")] > 0).any())
    cut = {played: _without(features, names, played) for played in choices(able)}
    rows = {played: np.flatnonzero(kept) for played, (_, kept) in cut.items()}
    scores = scorer.score(np.concatenate([limited[rows[played]] for played, (limited, _) in cut.items()]))
    found: dict[Played, Ordinals] = {}
    start = 0  # an arm that found nothing changes no page, so that only the others' choices are ranked
    for played, at in rows.items():
        own, mine = ordinals[at], scores[start : start + len(at)]
        start += len(at)
        found[played] = own[fold(own, mine, columns.fold_key[own])[:SHOWN]]
    return {played: found[played & able] for played in choices(EXPENSIVE)}


def seen_before(decision: Decision) -> tuple[tuple[tuple[str, float], ...], Mapping[str, float]]:
    """What the first expensive arm's decision saw, and each expensive arm's past yield."""
    arms: Mapping[str, ArmDecision] = {arm.arm: arm for arm in decision.arms if arm.arm in EXPENSIVE}
    yields = {name: dict(arm.context).get("arm_yield", 0.5) for name, arm in arms.items()}
    return (arms[EXPENSIVE[0]].context if EXPENSIVE[0] in arms else ()), yields


def _without(features: Matrix, names: tuple[str, ...], played: Played) -> tuple[Matrix, Mask]:
    kept: NDArray[np.bool_] = np.ones(len(features), np.bool_)
    for arm in EXPENSIVE:
        if arm not in played:
            features, kept = limit_arm(features, names, arm)
    return features, kept


def _named(answer: Answer, columns: Columns, shown: Impression | None) -> Callable[[int], str]:
    """Entity ids of ordinals; a recording that was shown has the id by which it was."""
    page = answer.impression if shown is None else shown
    ordinals = page.ordinals[page.ordinals < columns.n]
    by_key = dict(zip(columns.fold_key[ordinals].tolist(), columns.ids[ordinals].tolist(), strict=True))
    return lambda ordinal: str(by_key.get(int(columns.fold_key[ordinal]), columns.ids[ordinal]))
