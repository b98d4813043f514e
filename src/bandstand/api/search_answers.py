"""The shapes of what a search answers with: hits, readings, facets, the decision; completions; related entities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bandstand.api.answers import Answer, Nothing
from bandstand.engine.suggest import SuggestionSource
from bandstand.types import ArmStatus, Kind


class CorrectionAnswer(Answer):
    """What was searched for instead of what was typed (`showing`), or may have been meant (`suggest`).

    `confidence` is in (0, 1]; null where it is a query that people made before.
    """

    text: str
    typed: str
    mode: Literal["showing", "suggest"]
    confidence: float | None


class QueryAnswer(Answer):
    """What was searched."""

    text: str
    normalized: str
    corrected: CorrectionAnswer | None


class SourceAnswer(Answer):
    """A retriever's own rank (from 1) and score of a hit."""

    rank: int
    score: float | None


class ExplainAnswer(Answer):
    """Feature values (null: missing) and what each added to the score; `bias` is the constant part.

    Without contributions, and with a bias of null, where another ranker serves by now than made the page.
    """

    features: dict[str, float | None]
    contributions: dict[str, float]
    bias: float | None


class FoundAnswer(Answer):
    """An entity in an answer; a score is only comparable within that answer."""

    entity_id: str
    kind: Kind
    title: str
    artists: list[str]
    album: str | None
    year: int | None
    score: float


class HitAnswer(FoundAnswer):
    """One result; `position` counts from 1 over all pages."""

    position: int
    sources: dict[str, SourceAnswer]
    explain: ExplainAnswer | Nothing = None


class ArmAnswer(Answer):
    """One retriever: how deep it might go, how probable that choice was, and what came of it."""

    arm: str
    depth: int
    propensity: float
    candidates: int
    took_ms: float
    status: ArmStatus
    probabilities: list[float] | Nothing = Field(None, description="Of every depth; only with `explain`")


class DecisionAnswer(Answer):
    """What the policy decided; where an experiment chose the policy, which one, and with which probability."""

    policy: str
    version: str
    arms: list[ArmAnswer]
    experiment: str | Nothing = None
    assigned: float | Nothing = None


class SenseAnswer(Answer):
    """Words read as one thing: P(meaning) before they are looked at, P(words | meaning), and what clicks made of it."""

    words: str
    slot: str
    value: str
    prior: float
    likelihood: float
    posterior: float
    edits: int


class ReadingAnswer(Answer):
    """One way to read the whole query; the probabilities of all sum to 1."""

    probability: float
    senses: list[SenseAnswer]


class FacetAnswer(Answer):
    """A value: `count` of the found entities have it, and `total` of all that kinds and filters allow."""

    value: str
    count: int
    total: int


class SectionAnswer(Answer):
    """The hits of one kind on a page, best first, and how likely the kind is what was meant, in [0, 1]."""

    kind: Kind
    likelihood: float
    hits: list[HitAnswer]


class RelatedEntityAnswer(FoundAnswer):
    """What goes with an entity: `score` is fused from what each of the `sources` says, all in [0, 1]."""

    sources: dict[str, float]


class RelatedAnswer(Answer):
    """What goes with one entity, best first."""

    entity_id: str
    related: list[RelatedEntityAnswer]
    took_ms: float


class BesideAnswer(Answer):
    """What goes with the first hit and is not on the page; `to` is null where there is no hit."""

    to: str | None
    entities: list[RelatedEntityAnswer]


class SearchAnswer(Answer):
    """A page of a search."""

    query_id: str
    query: QueryAnswer
    hits: list[HitAnswer]
    related: BesideAnswer | Nothing = Field(None, description="Only with `related`")
    sections: list[SectionAnswer] | Nothing = Field(None, description="Only with `sections`: the same hits by kind")
    decision: DecisionAnswer
    took_ms: float
    readings: list[ReadingAnswer] | Nothing = Field(None, description="Only with `explain`; the likeliest first")
    facets: dict[str, list[FacetAnswer]] | Nothing = Field(None, description="Only where asked for, on the first page")


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
    models: dict[str, str]
    took_ms: float


class SuggestionAnswer(Answer):
    """One completion; `entity_id` is null where it is a query that people made.

    `source`: this visitor chose it before, several people asked it, or it is a name of the catalogue.
    """

    text: str
    entity_id: str | None
    source: SuggestionSource


class SuggestAnswer(Answer):
    """Completions, best first."""

    query: str
    suggestions: list[SuggestionAnswer]
