"""Routes of one entity: read, write, delete."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from bandstand.api.access import CallerOf
from bandstand.api.catalogue_routes import indexed
from bandstand.api.routing import ENTITY, EntityId, JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import ENTITY_BODY
from bandstand.catalog.bounds import check_inside
from bandstand.catalog.codec import EntityAnswer, entity_from_json
from bandstand.errors import BadInput, NotFound

router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


@router.get(ENTITY, summary="One entity", responses=answered(EntityAnswer, 404))
def read_entity(entity_id: EntityId, service: ServiceOf, caller: CallerOf) -> JsonAnswer:
    """All fields of an entity."""
    home = service.home
    check_inside(home.catalog, entity_id, caller.within)
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
        await indexed(service)
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
