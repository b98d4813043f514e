"""Routes of what was asked: the table, one query with its history, and changes of what the memory answers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from bandstand.api.event_routes import EditedAnswer, give_command
from bandstand.api.routing import JsonAnswer, ServiceOf, answered, problems
from bandstand.dashboard.query_table import (
    EditAnswer,
    QueryPageAnswer,
    QueryTableAnswer,
    query_page,
    query_table,
)
from bandstand.learner.edits import EDIT_MEMORY, UNDO_EDIT, edit_order, undo_order
from bandstand.memory_index.curation import EditAction, all_edits
from bandstand.types.answers import Answer

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], responses=problems(422, 503))

MAX_TEXT = 500
"""Characters of a query that an operator may look at or change."""

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


class EditsAnswer(Answer):
    """Every change, newest first, undone ones too."""

    edits: list[EditAnswer]


@router.get("/queries", summary="What was asked", responses=answered(QueryTableAnswer))
def list_queries(
    service: ServiceOf,
    q: Annotated[str, Query(max_length=MAX_TEXT, description="Words that a query must hold")] = "",
    order: Order = "searches",
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    k: Annotated[int, Query(ge=1, le=100)] = 25,
) -> JsonAnswer:
    """Queries that several users asked: how often, how it went, and what the memory answers. Newest 20,000 are kept."""
    home = service.home
    found = query_table(home.memory, home.catalog, words=q, order=order, offset=offset, k=k, now=home.clock())
    return JsonAnswer(found)


@router.get("/query", summary="One query", responses=answered(QueryPageAnswer))
def one_query(
    service: ServiceOf,
    text: Annotated[str, Query(min_length=1, max_length=MAX_TEXT)],
    k: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JsonAnswer:
    """Its counts by day, what the memory believes of its answers and why, and every change that was made."""
    home = service.home
    return JsonAnswer(query_page(home.memory, home.catalog, text, now=home.clock(), k=k))


@router.get("/edits", summary="Every change of the memory", responses=answered(EditsAnswer))
def list_edits(service: ServiceOf) -> JsonAnswer:
    """The record of changes, newest first, also of those that were undone."""
    return JsonAnswer(EditsAnswer(edits=[EditAnswer.of(edit) for edit in all_edits(service.home.memory.scan)]))


@router.post(
    "/edits",
    summary="Pin, block or score",
    status_code=201,
    responses=answered(EditedAnswer, 400, 404, 413, status=201),
)
def make_edit(body: EditBody, service: ServiceOf) -> JsonAnswer:
    """A change of what one query answers, for everybody: an event of the log, and undone by its id."""
    home = service.home
    payload = edit_order(body.model_dump(), home.store.ordinals, now=home.clock())
    return JsonAnswer(give_command(service, EDIT_MEMORY, payload), status_code=201)


@router.post("/edits/{edit_id}/undo", summary="Undo a change", responses=answered(EditedAnswer, 404))
def undo_edit(edit_id: str, service: ServiceOf) -> JsonAnswer:
    """The change stays on record and holds no more; undoing it twice changes nothing."""
    return JsonAnswer(give_command(service, UNDO_EDIT, undo_order(edit_id, service.home.memory.scan)))
