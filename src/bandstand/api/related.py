"""The route of what goes with an entity, and the block of it beside a search's hits."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.described import answered, problems
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.paths import RELATED, EntityId
from bandstand.api.search_answers import RelatedAnswer
from bandstand.api.state import ServiceOf
from bandstand.engine.answers import Json, related_json
from bandstand.engine.related import MOST
from bandstand.engine.request import SearchResult
from bandstand.errors import NotFound
from bandstand.home import Home
from bandstand.types import KINDS, Kind

BESIDE = 10
"""How many related entities stand beside a search's hits."""

router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


@router.get(RELATED, summary="What goes with an entity", responses=answered(RelatedAnswer, 404))
async def read_related(
    entity_id: EntityId,
    service: ServiceOf,
    k: Annotated[int, Query(ge=1, le=MOST)] = 10,
    kinds: Annotated[list[Kind] | None, Query(max_length=len(KINDS))] = None,
) -> JsonAnswer:
    """Entities by how sure it is that they go with this one, each with what every source says of it."""

    def work(home: Home) -> JsonAnswer:
        started = time.perf_counter()
        found = home.relater.related(entity_id, k, kinds=kinds or ())
        took = (time.perf_counter() - started) * 1e3
        return JsonAnswer({"entity_id": entity_id, "related": related_json(found), "took_ms": round(took, 3)})

    return await service.search(work)


def beside(home: Home, result: SearchResult) -> Json:
    """What goes with the first hit of a page, without what is on it; nothing where that hit is gone by now."""
    shown = [hit.entity.id for hit in result.hits]
    if not shown:
        return {"to": None, "entities": []}
    try:
        found = home.relater.related(shown[0], BESIDE, without=shown)
    except NotFound:  # deleted, or so new that this process has not heard of it
        found = []
    return {"to": shown[0], "entities": related_json(found)}
