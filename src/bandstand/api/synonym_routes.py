"""Routes of the synonyms: what words mean beside the catalogue's own names."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.answers import SynonymChangesAnswer, SynonymsAnswer
from bandstand.api.routing import ADMIN, JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import MAX_SYNONYM, SynonymBody
from bandstand.app.searching import SearchingSide

router = APIRouter(prefix="/v1/synonyms", tags=["catalogue"], responses=problems(422, 503))


@router.get("", summary="The operator's synonyms", responses=answered(SynonymsAnswer))
async def list_synonyms(service: ServiceOf) -> JsonAnswer:
    """Entries of the home's own table, one a line; the bundled ones are always in use and not listed."""
    return JsonAnswer({"synonyms": await asyncio.to_thread(service.home.synonyms.lines)})


@router.post("", dependencies=ADMIN, summary="Add a synonym", responses=answered(SynonymsAnswer, 400, 403, 413))
async def add_synonym(body: SynonymBody, service: ServiceOf) -> JsonAnswer:
    """In use here when this answers, and in other processes within moments; adding it again changes nothing."""

    def work(home: SearchingSide) -> list[str]:
        lines = home.synonyms.add(body.line)
        home.refresh()
        return lines

    return JsonAnswer({"synonyms": await asyncio.to_thread(work, service.home)})


@router.delete("", dependencies=ADMIN, summary="Remove a synonym", responses=answered(SynonymsAnswer, 403, 404))
async def remove_synonym(
    line: Annotated[str, Query(min_length=1, max_length=MAX_SYNONYM, description="As the list shows it")],
    service: ServiceOf,
) -> JsonAnswer:
    """Out of use here when this answers."""

    def work(home: SearchingSide) -> list[str]:
        lines = home.synonyms.remove(line)
        home.refresh()
        return lines

    return JsonAnswer({"synonyms": await asyncio.to_thread(work, service.home)})


@router.get("/changes", summary="Changes of the synonyms", responses=answered(SynonymChangesAnswer))
async def list_synonym_changes(service: ServiceOf) -> JsonAnswer:
    """Everything that was added and removed here or by the command line, newest first."""
    return JsonAnswer({"changes": await asyncio.to_thread(service.home.synonyms.changes)})


@router.post(
    "/changes/{id}/undo", dependencies=ADMIN, summary="Undo a change", responses=answered(SynonymsAnswer, 403, 404)
)
async def undo_synonym_change(id: str, service: ServiceOf) -> JsonAnswer:  # noqa: A002 - the path's own name
    """Out of use, or in use again, when this answers; undoing twice changes nothing."""

    def work(home: SearchingSide) -> list[str]:
        lines = home.synonyms.undo(id)
        home.refresh()
        return lines

    return JsonAnswer({"synonyms": await asyncio.to_thread(work, service.home)})
