"""The engine's records as the JSON that HTTP and the command line answer with, and why a hit stands where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bandstand.engine.related import RelatedEntity
from bandstand.engine.request import HitExplanation, SearchResult
from bandstand.models.registry import MODEL_NAMES, ModelRegistry, ModelVersion
from bandstand.ranker.scorers import Scorer
from bandstand.types import Decision, Entity, Hit, Impression
from bandstand.understanding.records import Interpretation, Sense


def explain(impression: Impression, hits: Sequence[Hit], scorer: Scorer) -> tuple[HitExplanation, ...]:
    """One explanation for each hit of a page; contributions only if ``scorer`` is the one that gave the scores."""
    rows = impression.features[[hit.position - 1 for hit in hits]]
    parts: list[tuple[dict[str, float], float | None]] = [({}, None) for _ in hits]
    if hits and scorer.version == impression.models["ranker"] and scorer.layout.names == impression.feature_names:
        parts = [_parts(row, scorer.layout.names) for row in scorer.contributions(rows).tolist()]
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


Json = dict[str, Any]


def search_json(result: SearchResult, *, explain: bool = False) -> Json:
    """The answer of `POST /v1/search`; with ``explain`` also the readings, and the probabilities of every depth."""
    impression = result.impression
    explained = {item.entity_id: _explanation_json(item) for item in result.explanations}
    hits = {hit.position: _hit_json(hit, explained.get(hit.entity.id)) for hit in result.hits}
    answer: Json = {
        **_head(impression),
        "hits": list(hits.values()),
        "decision": decision_json(impression, probabilities=explain),
        "took_ms": round(result.took_ms, 3),
    }
    if result.sections is not None:
        answer["sections"] = [
            {"kind": each.kind, "likelihood": each.likelihood, "hits": [hits[hit.position] for hit in each.hits]}
            for each in result.sections
        ]
    if result.reading is not None:
        answer["readings"] = _readings_json(result.reading)
    if result.facets:
        answer["facets"] = {name: [asdict(count) for count in counts] for name, counts in result.facets.items()}
    return answer


def _readings_json(interpretation: Interpretation) -> list[Json]:
    """Every reading of a query, the likeliest first, and how likely each of its parts was made out to be."""
    return [
        {"probability": reading.probability, "senses": [_sense_json(sense, interpretation) for sense in reading.senses]}
        for reading in interpretation.readings
    ]


def _sense_json(sense: Sense, interpretation: Interpretation) -> Json:
    return {
        "words": " ".join(interpretation.words[sense.start : sense.end]),
        "slot": sense.slot,
        "value": sense.value,
        "prior": sense.prior,
        "likelihood": sense.likelihood,
        "posterior": sense.posterior,
        "edits": sense.edits,
    }


def impression_json(impression: Impression) -> Json:
    """The answer of `GET /v1/queries/{query_id}`: what was logged."""
    shown = range(impression.query.offset, impression.query.offset + impression.shown)
    hits = [
        {"position": place + 1, "entity_id": impression.entity_ids[place], "score": float(impression.scores[place])}
        for place in shown
    ]
    return {
        **_head(impression),
        "time": impression.query.time,
        "hits": hits,
        "decision": decision_json(impression, probabilities=True),
        "models": dict(impression.models),
        "took_ms": round(impression.took_ms, 3),
    }


def decision_json(impression: Impression, *, probabilities: bool) -> Json:
    """Which arms played, how deep, with which probability, and what came of it."""
    decision: Decision = impression.decision
    outcomes = {outcome.retriever: outcome for outcome in impression.outcomes}
    arms: list[Json] = []
    for arm in decision.arms:
        outcome = outcomes[arm.arm]
        entry: Json = {
            "arm": arm.arm,
            "depth": arm.depth,
            "propensity": arm.propensity,
            "candidates": outcome.candidates,
            "took_ms": round(outcome.took_ms, 3),
            "status": outcome.status,
        }
        if probabilities and arm.probabilities:
            entry["probabilities"] = list(arm.probabilities)
        arms.append(entry)
    answer: Json = {"policy": decision.policy, "version": decision.version, "arms": arms}
    if decision.experiment:
        answer |= {"experiment": decision.experiment, "assigned": decision.assigned}
    return answer


def related_json(found: Sequence[RelatedEntity]) -> list[Json]:
    """Related entities, best first."""
    return [{**_entity_json(each.entity), "score": each.score, "sources": dict(each.sources)} for each in found]


def _head(impression: Impression) -> Json:
    query = impression.query
    corrected = correction_json(impression)
    return {
        "query_id": query.id,
        "query": {"text": query.text, "normalized": query.normalized, "corrected": corrected},
    }


def correction_json(impression: Impression) -> Json | None:
    """What was searched for instead of what was typed, or may have been meant: a remembered query before a guess."""
    query, correction = impression.query, impression.query.correction
    if impression.corrected is not None and query.meant == query.normalized:
        return {"text": impression.corrected, "typed": query.normalized, "mode": "suggest", "confidence": None}
    if correction is None:
        return None
    return {
        "text": correction.text,
        "typed": correction.typed,
        "mode": correction.mode,
        "confidence": correction.confidence,
    }


def _hit_json(hit: Hit, explained: Json | None) -> Json:
    answer: Json = {
        "position": hit.position,
        **_entity_json(hit.entity),
        "score": hit.score,
        "sources": {source.retriever: {"rank": source.rank, "score": source.score} for source in hit.sources},
    }
    if explained is not None:
        answer["explain"] = explained
    return answer


def _entity_json(entity: Entity) -> Json:
    return {
        "entity_id": entity.id,
        "kind": entity.kind,
        "title": entity.title,
        "artists": list(entity.artists),
        "album": entity.album,
        "year": entity.year,
    }


def _explanation_json(explanation: HitExplanation) -> Json:
    contributions: Mapping[str, float] = explanation.contributions
    ordered = dict(sorted(contributions.items(), key=lambda item: -abs(item[1])))
    return {"features": dict(explanation.features), "contributions": ordered, "bias": explanation.bias}


def models_json(registry: ModelRegistry, refused: Mapping[str, str]) -> Json:
    """Versions by model, newest first, with which one serves; ``refused`` says why one could not be loaded."""
    answer: Json = {}
    for name in MODEL_NAMES:
        pointer = registry.pointer(name)
        answer[name] = {
            "current": pointer.current if pointer else None,
            "pinned": bool(pointer and pointer.pinned),
            "refused": refused.get(name),
            "versions": [_version_json(version) for version in reversed(registry.list(name))],
        }
    return answer


def _version_json(version: ModelVersion) -> Json:
    """One model version as JSON."""
    return {
        "version": version.version,
        "created": version.created,
        "metrics": dict(version.card.metrics),
        "data_range": list(version.card.data_range) if version.card.data_range else None,
        "feature_hash": version.card.feature_hash,
        "parent": version.card.parent,
    }
