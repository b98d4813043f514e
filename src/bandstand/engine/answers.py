"""What searching answers, over HTTP and on the command line, and how it is made from the engine's records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from bandstand.catalog.facets import FacetCount
from bandstand.engine.related import RelatedEntity
from bandstand.engine.request import HitExplanation, SearchResult
from bandstand.engine.suggest import Suggestion
from bandstand.models.registry import ModelRegistry
from bandstand.models.versions import ModelVersion
from bandstand.ranker.scorers import Scorer
from bandstand.types import (
    Condition,
    Decision,
    Entity,
    FieldValue,
    Hit,
    Impression,
    Kind,
    RetrieverOutcome,
    RetrieverStatus,
)
from bandstand.types.answers import Answer
from bandstand.understanding.records import Interpretation, Sense


class CorrectionAnswer(Answer):
    """What was searched for instead of what was typed (`showing`), or may have been meant (`suggest`).

    `confidence` is in (0, 1]; null where it is a query that people made before.
    """

    text: str
    typed: str
    mode: Literal["showing", "suggest"]
    confidence: float | None

    @classmethod
    def of(cls, impression: Impression) -> CorrectionAnswer | None:
        """Of a search: a remembered query before a guess; None where it was taken as typed."""
        query, found = impression.query, impression.query.correction
        if impression.corrected is not None and query.meant == query.normalized:
            return cls(text=impression.corrected, typed=query.normalized, mode="suggest", confidence=None)
        if found is None:
            return None
        return cls(text=found.text, typed=found.typed, mode=found.mode, confidence=found.confidence)


class QueryAnswer(Answer):
    """What was searched: `normalized` are the words of the `text` without its `conditions`."""

    text: str
    normalized: str
    corrected: CorrectionAnswer | None
    conditions: Annotated[tuple[Condition, ...] | UnsetType, Meta(description="Only where the text has some")] = UNSET

    @classmethod
    def of(cls, impression: Impression) -> QueryAnswer:
        """Of a search."""
        query = impression.query
        return cls(
            text=query.text,
            normalized=query.normalized,
            corrected=CorrectionAnswer.of(impression),
            conditions=query.conditions or UNSET,
        )


class SourceAnswer(Answer):
    """A retriever's own rank (from 1) and score of a hit."""

    rank: int
    score: float | None


class FoundAnswer(Answer, kw_only=True):
    """An entity in an answer; a score is only comparable within that answer. What is not known is left out or null."""

    entity_id: str
    kind: Kind
    title: str
    artists: tuple[str, ...]
    album: str | None
    year: int | None
    score: float
    url: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    duration: Annotated[float | UnsetType, Meta(description="Seconds")] = UNSET
    fields: dict[str, FieldValue] | UnsetType = UNSET


class HitAnswer(FoundAnswer):
    """One result; `position` counts from 1 over all pages."""

    position: int
    sources: dict[str, SourceAnswer]
    explain: HitExplanation | UnsetType = UNSET

    @classmethod
    def of(cls, hit: Hit, explanation: HitExplanation | UnsetType) -> HitAnswer:
        """Of a shown hit."""
        sources = {source.retriever: SourceAnswer(rank=source.rank, score=source.score) for source in hit.sources}
        described = _described(hit.entity, hit.score)
        return cls(**described, position=hit.position, sources=sources, explain=explanation)


class RetrieverAnswer(Answer):
    """One retriever: how deep it might go, how probable that choice was, and what came of it."""

    arm: str
    depth: int
    propensity: float
    candidates: int
    took_ms: float
    status: RetrieverStatus
    probabilities: Annotated[tuple[float, ...] | UnsetType, Meta(description="Of every depth; only with `explain`")] = (
        UNSET
    )


class DecisionAnswer(Answer):
    """What the policy decided; where an experiment chose the policy, which one, and with which probability."""

    policy: str
    version: str
    arms: list[RetrieverAnswer]
    experiment: str | UnsetType = UNSET
    assigned: float | UnsetType = UNSET

    @classmethod
    def of(cls, decision: Decision, outcomes: Sequence[RetrieverOutcome], *, probabilities: bool) -> DecisionAnswer:
        """Of what was decided and what came of it."""
        by_name = {outcome.retriever: outcome for outcome in outcomes}
        arms = [
            RetrieverAnswer(
                arm=arm.arm,
                depth=arm.depth,
                propensity=arm.propensity,
                candidates=by_name[arm.arm].candidates,
                took_ms=round(by_name[arm.arm].took_ms, 3),
                status=by_name[arm.arm].status,
                probabilities=(arm.probabilities if probabilities else ()) or UNSET,
            )
            for arm in decision.arms
        ]
        experiment, assigned = (decision.experiment, decision.assigned) if decision.experiment else (UNSET, UNSET)
        return cls(
            policy=decision.policy, version=decision.version, arms=arms, experiment=experiment, assigned=assigned
        )


