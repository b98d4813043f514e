"""Why a hit stands where it stands: the logged features and what each added to the score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bandstand.engine.request import HitExplanation
from bandstand.ranker.base import Scorer
from bandstand.types import Hit, Impression


def explain(impression: Impression, hits: Sequence[Hit], scorer: Scorer) -> tuple[HitExplanation, ...]:
    """One explanation for each hit of a page; contributions only if ``scorer`` is the one that gave the scores."""
    rows = impression.features[[hit.position - 1 for hit in hits]]
    parts: list[tuple[dict[str, float], float | None]] = [({}, None) for _ in hits]
    if hits and scorer.version == impression.models["ranker"] and scorer.names == impression.feature_names:
        parts = [_parts(row, scorer.names) for row in scorer.contributions(rows).tolist()]
    return tuple(
        HitExplanation(
            entity_id=hit.entity.id,
            features={name: _number(value) for name, value in zip(impression.feature_names, row, strict=True)},
            contributions=contributions,
            bias=bias,
        )
        for hit, row, (contributions, bias) in zip(hits, rows.tolist(), parts, strict=True)
    )


def _parts(row: list[float], names: Sequence[str]) -> tuple[dict[str, float], float | None]:
    """Contributions by feature name, and the constant part, which is last."""
    return dict(zip(names, row[:-1], strict=True)), row[-1]


def _number(value: float) -> float | None:
    """JSON has no NaN: what is missing is null."""
    return None if math.isnan(value) else value
