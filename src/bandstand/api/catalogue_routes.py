"""Routes of many entities: all of them part by part, changed in part, deleted by ids and by filters, and bulk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from msgspec import UNSET, Meta, UnsetType
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from bandstand.api.access import CallerOf
from bandstand.api.routing import ENTITY, EntityId, JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import BULK_BODY, PATCH_BODY, FilterText, read_filters
from bandstand.api.service import Service
from bandstand.app.searching import SearchingSide
from bandstand.catalog.codec import EntityAnswer, entity_from_json, entity_to_json
from bandstand.catalog.conditions import Scope
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.ndjson import row_of
from bandstand.catalog.store import CHUNK
from bandstand.engine.filters import FILTER_SCHEMA, filters_of
from bandstand.errors import BadInput
from bandstand.types import KINDS, Kind, Ordinals
from bandstand.types.answers import Answer

router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))

BULK = "/v1/entities/bulk"
"""The path whose body is read as it comes, of any length."""

MAX_IDS = 10_000
"""Ids of one deletion."""

MAX_LEVELS = 20
"""Objects inside each other in a patch."""

MAX_PAGE = 1_000
"""Entities of one part."""

_SHOWN_REJECTED = 1_000

Kinds = Annotated[list[Kind] | None, Query(max_length=len(KINDS))]


class EntitiesAnswer(Answer):
    """A part of all entities; `next` is the cursor of the part after it, left out with the last one."""

    entities: list[EntityAnswer]
    next: str | UnsetType = UNSET


@router.get("", summary="All entities, part by part", responses=answered(EntitiesAnswer))
def list_entities(
    service: ServiceOf,
    caller: CallerOf,
    after: Annotated[str, Query(max_length=20, description="`next` of the part before")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    kinds: Kinds = None,
    filters: FilterText = "",
) -> JsonAnswer:
    """In the order in which they first came in; what is added meanwhile comes at the end, nothing comes twice."""
    if after and not (after.isascii() and after.isdigit()):
        raise BadInput(f"after must be what `next` said, not {after!r}", field="after")
    home = service.home
    within = Scope(kinds=tuple(kinds or ()), filters=read_filters(filters), bound=caller.within)
    ordinals = _within(home, within)
    left = ordinals[ordinals > int(after or "-1")]
    page = left[:limit]
    entities = [EntityAnswer.of(entity) for entity in home.catalog.entities(page)]
    more = len(left) > len(page)
    return JsonAnswer(EntitiesAnswer(entities=entities, next=str(page[-1]) if more else UNSET))


class DeleteBody(BaseModel):
    """`POST /v1/entities/delete`: ids, or kinds and filters."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[str], Field(min_length=1, max_length=MAX_IDS)] | None = None
    kinds: Annotated[list[Kind], Field(max_length=len(KINDS))] | None = None
    filters: Annotated[dict[str, Any], Field(json_schema_extra=FILTER_SCHEMA)] | None = None
    dry_run: StrictBool = Field(False, description="Only say how many there are")


class DeletedEntitiesAnswer(Answer):
    """How many entities were deleted, or with `dry_run` would be."""

    deleted: int


@router.post("/delete", summary="Delete many entities", responses=answered(DeletedEntitiesAnswer, 400, 413))
def delete_entities(body: DeleteBody, service: ServiceOf) -> JsonAnswer:
    """By ids, or all that kinds and filters allow; no longer found from then on."""
    home, within = service.home, Scope(kinds=tuple(body.kinds or ()), filters=filters_of(body.filters or {}))
    if (body.ids is None) != bool(within.kinds or within.filters):
        raise BadInput("say which: ids, or kinds and filters", field="ids")
    ids = body.ids if body.ids is not None else home.catalog.columns.ids[_within(home, within)].tolist()
    if body.dry_run:
        return JsonAnswer(DeletedEntitiesAnswer(deleted=int(np.count_nonzero(home.store.ordinals(ids) >= 0))))
    deleted = home.store.delete(ids)
    home.catalog.refresh()
    return JsonAnswer(DeletedEntitiesAnswer(deleted=deleted))


@router.patch(
    ENTITY,
    summary="Change some fields of one entity",
    responses=answered(EntityAnswer, 400, 404, 413),
    openapi_extra=PATCH_BODY,
)
def change_entity(entity_id: EntityId, body: dict[str, Any], service: ServiceOf) -> JsonAnswer:
    """A JSON merge patch (RFC 7396): fields that are named are replaced, null takes one away, objects are merged."""
    store = service.home.store
    changed = entity_from_json(merged(entity_to_json(store.get(entity_id)), body))
    if changed.id != entity_id:
        raise BadInput(f"the id {changed.id!r} is not the path's {entity_id!r}", field="id")
    store.upsert([changed])
    return JsonAnswer(EntityAnswer.of(changed))