class SenseAnswer(Answer):
    """Words read as one thing: P(meaning) before they are looked at, P(words | meaning), and what clicks made of it."""

    words: str
    slot: str
    value: str
    prior: float
    likelihood: float
    posterior: float
    edits: int

    @classmethod
    def of(cls, sense: Sense, words: Sequence[str]) -> SenseAnswer:
        """Of a sense of some of the query's words."""
        return cls(
            words=" ".join(words[sense.start : sense.end]),
            slot=sense.slot,
            value=sense.value,
            prior=sense.prior,
            likelihood=sense.likelihood,
            posterior=sense.posterior,
            edits=sense.edits,
        )


class ReadingAnswer(Answer):
    """One way to read the whole query; the probabilities of all sum to 1."""

    probability: float
    senses: list[SenseAnswer]

    @classmethod
    def every(cls, interpretation: Interpretation) -> list[ReadingAnswer]:
        """Every reading of a query, the likeliest first."""
        words = interpretation.words
        return [
            cls(probability=reading.probability, senses=[SenseAnswer.of(sense, words) for sense in reading.senses])
            for reading in interpretation.readings
        ]


class SectionAnswer(Answer):
    """The hits of one kind on a page, best first, and how likely the kind is what was meant, in [0, 1]."""

    kind: Kind
    likelihood: float
    hits: list[HitAnswer]


class RelatedEntityAnswer(FoundAnswer):
    """What goes with an entity: `score` is fused from what each of the `sources` says, all in [0, 1]."""

    sources: Mapping[str, float]

    @classmethod
    def every(cls, found: Sequence[RelatedEntity]) -> list[RelatedEntityAnswer]:
        """Related entities, best first."""
        return [cls(**_described(each.entity, each.score), sources=each.sources) for each in found]


class RelatedAnswer(Answer):
    """What goes with one entity, best first."""

    entity_id: str
    related: list[RelatedEntityAnswer]
    took_ms: float


class BesideAnswer(Answer):
    """What goes with the first hit and is not on the page; `to` is null where there is no hit."""

    to: str | None
    entities: list[RelatedEntityAnswer]


_Readings = Annotated[list[ReadingAnswer] | UnsetType, Meta(description="Only with `explain`; the likeliest first")]
_Facets = Annotated[
    Mapping[str, tuple[FacetCount, ...]] | UnsetType, Meta(description="Only where asked for, on the first page")
]
_Sections = Annotated[list[SectionAnswer] | UnsetType, Meta(description="Only with `sections`: the same hits by kind")]


class SearchAnswer(Answer):
    """A page of a search."""

    query_id: str
    query: QueryAnswer
    hits: list[HitAnswer]
    decision: DecisionAnswer
    took_ms: float
    related: Annotated[BesideAnswer | UnsetType, Meta(description="Only with `related`")] = UNSET
    sections: _Sections = UNSET
    readings: _Readings = UNSET
    facets: _Facets = UNSET

    @classmethod
    def of(
        cls, result: SearchResult, *, explain: bool = False, related: BesideAnswer | UnsetType = UNSET
    ) -> SearchAnswer:
        """Of a searched page; with ``explain`` also the readings, and the probabilities of every depth."""
        impression = result.impression
        explanations: Sequence[HitExplanation | UnsetType] = result.explanations or (UNSET,) * len(result.hits)
        hits = {hit.position: HitAnswer.of(hit, why) for hit, why in zip(result.hits, explanations, strict=True)}
        sections: list[SectionAnswer] | UnsetType = UNSET
        if result.sections is not None:
            sections = [
                SectionAnswer(kind=one.kind, likelihood=one.likelihood, hits=[hits[hit.position] for hit in one.hits])
                for one in result.sections
            ]
        return cls(
            query_id=impression.query.id,
            query=QueryAnswer.of(impression),
            hits=list(hits.values()),
            decision=DecisionAnswer.of(impression.decision, impression.outcomes, probabilities=explain),
            took_ms=round(result.took_ms, 3),
            related=related,
            sections=sections,
            readings=UNSET if result.reading is None else ReadingAnswer.every(result.reading),
            facets=result.facets or UNSET,
        )


class LoggedHitAnswer(Answer):
    """A hit as it was logged."""

    position: int
    entity_id: str
    score: float


