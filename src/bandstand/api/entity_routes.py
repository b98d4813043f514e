"""Routes of the catalogue: read, write, write many."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from bandstand.api.answers import BulkAnswer, EntityAnswer
from bandstand.api.routing import ADMIN, ENTITY, EntityId, JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import BULK_BODY, ENTITY_BODY
from bandstand.api.service import Service
from bandstand.app.searching import SearchingSide
from bandstand.catalog.codec import entity_from_json, entity_to_json
from bandstand.engine.answers import Json
from bandstand.errors import BadInput, NotFound
from bandstand.types import Entity

router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


@router.post(
    "/bulk",
    dependencies=ADMIN,
    summary="Create or replace many entities (NDJSON)",
    responses=answered(BulkAnswer, 403, 413),
    openapi_extra=BULK_BODY,
)
async def write_entities(request: Request, service: ServiceOf, wait: bool = False) -> JsonAnswer:
    """One entity a line; a bad line is named and the rest goes on. Searchable within a second, or with `wait=true`."""
    home, body = service.home, await request.body()
    answer = await asyncio.to_thread(_store, home, body)
    return JsonAnswer({**answer, **(await _indexed(service, wait=wait))})


@router.get(ENTITY, summary="One entity", responses=answered(EntityAnswer, 404))
async def read_entity(entity_id: EntityId, service: ServiceOf) -> JsonAnswer:
    """All fields of an entity."""
    return JsonAnswer(entity_to_json(await asyncio.to_thread(service.home.store.get, entity_id)))


@router.put(
    ENTITY,
    dependencies=ADMIN,
    summary="Create or replace one entity",
    responses=answered(EntityAnswer, 400, 403, 413),
    openapi_extra=ENTITY_BODY,
)
async def write_entity(entity_id: EntityId, body: dict[str, Any], service: ServiceOf, wait: bool = False) -> JsonAnswer:
    """Searchable within a second; with `wait=true` when this answers."""
    home = service.home
    entity = entity_from_json({"id": entity_id, **body})
    if entity.id != entity_id:
        raise BadInput(f"the id {entity.id!r} is not the path's {entity_id!r}", field="id")
    await asyncio.to_thread(home.store.upsert, [entity])
    await _indexed(service, wait=wait)
    return JsonAnswer(entity_to_json(entity))


@router.delete(
    ENTITY,
    dependencies=ADMIN,
    summary="Delete one entity",
    status_code=204,
    responses=problems(403, 404),
)
async def delete_entity(entity_id: EntityId, service: ServiceOf) -> Response:
    """It is no longer found from now on."""
    home = service.home
    if not await asyncio.to_thread(home.store.delete, [entity_id]):
        raise NotFound(f"there is no entity {entity_id!r}")
    await asyncio.to_thread(home.catalog.refresh)
    return Response(status_code=204)


def _store(home: SearchingSide, body: bytes) -> Json:
    entities: list[Entity] = []
    rejected: list[Json] = []
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entities.append(entity_from_json(orjson.loads(line)))
        except orjson.JSONDecodeError as error:
            rejected.append({"line": number, "reason": f"not JSON: {error}"})
        except BadInput as error:
            rejected.append({"line": number, "reason": str(error)})
    if not entities and not rejected:
        raise BadInput("the body holds no entity: send one JSON object a line", field="body")
    return {"accepted": len(entities), "changed": home.store.upsert(entities), "rejected": rejected}


async def _indexed(service: Service, *, wait: bool) -> Json:
    """With ``wait``, whether everything stored so far became searchable in time."""
    if not wait:
        return {}
    home = service.home
    head = await asyncio.to_thread(home.store.head)
    return {"searchable": await service.until(lambda: home.searchable >= head)}
