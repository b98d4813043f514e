"""The route that says what there is to choose from: retrievers with their measured cost, depths, policies."""

from __future__ import annotations

from fastapi import APIRouter

from bandstand.api.answers import ArmsAnswer
from bandstand.api.described import answered
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.state import ServiceOf
from bandstand.types import ARMS, DEPTHS

router = APIRouter(prefix="/v1", tags=["search"])


@router.get("/arms", summary="Retrievers, depths and policies", responses=answered(ArmsAnswer, 503))
async def list_arms(service: ServiceOf) -> JsonAnswer:
    """What a search may choose from, and what each retriever costs: what a skipped one has saved."""
    brains = service.home.brains()
    arms = [{"arm": arm, "cost_ms": brains.stats.cost(arm), "past_yield": brains.stats.past_yield(arm)} for arm in ARMS]
    policies = list(brains.policies)
    return JsonAnswer(
        {"arms": arms, "depths": DEPTHS, "policies": policies, "default_policy": service.settings.default_policy}
    )
