"""Routes of what was asked: the table, one query with its history, and changes of what the memory answers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from bandstand.api.dashboard_answers import (
    EditedAnswer,
    EditsAnswer,
    QueryPageAnswer,
    QueryTableAnswer,
)
from bandstand.api.event_routes import give_command
from bandstand.api.routing import ADMIN, JsonAnswer, ServiceOf, answered, problems
from bandstand.app.searching import SearchingSide
from bandstand.catalog.text import normalize
from bandstand.dashboard.query_table import Belief, QueryPage, find_queries, query_page, top_beliefs
from bandstand.engine.answers import Json
from bandstand.errors import BadInput, NotFound
from bandstand.learner.edits import EDIT_MEMORY, UNDO_EDIT
from bandstand.learner.query_stats import QueryStats
from bandstand.memory_index.curation import EditAction, all_edits
from bandstand.types import timed_id
from bandstand.types.times import DAY_S

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], dependencies=ADMIN, responses=problems(403, 422, 503))

MAX_TEXT = 500
"""Characters of a query that an operator may look at or change."""

_TOP = 3

Order = Literal["searches", "success", "failure", "latest"]


class EditBody(BaseModel):
    """`POST /v1/dashboard/edits`."""

    model_config = ConfigDict(extra="forbid")

    action: EditAction = Field(description="pin: stands first; block: never shown; score: what the memory believes")
    query: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    entity_id: Annotated[str, Field(min_length=1, max_length=1_000)]
    score: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="Only, and always, with score")
    by: Annotated[str, Field(max_length=100)] = Field("", description="Who says to make the change")
    note: Annotated[str, Field(max_length=500)] = ""


@router.get("/queries", summary="What was asked", responses=answered(QueryTableAnswer))
async def list_queries(
    service: ServiceOf,
    q: Annotated[str, Query(max_length=MAX_TEXT, description="Words that a query must hold")] = "",
    order: Order = "searches",
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    k: Annotated[int, Query(ge=1, le=100)] = 25,
) -> JsonAnswer:
    """Queries that several users asked: how often, how it went, and what the memory answers. Newest 20,000 are kept."""
    home = service.home

    def work() -> Json:
        total, found = find_queries(home.memory, words=q, order=order, offset=offset, k=k)
        return {"total": total, "queries": [_asked_json(one, home) for one in found]}

    return JsonAnswer(await asyncio.to_thread(work))


@router.get("/query", summary="One query", responses=answered(QueryPageAnswer))
async def one_query(
    service: ServiceOf,
    text: Annotated[str, Query(min_length=1, max_length=MAX_TEXT)],
    k: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JsonAnswer:
    """Its counts by day, what the memory believes of its answers and why, and every change that was made."""
    home = service.home
    page = await asyncio.to_thread(query_page, home.memory, home.catalog, text, now=home.clock(), k=k)
    return JsonAnswer(_page_json(page))


@router.get("/edits", summary="Every change of the memory", responses=answered(EditsAnswer))
async def list_edits(service: ServiceOf) -> JsonAnswer:
    """The record of changes, newest first, also of those that were undone."""
    found = await asyncio.to_thread(all_edits, service.home.memory.scan)
    return JsonAnswer({"edits": [_plain(asdict(edit)) for edit in found]})


@router.post(
    "/edits",
    summary="Pin, block or score",
    status_code=201,
    responses=answered(EditedAnswer, 400, 404, 413, status=201),
)
async def make_edit(body: EditBody, service: ServiceOf) -> JsonAnswer:
    """A change of what one query answers, for everybody: an event of the log, and undone by its id."""
    home, query = service.home, normalize(body.query)
    if not query:
        raise BadInput("this query has no words: give it some", field="query")
    if (body.action == "score") != (body.score is not None):
        raise BadInput("a score belongs to the action score, and to no other", field="score")
    if await asyncio.to_thread(_unknown, home, body.entity_id):
        raise NotFound(f"there is no entity {body.entity_id!r}")
    payload = {**body.model_dump(), "query": query, "id": timed_id(home.clock())}
    done = await give_command(service, EDIT_MEMORY, payload)
    return JsonAnswer({"id": payload["id"], "carried_out": done}, status_code=201)


@router.post("/edits/{edit_id}/undo", summary="Undo a change", responses=answered(EditedAnswer, 404))
async def undo_edit(edit_id: str, service: ServiceOf) -> JsonAnswer:
    """The change stays on record and holds no more; undoing it twice changes nothing."""
    edits = await asyncio.to_thread(all_edits, service.home.memory.scan)
    found = next((edit for edit in edits if edit.id == edit_id), None)
    if found is None:
        raise NotFound(f"there is no change {edit_id!r} of the memory")
    done = await give_command(service, UNDO_EDIT, {"id": edit_id, "query": found.query})
    return JsonAnswer({"id": edit_id, "carried_out": done})


def _unknown(home: SearchingSide, entity_id: str) -> bool:
    return int(home.store.ordinals([entity_id])[0]) < 0


def _asked_json(asked: QueryStats, home: SearchingSide) -> Json:
    top = top_beliefs(home.memory, home.catalog, asked.text, now=home.clock(), k=_TOP)
    return {**_counts(asked), "text": asked.text, "last": asked.last, "top": [_belief_json(belief) for belief in top]}


def _page_json(page: QueryPage) -> Json:
    asked = page.asked or QueryStats()
    return {
        **_counts(asked),
        "text": page.text,
        "days": [
            {"day": _day(day), "searches": searches, "clicked": clicked, "satisfied": satisfied}
            for day, (searches, clicked, satisfied) in asked.days.items()
        ],
        "beliefs": [_belief_json(belief) for belief in page.beliefs],
        "edits": [_plain(asdict(edit)) for edit in reversed(page.edits)],
    }


def _counts(asked: QueryStats) -> Json:
    return {"searches": asked.searches, "clicked": asked.clicked, "satisfied": asked.satisfied}


def _belief_json(belief: Belief) -> Json:
    row = belief.row
    return {
        "entity_id": belief.entity_id,
        "title": belief.title,
        "score": row.score,
        "impressions": row.impressions,
        "clicks": row.clicks,
        "plays": row.plays,
        "predicted": row.predicted,
        "shared": row.shared,
    }


def _plain(edit: Json) -> Json:
    return {name: value for name, value in edit.items() if name != "ordinal"}


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()
