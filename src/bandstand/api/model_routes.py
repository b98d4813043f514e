"""Routes of the models: versions, and which one serves."""

from __future__ import annotations

from fastapi import APIRouter

from bandstand.api.routing import JsonAnswer, ServiceOf, answered, problems
from bandstand.app.serving import promote_model
from bandstand.engine.answers import ModelsAnswer
from bandstand.types.answers import Answer

router = APIRouter(prefix="/v1/models", tags=["models"], responses=problems(409, 422, 503))


class ServingAnswer(Answer):
    """Which version serves now; a pinned one until somebody promotes another."""

    model: str
    current: str
    pinned: bool


@router.get("", summary="All model versions", responses=answered(ModelsAnswer))
def list_models(service: ServiceOf) -> JsonAnswer:
    """Versions by model, newest first, with which one serves."""
    home = service.home
    return JsonAnswer(ModelsAnswer.of(home.models, home.serving.refused))


@router.post("/{name}/promote", summary="Let a version serve", responses=answered(ServingAnswer, 404))
def promote_version(name: str, version: str, service: ServiceOf) -> JsonAnswer:
    """Atomic; also lifts the pin that a rollback left. A version that cannot serve is refused, with the reason."""
    home = service.home
    promote_model(home.models, name, version, home.features)
    home.serving.refresh()
    return JsonAnswer(ServingAnswer(model=name, current=version, pinned=False))


@router.post(
    "/{name}/rollback",
    summary="Serve the version before",
    responses=answered(ServingAnswer, 404),
)
def rollback_version(name: str, service: ServiceOf) -> JsonAnswer:
    """Goes one step back and pins: nothing newer is promoted until somebody does so."""
    home = service.home
    version = home.models.rollback(name)
    home.serving.refresh()
    return JsonAnswer(ServingAnswer(model=name, current=version, pinned=True))
