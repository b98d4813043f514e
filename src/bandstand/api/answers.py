"""The shapes of the answers as OpenAPI describes them; those of a search are in `search_answers`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from bandstand.types import Kind

Nothing = SkipJsonSchema[None]
"""A field of this or another type is left out where there is nothing to say; it is never null."""


class Answer(BaseModel):
    """An answer, or a part of one: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class ArmCostAnswer(Answer):
    """A retriever: milliseconds of one call as measured lately, and the share of searches in which it was of use."""

    arm: str
    cost_ms: float
    past_yield: float


class ArmsAnswer(Answer):
    """What a search may choose from: retrievers, cheapest first, the depths of each, and policies by name."""

    arms: list[ArmCostAnswer]
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
    abstention: ModelAnswer
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
    """The home is loaded."""

    status: str
    entities: int
