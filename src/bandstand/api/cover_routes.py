"""The covers of a music library that lies on this machine."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from bandstand.api.access import CallerOf
from bandstand.api.routing import ServiceOf, problems
from bandstand.api.schemas import MAX_ID
from bandstand.backend import Paths
from bandstand.catalog.bounds import check_inside
from bandstand.catalog.library.covers import PICTURES, read_cover
from bandstand.catalog.sources import cover_of

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=problems(404, 422, 503))

_FOR_A_DAY = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}


@router.get(
    "/covers/{entity_id}",
    summary="The cover of a song or album",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in sorted(set(PICTURES.values()))}}},
)
def read_cover_of(entity_id: Annotated[str, Path(max_length=MAX_ID)], service: ServiceOf, caller: CallerOf) -> Response:
    """The picture inside the file, else the one beside it, as `bandstand ingest FOLDER` found it on this machine."""
    if caller.within:
        check_inside(service.home.catalog, entity_id, caller.within)
    content, media_type = read_cover(cover_of(Paths(service.settings.home).sources, entity_id))
    return Response(content, media_type=media_type, headers=_FOR_A_DAY)