def merged(value: object, patch: object, *, levels: int = MAX_LEVELS) -> object:
    """A JSON value after a merge patch (RFC 7396).

    Raises:
        BadInput: the patch is nested deeper than so many levels.
    """
    if not isinstance(patch, dict):
        return patch
    if not levels:
        raise BadInput(f"the patch is nested deeper than {MAX_LEVELS} levels, and no entity is", field="body")
    held = dict(value) if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            held.pop(name, None)
        else:
            held[name] = merged(held.get(name), each, levels=levels - 1)
    return held


class RejectedLineAnswer(Answer):
    """A line that was not accepted: its number, from 1, and why."""

    line: int
    reason: str


class BulkAnswer(Answer):
    """What became of the entities; `changed` of those accepted were new or other than before."""

    accepted: int
    changed: int
    rejected: list[RejectedLineAnswer]
    rejected_total: Annotated[int | UnsetType, Meta(description="Only where more were rejected than are listed")] = (
        UNSET
    )
    searchable: Annotated[bool | UnsetType, Meta(description="Only with `wait`: whether that was reached in time")] = (
        UNSET
    )


@router.post(
    "/bulk",
    summary="Create or replace many entities (NDJSON)",
    responses=answered(BulkAnswer, 413),
    openapi_extra=BULK_BODY,
)
async def write_entities(request: Request, service: ServiceOf, wait: bool = False) -> JsonAnswer:
    """One entity a line; a bad line is named and the rest goes on. Searchable within a second, or with `wait=true`.

    The body may be of any length: it is stored as it comes, so that what came before a break of the connection stays.
    Only a line is limited, to the length that bodies have elsewhere.
    """
    home, taken = service.home, _Taken()
    async for batch in _batches(lines_of(request.stream(), int(service.settings.max_body_mb * 1e6))):
        await asyncio.to_thread(taken.store, home, batch)
    if not taken.accepted + taken.refused:
        raise BadInput("the body holds no entity: send one JSON object a line", field="body")
    return JsonAnswer(taken.answer(await indexed(service) if wait else UNSET))


@dataclass(slots=True)
class _Taken:
    """What became of the lines so far."""

    accepted: int = 0
    changed: int = 0
    refused: int = 0
    shown: list[RejectedLineAnswer] = field(default_factory=list)

    def store(self, home: SearchingSide, batch: list[Row | Rejected]) -> None:
        entities = [row.entity for row in batch if isinstance(row, Row)]
        rejected = [RejectedLineAnswer(line=row.line, reason=row.reason) for row in batch if isinstance(row, Rejected)]
        self.changed += home.store.upsert(entities)
        self.accepted += len(entities)
        self.refused += len(rejected)
        self.shown += rejected[: _SHOWN_REJECTED - len(self.shown)]

    def answer(self, searchable: bool | UnsetType) -> BulkAnswer:
        return BulkAnswer(
            accepted=self.accepted,
            changed=self.changed,
            rejected=self.shown,
            rejected_total=self.refused if self.refused > len(self.shown) else UNSET,
            searchable=searchable,
        )


async def lines_of(chunks: AsyncIterator[bytes], longest: int) -> AsyncIterator[tuple[int, bytes | None]]:
    """The lines of a body with their numbers, from 1; None for one longer than so many bytes, which is dropped."""
    number, held, too_long = 1, bytearray(), False
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        held += first
        for part in rest:
            yield number, None if too_long or len(held) > longest else bytes(held)
            number, held, too_long = number + 1, bytearray(part), False
        if len(held) > longest:
            held, too_long = bytearray(), True
    yield number, None if too_long else bytes(held)


_BOM = b"\xef\xbb\xbf"


async def _batches(lines: AsyncIterator[tuple[int, bytes | None]]) -> AsyncIterator[list[Row | Rejected]]:
    batch: list[Row | Rejected] = []
    async for number, line in lines:
        if line is None:
            batch.append(Rejected(number, "the line is longer than the server takes: BANDSTAND_MAX_BODY_MB", ""))
        elif text := line.removeprefix(_BOM if number == 1 else b"").strip():
            batch.append(row_of(number, text.decode("utf-8", "surrogateescape")))
        if len(batch) == CHUNK:
            yield batch
            batch = []
    if batch:
        yield batch


async def indexed(service: Service) -> bool:
    """Whether everything stored so far became searchable in time."""
    home = service.home
    head = await asyncio.to_thread(home.store.head)
    return await service.until(lambda: home.searchable >= head)


def _within(home: SearchingSide, within: Scope) -> Ordinals:
    """The ordinals that may be shown, as of now, ascending."""
    home.catalog.refresh()
    columns = home.catalog.columns
    allowed = within.allowed(columns)
    return np.flatnonzero(columns.live if allowed is None else allowed).astype(np.int32)
