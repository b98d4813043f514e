"""Routes of what model versions did lately, and of what another one would have done."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from bandstand.api.dashboard_answers import ModelsServedAnswer, ShadowAnswer
from bandstand.api.described import answered, problems
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.state import ADMIN, ServiceOf
from bandstand.dashboard.served import served_versions, shadow_of

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], dependencies=ADMIN, responses=problems(403, 422, 503))


@router.get("/served", summary="What each version did lately", responses=answered(ModelsServedAnswer))
async def served(service: ServiceOf, hours: Annotated[int, Query(ge=1, le=2_160)] = 24) -> JsonAnswer:
    """Settled searches by the version of ranker and bandit that made their pages, and means over them."""
    home = service.home
    found = await asyncio.to_thread(served_versions, home.memory.scan, since=home.clock() - 3_600.0 * hours)
    return JsonAnswer({"hours": hours, **found})


@router.get("/shadow", summary="Another ranker on logged searches", responses=answered(ShadowAnswer, 404, 409))
async def shadow(service: ServiceOf, version: Annotated[str, Query(max_length=100)]) -> JsonAnswer:
    """Ranks the newest logged pages again, seen by nobody, and compares where what was chosen would stand."""
    found = await asyncio.to_thread(shadow_of, service.home, version)
    return JsonAnswer({"version": version, **found})
