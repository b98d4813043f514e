"""Routes of the catalogue: read, write, write many."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from bandstand.api.access import CallerOf
from bandstand.api.routing import ENTITY, EntityId, JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import BULK_BODY, ENTITY_BODY
from bandstand.api.service import Service
from bandstand.app.searching import SearchingSide
from bandstand.catalog.bounds import holds
from bandstand.catalog.codec import EntityAnswer, entity_from_json
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.ndjson import row_of
from bandstand.errors import BadInput, NotFound
from bandstand.types.answers import Answer

router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


class RejectedLineAnswer(Answer):
    """A line that was not accepted: its number, from 1, and why."""

    line: int
    reason: str


class BulkAnswer(Answer):
    """What became of the entities; `changed` of those accepted were new or other than before."""

    accepted: int
    changed: int
    rejected: list[RejectedLineAnswer]
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
    """One entity a line; a bad line is named and the rest goes on. Searchable within a second, or with `wait=true`."""
    home, body = service.home, await request.body()
    stored = await asyncio.to_thread(_store, home, body)
    return JsonAnswer(replace(stored, searchable=await _indexed(service)) if wait else stored)


@router.get(ENTITY, summary="One entity", responses=answered(EntityAnswer, 404))
def read_entity(entity_id: EntityId, service: ServiceOf, caller: CallerOf) -> JsonAnswer:
    """All fields of an entity."""
    home = service.home
    if not holds(home.catalog, entity_id, caller.within):
        raise NotFound(f"there is no entity {entity_id!r}")
    return JsonAnswer(EntityAnswer.of(home.store.get(entity_id)))


@router.put(
    ENTITY,
    summary="Create or replace one entity",
    responses=answered(EntityAnswer, 400, 413),
    openapi_extra=ENTITY_BODY,
)
async def write_entity(entity_id: EntityId, body: dict[str, Any], service: ServiceOf, wait: bool = False) -> JsonAnswer:
    """Searchable within a second; with `wait=true` when this answers."""
    home = service.home
    entity = entity_from_json({"id": entity_id, **body})
    if entity.id != entity_id:
        raise BadInput(f"the id {entity.id!r} is not the path's {entity_id!r}", field="id")
    await asyncio.to_thread(home.store.upsert, [entity])
    if wait:
        await _indexed(service)
    return JsonAnswer(EntityAnswer.of(entity))


@router.delete(
    ENTITY,
    summary="Delete one entity",
    status_code=204,
    responses=problems(404),
)
def delete_entity(entity_id: EntityId, service: ServiceOf) -> Response:
    """It is no longer found from now on."""
    home = service.home
    if not home.store.delete([entity_id]):
        raise NotFound(f"there is no entity {entity_id!r}")
    home.catalog.refresh()
    return Response(status_code=204)


def _store(home: SearchingSide, body: bytes) -> BulkAnswer:
    lines = enumerate(body.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1)
    rows = [row_of(number, line.decode("utf-8", "surrogateescape")) for number, line in lines if line.strip()]
    if not rows:
        raise BadInput("the body holds no entity: send one JSON object a line", field="body")
    entities = [row.entity for row in rows if isinstance(row, Row)]
    rejected = [RejectedLineAnswer(line=row.line, reason=row.reason) for row in rows if isinstance(row, Rejected)]
    return BulkAnswer(accepted=len(entities), changed=home.store.upsert(entities), rejected=rejected)


async def _indexed(service: Service) -> bool:
    """Whether everything stored so far became searchable in time."""
    home = service.home
    head = await asyncio.to_thread(home.store.head)
    return await service.until(lambda: home.searchable >= head)
