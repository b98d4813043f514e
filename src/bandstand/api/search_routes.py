"""Routes of searching: search, the logged impression, suggestions, related entities, the retrievers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from msgspec import UNSET

from bandstand.access.callers import Caller
from bandstand.api.access import CallerOf
from bandstand.api.metrics import Metrics
from bandstand.api.routing import RELATED, EntityId, JsonAnswer, MetricsOf, ServiceOf, answered, problems
from bandstand.api.schemas import FilterText, SearchBody, SuggestQuery, read_filters
from bandstand.app.searching import SearchingSide
from bandstand.bandit.cost import ArmStats
from bandstand.catalog.conditions import Scope
from bandstand.engine.answers import (
    BesideAnswer,
    LoggedAnswer,
    RelatedAnswer,
    RelatedEntityAnswer,
    SearchAnswer,
    SuggestAnswer,
)
from bandstand.engine.related import MOST
from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.errors import NotFound, Unavailable
from bandstand.types import DEPTHS, KINDS, Boundary, Kind, RetrieverSpec, actor_of
from bandstand.types.answers import Answer

BESIDE = 10
"""How many related entities stand beside a search's hits."""

related_router = APIRouter(prefix="/v1/entities", tags=["catalogue"], responses=problems(422, 503))


@related_router.get(RELATED, summary="What goes with an entity", responses=answered(RelatedAnswer, 404))
async def read_related(
    entity_id: EntityId,
    service: ServiceOf,
    caller: CallerOf,
    k: Annotated[int, Query(ge=1, le=MOST)] = 10,
    kinds: Annotated[list[Kind] | None, Query(max_length=len(KINDS))] = None,
    filters: FilterText = "",
) -> JsonAnswer:
    """Entities by how sure it is that they go with this one, each with what every source says of it."""
    within = Scope(kinds=tuple(kinds or ()), filters=read_filters(filters), bound=caller.within)

    def work(home: SearchingSide) -> JsonAnswer:
        started = time.perf_counter()
        found = RelatedEntityAnswer.every(home.relater.related(entity_id, k, within=within))
        took = (time.perf_counter() - started) * 1e3
        return JsonAnswer(RelatedAnswer(entity_id=entity_id, related=found, took_ms=round(took, 3)))

    return await service.search(work)


def beside(home: SearchingSide, result: SearchResult, bound: Boundary) -> BesideAnswer:
    """What goes with the first hit of a page, without what is on it; nothing where that hit is gone by now.

    What the search was not to show, or this caller is not to see, is not shown beside it.
    """
    query = result.impression.query
    within = Scope(kinds=query.kinds, filters=query.filters, conditions=query.conditions, bound=bound)
    shown = [hit.entity.id for hit in result.hits]
    if not shown:
        return BesideAnswer(to=None, entities=[])
    try:
        found = home.relater.related(shown[0], BESIDE, within=within, without=shown)
    except NotFound:  # deleted, or so new that this process has not heard of it
        found = []
    return BesideAnswer(to=shown[0], entities=RelatedEntityAnswer.every(found))


retrievers_router = APIRouter(prefix="/v1", tags=["search"])


class ColourAnswer(Answer):
    """CSS colours, on light and on dark pages."""

    light: str
    dark: str


class ArmAnswer(Answer):
    """A retriever: what it finds, milliseconds of one call as measured lately, and its share of useful searches.

    `expensive` says whether it is decided about in each search, `answers_query` whether what it finds depends on what
    was typed.
    """

    arm: str
    title: str
    colour: ColourAnswer
    cost_ms: float
    past_yield: float
    expensive: bool
    answers_query: bool

    @classmethod
    def of(cls, spec: RetrieverSpec, stats: ArmStats) -> ArmAnswer:
        """What its spec says, and what was measured."""
        return cls(
            arm=spec.name,
            title=spec.title,
            colour=ColourAnswer(light=spec.colour.light, dark=spec.colour.dark),
            cost_ms=stats.cost(spec.name),
            past_yield=stats.past_yield(spec.name),
            expensive=spec.expensive,
            answers_query=spec.answers_query,
        )


class ArmsAnswer(Answer):
    """What a search may choose from: retrievers in the order in which they are decided about, depths, policies by name.

    `features` are what the ranker sees of each hit, by name, in words.
    """

    arms: list[ArmAnswer]
    features: Mapping[str, str]
    depths: tuple[int, ...]
    policies: list[str]
    default_policy: str


