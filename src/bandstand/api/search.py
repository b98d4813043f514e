"""Routes of searching: search, the logged impression, suggestions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.described import answered, problems
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.related import beside
from bandstand.api.schemas import MAX_ID, SearchBody
from bandstand.api.search_answers import LoggedAnswer, SearchAnswer, SuggestAnswer
from bandstand.api.state import MetricsOf, ServiceOf
from bandstand.engine.answers import impression_json, search_json
from bandstand.engine.request import SearchResult
from bandstand.errors import Unavailable
from bandstand.home import Home
from bandstand.types import actor_of

router = APIRouter(prefix="/v1", tags=["search"], responses=problems(422, 503))


def check_answered(result: SearchResult) -> None:
    """Let pass what was answered, were it with nothing.

    Raises:
        Unavailable: nothing was found, and not because there is nothing: a retriever failed or was late.
    """
    missing = [outcome.arm for outcome in result.impression.outcomes if outcome.status in ("failed", "late")]
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
    asked = body.to_request(service.settings.default_policy)

    def work(home: Home) -> JsonAnswer:
        assigned = None if body.policy else home.assignment(actor_of(asked.user_id, asked.session_id))
        request = replace(asked, assignment=assigned)
        result = home.engine.search(request)
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

    What begins as typed comes first; from four letters on also what is one slip away.
    """
    actor = actor_of(user_id, session_id)
    found = await service.search(lambda home: home.suggester.suggest(q, k, user=actor))
    suggestions = [{"text": item.text, "entity_id": item.entity_id, "source": item.source} for item in found]
    return JsonAnswer({"query": q, "suggestions": suggestions})
