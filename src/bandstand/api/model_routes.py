"""Routes of the models: versions, and which one serves."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from bandstand.api.answers import ModelsAnswer, ServingAnswer
from bandstand.api.routing import ADMIN, JsonAnswer, ServiceOf, answered, problems
from bandstand.app.searching import SearchingSide
from bandstand.app.serving import promote_model
from bandstand.engine.answers import models_json

router = APIRouter(prefix="/v1/models", tags=["models"], responses=problems(409, 422, 503))


@router.get("", summary="All model versions", responses=answered(ModelsAnswer))
async def list_models(service: ServiceOf) -> JsonAnswer:
    """Versions by model, newest first, with which one serves."""
    home = service.home
    return JsonAnswer(await asyncio.to_thread(models_json, home.models, home.serving.refused))


@router.post(
    "/{name}/promote", dependencies=ADMIN, summary="Let a version serve", responses=answered(ServingAnswer, 403, 404)
)
async def promote_version(name: str, version: str, service: ServiceOf) -> JsonAnswer:
    """Atomic; also lifts the pin that a rollback left. A version that cannot serve is refused, with the reason."""

    def work(home: SearchingSide) -> None:
        promote_model(home.models, name, version, home.features)
        home.serving.refresh()

    await asyncio.to_thread(work, service.home)
    return JsonAnswer({"model": name, "current": version, "pinned": False})


@router.post(
    "/{name}/rollback",
    dependencies=ADMIN,
    summary="Serve the version before",
    responses=answered(ServingAnswer, 403, 404),
)
async def rollback_version(name: str, service: ServiceOf) -> JsonAnswer:
    """Goes one step back and pins: nothing newer is promoted until somebody does so."""

    def work(home: SearchingSide) -> str:
        version = home.models.rollback(name)
        home.serving.refresh()
        return version

    return JsonAnswer({"model": name, "current": await asyncio.to_thread(work, service.home), "pinned": True})