@retrievers_router.get("/arms", summary="Retrievers, depths and policies", responses=answered(ArmsAnswer, 503))
def list_arms(service: ServiceOf) -> JsonAnswer:
    """What a search may choose from, and what each retriever costs: what a skipped one has saved."""
    features, serving = service.home.features, service.home.serving()
    return JsonAnswer(
        ArmsAnswer(
            arms=[ArmAnswer.of(spec, serving.stats) for spec in features.roster],
            features=features.titles,
            depths=DEPTHS,
            policies=list(serving.policies),
            default_policy=service.settings.default_policy,
        )
    )


router = APIRouter(prefix="/v1", tags=["search"], responses=problems(422, 503))


def check_answered(result: SearchResult) -> None:
    """Let pass what was answered, were it with nothing.

    Raises:
        Unavailable: nothing was found, and not because there is nothing: a retriever failed or was late.
    """
    missing = [outcome.retriever for outcome in result.impression.outcomes if outcome.status in ("failed", "late")]
    if missing and not len(result.impression.ordinals):
        raise Unavailable(f"nothing was found, while {', '.join(missing)} could not answer; try again", retry_after=2)


def searched(home: SearchingSide, request: SearchRequest, metrics: Metrics) -> SearchResult:
    """Answer a search and, unless it is a preview, count it.

    Raises:
        Unavailable: see `check_answered`.
    """
    result = home.search(request)
    if not request.preview:
        metrics.searched(result)
    if 0 < home.settings.slow_search_ms < result.took_ms:
        _tell_slow(result)
    check_answered(result)
    return result


def _tell_slow(result: SearchResult) -> None:
    """Log where the time went. What was asked stays in the log of searches: the id says where."""
    impression, decision = result.impression, result.impression.decision
    structlog.get_logger("search").warning(
        "slow_search",
        query_id=impression.query.id,
        ms=round(result.took_ms, 1),
        retrieval_and_ranking_ms=round(impression.took_ms, 1),
        policy=decision.policy,
        depths={arm.arm: arm.depth for arm in decision.arms},
        retrievers={
            outcome.retriever: f"{outcome.status} {outcome.took_ms:.1f} ms"
            for outcome in impression.outcomes
            if outcome.status != "skipped"
        },
    )


@router.post(
    "/search", summary="Search, or page on in an earlier search", responses=answered(SearchAnswer, 400, 404, 413)
)
async def search(body: SearchBody, service: ServiceOf, metrics: MetricsOf, caller: CallerOf) -> JsonAnswer:
    """Hits with their sources, and the decision: which retrievers played, how deep, with which probability.

    With `query_id` it is a further page of that search: the same decision and ranking, of which `offset` and `k` say
    the part. Without `policy`, a running experiment chooses it for this visitor.
    """
    _check_parameters(body, caller)
    request = replace(
        body.to_request(),
        user_id=caller.speaks_for(body.user_id),
        within=caller.within,
        claimant=caller.claimant,
    )

    def work(home: SearchingSide) -> JsonAnswer:
        result = searched(home, request, metrics)
        related = beside(home, result, request.within) if body.related else UNSET
        return JsonAnswer(SearchAnswer.of(result, explain=request.explain, related=related))

    return await service.search(work)


def _check_parameters(body: SearchBody, caller: Caller) -> None:
    """Whoever has no more than a key to search does not choose what is learned from, nor look into what others taught.

    Raises:
        Forbidden: naming the parameter.
    """
    if body.policy is not None:
        caller.check("dashboard", "policy")
    if body.explain:
        caller.check("dashboard", "explain")
    if body.preview:
        caller.check("suggest", "preview")


@router.get("/queries/{query_id}", summary="What a search logged", responses=answered(LoggedAnswer, 404))
def logged_search(query_id: str, service: ServiceOf) -> JsonAnswer:
    """The decision with its propensities and probabilities, the page, the model versions."""
    return JsonAnswer(LoggedAnswer.of(service.home.log.impression(query_id)))


@router.get("/suggest", summary="Completions of what is being typed", responses=answered(SuggestAnswer))
async def suggest(asked: Annotated[SuggestQuery, Query()], service: ServiceOf, caller: CallerOf) -> JsonAnswer:
    """What this visitor chose before, past queries of several people, then names in the catalogue by popularity.

    What begins as typed comes first; from four letters on also what is one typo away.
    """
    actor = actor_of(caller.speaks_for(asked.user_id), asked.session_id)
    within = Scope(kinds=tuple(asked.kinds), filters=read_filters(asked.filters), bound=caller.within)

    def work(home: SearchingSide) -> JsonAnswer:
        found = home.suggester.suggest(asked.q, asked.k, user=actor, within=within)
        return JsonAnswer(SuggestAnswer(query=asked.q, suggestions=found))

    return await service.search(work)
