"""Routes of searching: search, the logged impression, suggestions, related entities, the retrievers."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.answers import ArmsAnswer, LoggedAnswer, RelatedAnswer, SearchAnswer, SuggestAnswer
from bandstand.api.routing import RELATED, EntityId, JsonAnswer, MetricsOf, ServiceOf, answered, problems
from bandstand.api.schemas import MAX_ID, SearchBody
from bandstand.app.searching import SearchingSide
from bandstand.bandit.cost import ArmStats
from bandstand.engine.answers import Json, impression_json, related_json, search_json
from bandstand.engine.related import MOST
from bandstand.engine.request import SearchResult
from bandstand.errors import NotFound, Unavailable
from bandstand.types import DEPTHS, KINDS, Kind, RetrieverSpec, actor_of

BESIDE = 10
"""How many related entities stand beside a search's hits."""

related_router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


@related_router.get(RELATED, summary="What goes with an entity", responses=answered(RelatedAnswer, 404))
async def read_related(
    entity_id: EntityId,
    service: ServiceOf,
    k: Annotated[int, Query(ge=1, le=MOST)] = 10,
    kinds: Annotated[list[Kind] | None, Query(max_length=len(KINDS))] = None,
) -> JsonAnswer:
    """Entities by how sure it is that they go with this one, each with what every source says of it."""

    def work(home: SearchingSide) -> JsonAnswer:
        started = time.perf_counter()
        found = home.relater.related(entity_id, k, kinds=kinds or ())
        took = (time.perf_counter() - started) * 1e3
        return JsonAnswer({"entity_id": entity_id, "related": related_json(found), "took_ms": round(took, 3)})

    return await service.search(work)


def beside(home: SearchingSide, result: SearchResult) -> Json:
    """What goes with the first hit of a page, without what is on it; nothing where that hit is gone by now."""
    shown = [hit.entity.id for hit in result.hits]
    if not shown:
        return {"to": None, "entities": []}
    try:
        found = home.relater.related(shown[0], BESIDE, without=shown)
    except NotFound:  # deleted, or so new that this process has not heard of it
        found = []
    return {"to": shown[0], "entities": related_json(found)}


retrievers_router = APIRouter(prefix="/v1", tags=["search"])


@retrievers_router.get("/arms", summary="Retrievers, depths and policies", responses=answered(ArmsAnswer, 503))
async def list_arms(service: ServiceOf) -> JsonAnswer:
    """What a search may choose from, and what each retriever costs: what a skipped one has saved."""
    features, serving = service.home.features, service.home.serving()
    return JsonAnswer(
        {
            "arms": [_arm(spec, serving.stats) for spec in features.roster],
            "features": features.titles,
            "depths": DEPTHS,
            "policies": list(serving.policies),
            "default_policy": service.settings.default_policy,
        }
    )


def _arm(spec: RetrieverSpec, stats: ArmStats) -> Json:
    return {
        "arm": spec.name,
        "title": spec.title,
        "colour": spec.colour._asdict(),
        "cost_ms": stats.cost(spec.name),
        "past_yield": stats.past_yield(spec.name),
        "expensive": spec.expensive,
        "answers_query": spec.answers_query,
    }


router = APIRouter(prefix="/v1", tags=["search"], responses=problems(422, 503))


def check_answered(result: SearchResult) -> None:
    """Let pass what was answered, were it with nothing.

    Raises:
        Unavailable: nothing was found, and not because there is nothing: a retriever failed or was late.
    """
    missing = [outcome.retriever for outcome in result.impression.outcomes if outcome.status in ("failed", "late")]
    if missing and not len(result.impression.ordinals):
        raise Unavailable(f"nothing was found, while {', '.join(missing)} could not answer; try again", retry_after=2)


@router.post(
    "/search", summary="Search, or page on in an earlier search", responses=answered(SearchAnswer, 400, 404, 413)
)
async def search(body: SearchBody, service: ServiceOf, metrics: MetricsOf) -> JsonAnswer:
    """Hits with their sources, and the decision: which retrievers played, how deep, with which probability.

    With `query_id` it is a further page of that search: the same decision and ranking, of which `offset` and `k` say
    the part. Without `policy`, a running experiment chooses it for this visitor.
    """
    request = body.to_request()

    def work(home: SearchingSide) -> JsonAnswer:
        result = home.search(request)
        if not request.preview:
            metrics.searched(result)
        check_answered(result)
        answer = search_json(result, explain=request.explain)
        return JsonAnswer(answer | {"related": beside(home, result)} if body.related else answer)

    return await service.search(work)


@router.get("/queries/{query_id}", summary="What a search logged", responses=answered(LoggedAnswer, 404))
async def logged_search(query_id: str, service: ServiceOf) -> JsonAnswer:
    """The decision with its propensities and probabilities, the page, the model versions."""
    impression = await asyncio.to_thread(service.home.log.impression, query_id)
    return JsonAnswer(impression_json(impression))


@router.get("/suggest", summary="Completions of what is being typed", responses=answered(SuggestAnswer))
async def suggest(
    service: ServiceOf,
    q: Annotated[str, Query(max_length=200)] = "",
    k: Annotated[int, Query(ge=1, le=50)] = 8,
    user_id: Annotated[str | None, Query(max_length=MAX_ID)] = None,
    session_id: Annotated[str | None, Query(max_length=MAX_ID)] = None,
) -> JsonAnswer:
    """What this visitor chose before, past queries of several people, then names in the catalogue by popularity.

    What begins as typed comes first; from four letters on also what is one typo away.
    """
    actor = actor_of(user_id, session_id)
    found = await service.search(lambda home: home.suggester.suggest(q, k, user=actor))
    suggestions = [{"text": item.text, "entity_id": item.entity_id, "source": item.source} for item in found]
    return JsonAnswer({"query": q, "suggestions": suggestions})