class LoggedAnswer(Answer):
    """A search as it was logged: its first page, and the models that made it. `time` is in seconds since 1970."""

    query_id: str
    query: QueryAnswer
    time: float
    hits: list[LoggedHitAnswer]
    decision: DecisionAnswer
    models: Mapping[str, str]
    took_ms: float

    @classmethod
    def of(cls, impression: Impression) -> LoggedAnswer:
        """Of what was logged."""
        shown = range(impression.query.offset, impression.query.offset + impression.shown)
        ids, scores = impression.entity_ids, impression.scores.tolist()
        return cls(
            query_id=impression.query.id,
            query=QueryAnswer.of(impression),
            time=impression.query.time,
            hits=[LoggedHitAnswer(position=at + 1, entity_id=ids[at], score=scores[at]) for at in shown],
            decision=DecisionAnswer.of(impression.decision, impression.outcomes, probabilities=True),
            models=impression.models,
            took_ms=round(impression.took_ms, 3),
        )


class SuggestAnswer(Answer):
    """Completions, best first."""

    query: str
    suggestions: list[Suggestion]


class VersionAnswer(Answer):
    """One version of a model; times are in seconds since 1970."""

    version: str
    created: float
    metrics: Mapping[str, float]
    data_range: tuple[float, float] | None
    feature_hash: str
    parent: str | None

    @classmethod
    def of(cls, version: ModelVersion) -> VersionAnswer:
        """Of a published version."""
        card = version.card
        return cls(
            version=version.version,
            created=version.created,
            metrics=card.metrics,
            data_range=card.data_range,
            feature_hash=card.feature_hash,
            parent=card.parent,
        )


class ModelAnswer(Answer):
    """A model: which version serves, whether it is pinned, why another one was refused, and all versions."""

    current: str | None
    pinned: bool
    refused: str | None
    versions: list[VersionAnswer]

    @classmethod
    def of(cls, registry: ModelRegistry, name: str, refused: Mapping[str, str]) -> ModelAnswer:
        """Of a model by name, versions newest first; ``refused`` says by name why one could not be loaded."""
        pointer = registry.pointer(name)
        return cls(
            current=pointer.current if pointer else None,
            pinned=bool(pointer and pointer.pinned),
            refused=refused.get(name),
            versions=[VersionAnswer.of(version) for version in reversed(registry.list(name))],
        )


class ModelsAnswer(Answer):
    """The models."""

    ranker: ModelAnswer
    bandit: ModelAnswer
    abstention: ModelAnswer
    reward: ModelAnswer
    generator: ModelAnswer

    @classmethod
    def of(cls, registry: ModelRegistry, refused: Mapping[str, str]) -> ModelsAnswer:
        """Of everything that a registry holds."""
        return cls(**{name: ModelAnswer.of(registry, name, refused) for name in cls.__struct_fields__})


def _described(entity: Entity, score: float) -> dict[str, Any]:
    """The fields of a `FoundAnswer`."""
    return {
        "entity_id": entity.id,
        "kind": entity.kind,
        "title": entity.title,
        "artists": entity.artists,
        "album": entity.album,
        "year": entity.year,
        "score": score,
        "url": entity.url or UNSET,
        "image": entity.image or UNSET,
        "duration": UNSET if entity.duration is None else entity.duration,
        "fields": {each.name: each.value for each in entity.fields} or UNSET,
    }


def explain(impression: Impression, hits: Sequence[Hit], scorer: Scorer) -> tuple[HitExplanation, ...]:
    """One explanation for each hit of a page; contributions only if ``scorer`` is the one that gave the scores.

    Of a hit further down than features were logged there is nothing to say.
    """
    rows = impression.features[[hit.position - 1 for hit in hits if hit.position <= len(impression.features)]]
    parts: list[tuple[dict[str, float], float | None]] = [({}, None) for _ in rows]
    if len(rows) and scorer.version == impression.models["ranker"] and scorer.layout.names == impression.feature_names:
        parts = [_parts(row, scorer.layout.names) for row in scorer.contributions(rows).tolist()]
    found = [
        HitExplanation(
            features={name: _number(value) for name, value in zip(impression.feature_names, row, strict=True)},
            contributions=dict(sorted(contributions.items(), key=lambda item: -abs(item[1]))),
            bias=bias,
        )
        for row, (contributions, bias) in zip(rows.tolist(), parts, strict=True)
    ]
    return (*found, *(HitExplanation(features={}, contributions={}, bias=None) for _ in hits[len(found) :]))


def _parts(row: list[float], names: Sequence[str]) -> tuple[dict[str, float], float | None]:
    """Contributions by feature name, and the constant part, which is last."""
    return dict(zip(names, row[:-1], strict=True)), row[-1]


def _number(value: float) -> float | None:
    """JSON has no NaN: what is missing is null."""
    return None if math.isnan(value) else value
