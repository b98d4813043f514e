"""Routes of the synonyms: what words mean beside the catalogue's own names."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.routing import JsonAnswer, ServiceOf, answered, problems
from bandstand.api.schemas import MAX_SYNONYM, SynonymBody
from bandstand.app.searching import SearchingSide
from bandstand.types.answers import Answer
from bandstand.understanding.synonym_file import SynonymChange

router = APIRouter(prefix="/v1/synonyms", tags=["catalogue"], responses=problems(422, 503))


class SynonymsAnswer(Answer):
    """The operator's synonyms, an entry a line."""

    synonyms: list[str]


class SynonymChangesAnswer(Answer):
    """Every change of the synonyms, newest first."""

    changes: list[SynonymChange]


@router.get("", summary="The operator's synonyms", responses=answered(SynonymsAnswer))
def list_synonyms(service: ServiceOf) -> JsonAnswer:
    """Entries of the home's own table, one a line; the bundled ones are always in use and not listed."""
    return JsonAnswer(SynonymsAnswer(synonyms=service.home.synonyms.lines()))


@router.post("", summary="Add a synonym", responses=answered(SynonymsAnswer, 400, 413))
def add_synonym(body: SynonymBody, service: ServiceOf) -> JsonAnswer:
    """In use here when this answers, and in other processes within moments; adding it again changes nothing."""
    return _in_use(service.home, service.home.synonyms.add(body.line))


@router.delete("", summary="Remove a synonym", responses=answered(SynonymsAnswer, 404))
def remove_synonym(
    line: Annotated[str, Query(min_length=1, max_length=MAX_SYNONYM, description="As the list shows it")],
    service: ServiceOf,
) -> JsonAnswer:
    """Out of use here when this answers."""
    return _in_use(service.home, service.home.synonyms.remove(line))


@router.get("/changes", summary="Changes of the synonyms", responses=answered(SynonymChangesAnswer))
def list_synonym_changes(service: ServiceOf) -> JsonAnswer:
    """Everything that was added and removed here or by the command line, newest first."""
    return JsonAnswer(SynonymChangesAnswer(changes=service.home.synonyms.changes()))


@router.post("/changes/{id}/undo", summary="Undo a change", responses=answered(SynonymsAnswer, 404))
def undo_synonym_change(id: str, service: ServiceOf) -> JsonAnswer:  # noqa: A002 - the path's own name
    """Out of use, or in use again, when this answers; undoing twice changes nothing."""
    return _in_use(service.home, service.home.synonyms.undo(id))


def _in_use(home: SearchingSide, lines: list[str]) -> JsonAnswer:
    home.refresh()
    return JsonAnswer(SynonymsAnswer(synonyms=lines))
