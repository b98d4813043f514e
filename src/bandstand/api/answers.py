"""The shapes of the answers, as OpenAPI describes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from bandstand.engine.suggest import SuggestionSource
from bandstand.types import Kind, RetrieverStatus

Nothing = SkipJsonSchema[None]
"""A field of this or another type is left out where there is nothing to say; it is never null."""


class Answer(BaseModel):
    """An answer, or a part of one: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class ColourAnswer(Answer):
    """CSS colours, on light and on dark pages."""

    light: str
    dark: str


class ArmAnswer(Answer):
    """A retriever: what it finds, milliseconds of one call as measured lately, and its share of useful searches.

    `expensive` says whether it is decided about in each search, `answers_query` whether what it finds depends on what
    was typed.
    """

    arm: str
    title: str
    colour: ColourAnswer
    cost_ms: float
    past_yield: float
    expensive: bool
    answers_query: bool


class ArmsAnswer(Answer):
    """What a search may choose from: retrievers in the order in which they are decided about, depths, policies by name.

    `features` are what the ranker sees of each hit, by name, in words.
    """

    arms: list[ArmAnswer]
    features: dict[str, str]
    depths: list[int]
    policies: list[str]
    default_policy: str


class RejectedEventAnswer(Answer):
    """An event that was not accepted: its place in the request, from 0, and why."""

    index: int
    reason: str


class EventsAnswer(Answer):
    """What became of the events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEventAnswer]
    learned: bool | Nothing = Field(None, description="Only with `wait`: whether that was reached in time")


class EntityAnswer(Answer):
    """An entity; fields that are not set are left out."""

    id: str
    kind: Kind
    title: str
    artists: list[str] | Nothing = None
    album: str | Nothing = None
    aliases: list[str] | Nothing = None
    attributes: dict[str, dict[str, float]] | Nothing = None
    popularity: float | Nothing = None
    released: str | Nothing = None
    members: list[str] | Nothing = None


class RejectedLineAnswer(Answer):
    """A line that was not accepted: its number, from 1, and why."""

    line: int
    reason: str


class BulkAnswer(Answer):
    """What became of the entities; `changed` of those accepted were new or other than before."""

    accepted: int
    changed: int
    rejected: list[RejectedLineAnswer]
    searchable: bool | Nothing = Field(None, description="Only with `wait`: whether that was reached in time")


class SynonymsAnswer(Answer):
    """The operator's synonyms, an entry a line."""

    synonyms: list[str]


class SynonymChangeAnswer(Answer):
    """One change of the synonyms: when, what, and when it was undone."""

    id: str
    time: float
    action: Literal["add", "remove"]
    line: str
    undoes: str | None
    undone: float | None


class SynonymChangesAnswer(Answer):
    """Every change of the synonyms, newest first."""

    changes: list[SynonymChangeAnswer]


class DeletedAnswer(Answer):
    """How many logged records of a user there were."""

    impressions: int
    events: int


class ForgottenAnswer(Answer):
    """A user is forgotten."""

    user_id: str
    deleted: DeletedAnswer


class VersionAnswer(Answer):
    """One version of a model; times are in seconds since 1970."""

    version: str
    created: float
    metrics: dict[str, float]
    data_range: list[float] | None
    feature_hash: str
    parent: str | None


class ModelAnswer(Answer):
    """A model: which version serves, whether it is pinned, why another one was refused, and all versions."""

    current: str | None
    pinned: bool
    refused: str | None
    versions: list[VersionAnswer]


class ModelsAnswer(Answer):
    """The models."""

    ranker: ModelAnswer
    bandit: ModelAnswer
    gate: ModelAnswer
    reward: ModelAnswer
    generator: ModelAnswer


class ServingAnswer(Answer):
    """Which version serves now; a pinned one until somebody promotes another."""

    model: str
    current: str
    pinned: bool


class AliveAnswer(Answer):
    """The process answers."""

    status: str


class ReadyAnswer(Answer):
    """The home is loaded; `parked` log entries, where there are any, could not be learned from."""

    status: str
    entities: int
    parked: int | Nothing = None


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


class RetrieverAnswer(Answer):
    """One retriever: how deep it might go, how probable that choice was, and what came of it."""

    arm: str
    depth: int
    propensity: float
    candidates: int
    took_ms: float
    status: RetrieverStatus
    probabilities: list[float] | Nothing = Field(None, description="Of every depth; only with `explain`")


class DecisionAnswer(Answer):
    """What the policy decided; where an experiment chose the policy, which one, and with which probability."""

    policy: str
    version: str
    arms: list[RetrieverAnswer]
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
