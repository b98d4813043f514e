"""Bodies of requests, checked; unknown fields are errors, so that a misspelt one is never silently ignored."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bandstand.engine.filters import FILTER_SCHEMA, filters_of
from bandstand.engine.request import MAX_QUERY_CHARS, SearchRequest
from bandstand.errors import BadInput
from bandstand.types import KINDS, LOGGED_DEPTH, Filters, Kind
from bandstand.types.actions import ACTION_NAMES

MAX_ID = 100
"""Characters of a user's, session's or query's id; UBI's limit."""

MAX_FACETS = 20
"""Facets of one search."""

FacetName = Annotated[str, StringConstraints(min_length=1, max_length=100)]

Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_ID)]


class SearchBody(BaseModel):
    """`POST /v1/search`."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(max_length=MAX_QUERY_CHARS)]
    k: Annotated[int, Field(ge=1, le=LOGGED_DEPTH)] = 10
    offset: Annotated[int, Field(ge=0, lt=LOGGED_DEPTH)] = 0
    query_id: Id | None = Field(None, description="Of an earlier answer: its next page, from the same ranking")
    user_id: Id | None = None
    session_id: Id | None = None
    kinds: Annotated[list[Kind], Field(max_length=len(KINDS))] | None = None
    filters: Annotated[dict[str, Any], Field(json_schema_extra=FILTER_SCHEMA)] | None = None
    policy: Annotated[str, Field(max_length=64)] | None = Field(
        None,
        description="bandit (the default, unless the server is set otherwise), selective, all, lexical, dense, memory, "
        "hybrid",
    )
    explain: bool = False
    preview: bool = Field(False, description="Answer without logging: for results while somebody is still typing")
    facets: Annotated[list[FacetName], Field(max_length=MAX_FACETS)] | None = Field(
        None, description="kind, year, or attributes: how many of what was found have each value"
    )
    correct: bool = Field(True, description="False: answer what was typed, whatever it may be a slip for")
    mix: bool | None = Field(None, description="Mix kinds by likelihood; by default as the server is set")
    sections: bool = Field(False, description="Lay the page out by kind, the likeliest kind first")
    sort: Annotated[str, Field(max_length=200)] | None = Field(
        None,
        description="The most relevant hits in the order of a field, e.g. popularity:desc; by default by relevance",
    )
    related: bool = Field(False, description="Also what goes with the first hit, as a block of its own")
    locale: Annotated[str, Field(max_length=35)] | None = None

    def to_request(self) -> SearchRequest:
        """The engine's request."""
        return SearchRequest(
            **{name: getattr(self, name) for name in _AS_ASKED},
            kinds=tuple(self.kinds or ()),
            filters=filters_of(self.filters or {}),
            facets=tuple(dict.fromkeys(self.facets or ())),
        )


_AS_ASKED = tuple(SearchBody.model_fields.keys() - {"kinds", "filters", "facets", "related"})
"""Fields that the engine's request has too."""


FilterText = Annotated[str, Field(max_length=4_000, description="`filters` as those of a search, as JSON")]


def read_filters(text: str) -> Filters:
    """Filters from a query string.

    Raises:
        BadInput: they are not JSON, or no filters.
    """
    try:
        raw = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as cause:
        raise BadInput(f"filters is not JSON: {cause}", field="filters") from cause
    if not isinstance(raw, dict):
        raise BadInput('filters must be a JSON object such as {"genre": ["jazz"]}', field="filters")
    return filters_of(raw)


class SuggestQuery(BaseModel):
    """The parameters of `GET /v1/suggest`."""

    q: Annotated[str, Field(max_length=200)] = ""
    k: Annotated[int, Field(ge=1, le=50)] = 8
    kinds: Annotated[list[Kind], Field(max_length=len(KINDS))] = []
    filters: FilterText = ""
    user_id: Annotated[str | None, Field(max_length=MAX_ID)] = None
    session_id: Annotated[str | None, Field(max_length=MAX_ID)] = None


MAX_SYNONYM = 2_000
"""Characters of one line of the synonym table."""


class SynonymBody(BaseModel):
    """`POST /v1/synonyms`."""

    model_config = ConfigDict(extra="forbid")

    line: Annotated[str, Field(min_length=1, max_length=MAX_SYNONYM)] = Field(
        description="'phrase, phrase -> slot:value 0.8' or 'phrase = phrase'"
    )


JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT}


def _body(**schemas: JsonSchema) -> JsonSchema:
    """A request body that a route reads by itself, by media type (``json``, ``x_ndjson``), in OpenAPI's terms."""
    content = {f"application/{name.replace('_', '-')}": {"schema": schema} for name, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


_EVENT: JsonSchema = {
    "type": "object",
    "required": ["action_name"],
    "properties": {
        "action_name": {**_TEXT, "description": f"{ACTION_NAMES}; others are stored and ignored"},
        "event_id": {**_TEXT, "description": "Makes a repeat harmless; default: a hash of the event"},
        "query_id": {**_TEXT, "description": "The search, as its answer named it"},
        "user_id": _TEXT,
        "session_id": _TEXT,
        "user_query": {**_TEXT, "description": "What was searched, where there is no query_id"},
        "timestamp": {**_TEXT, "description": "ISO 8601; default: now"},
        "event_attributes": {
            "type": "object",
            "description": "object.object_id is the entity, position.ordinal its position, play_seconds a number",
        },
    },
}

EVENTS_BODY = _body(
    json={"anyOf": [_EVENT, {"type": "array", "items": _EVENT}]},
    x_ndjson={**_TEXT, "description": "One event a line"},
)

_ENTITY: JsonSchema = {
    "kind": {"enum": list(KINDS)},
    "title": _TEXT,
    "artists": _TEXTS,
    "album": _TEXT,
    "aliases": _TEXTS,
    "attributes": {
        "type": "object",
        "description": 'Name to values and their confidences in (0, 1], e.g. {"genre": {"jazz": 0.9}}',
    },
    "popularity": {"type": "number", "minimum": 0, "maximum": 1},
    "released": {**_TEXT, "description": "YYYY, YYYY-MM or YYYY-MM-DD"},
    "members": {**_TEXTS, "description": "Ids, in order"},
    "url": {**_TEXT, "description": "Where it can be played or read about: http, https, or a path of this site"},
    "image": {**_TEXT, "description": "A picture of it, likewise"},
    "duration": {"type": "number", "minimum": 0, "description": "Seconds"},
    "fields": {"type": "object", "description": "Your own: texts, numbers, true, false, lists of texts"},
}

ENTITY_BODY = _body(json={"type": "object", "required": ["kind", "title"], "properties": _ENTITY})

PATCH_BODY = _body(
    json={
        "type": "object",
        "properties": {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in _ENTITY.items()},
        "description": "Only what is to change; null takes a field away",
    }
)

BULK_BODY = _body(x_ndjson={**_TEXT, "description": "One entity with its `id` a line"})
