"""Routes of the dashboard's numbers: series over time, pictures of them, and what model versions did lately."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from bandstand.api.access import Gate
from bandstand.api.routing import JsonAnswer, RecorderOf, ServiceOf, answered, problems
from bandstand.app.searching import SearchingSide
from bandstand.backend import Paths
from bandstand.dashboard.charts import ChartAnswer, ChartsAnswer, Explained, Theme, span_of
from bandstand.dashboard.sections import EXPLAINED, NUMBERS, Sources, charts_of
from bandstand.dashboard.served import ModelsServedAnswer, ShadowAnswer, served_versions, shadow_of
from bandstand.ranker.scorers import LambdaMartScorer
from bandstand.types.answers import Answer

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], responses=problems(422, 503))
open_router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"])

Section = Literal["live", "learning", "models"]
SpanName = Annotated[
    Literal["hour", "day", "week", "quarter"],
    Query(description="How far back: in steps of a minute, of 15 minutes, of 2 hours, of a day"),
]
Pictures = Annotated[Theme | None, Query(description="Also draw each chart, in colours for such a page")]


class AccessAnswer(Answer):
    """Whether the dashboard's routes would answer."""

    granted: bool


class ExplanationsAnswer(Answer):
    """Every chart there is."""

    charts: list[Explained]


@open_router.get("/access", summary="Does this key open the dashboard", responses=answered(AccessAnswer, 429, 503))
async def access(request: Request) -> JsonAnswer:
    """Whether the other routes here would answer: the key opens them, or there are no keys."""
    gate: Gate = request.app.state.gate
    return JsonAnswer(AccessAnswer(granted=gate.opens(request.scope, "dashboard")))


@router.get("/explanations", summary="How every number is computed", responses=answered(ExplanationsAnswer))
async def explanations() -> JsonAnswer:
    """Title, unit and definition of every chart, and of what stands beside them."""
    return JsonAnswer(ExplanationsAnswer(charts=[*chain.from_iterable(EXPLAINED.values()), *NUMBERS]))


@router.get("/charts/{section}", summary="The charts of a section", responses=answered(ChartsAnswer))
def charts(
    section: Section, service: ServiceOf, recorder: RecorderOf, span: SpanName = "hour", pictures: Pictures = None
) -> JsonAnswer:
    """`live`: what the server does; `learning`: what was learned; `models`: what the ranker goes by."""
    home, over = service.home, span_of(span)
    sources = Sources(
        minutes=recorder.minutes,
        scan=home.memory.scan,
        estimates=Paths(service.settings.home).estimates,
        importances=lambda: _importances(home),
    )
    found = [ChartAnswer.of(chart, pictures) for chart in charts_of(section, sources, over, time.time())]
    return JsonAnswer(ChartsAnswer(section=section, span=span, step_seconds=over.step, charts=found))


def _importances(home: SearchingSide) -> Mapping[str, float]:
    scorer = home.serving().scorer
    return scorer.importances() if isinstance(scorer, LambdaMartScorer) else {}


@router.get("/served", summary="What each version did lately", responses=answered(ModelsServedAnswer))
def served(service: ServiceOf, hours: Annotated[int, Query(ge=1, le=2_160)] = 24) -> JsonAnswer:
    """Finalized searches by the version of ranker and bandit that made their pages, and means over them."""
    home = service.home
    return JsonAnswer(served_versions(home.memory.scan, hours=hours, now=home.clock()))


@router.get("/shadow", summary="Another ranker on logged searches", responses=answered(ShadowAnswer, 404, 409))
def shadow(service: ServiceOf, version: Annotated[str, Query(max_length=100)]) -> JsonAnswer:
    """Ranks the newest logged pages again, seen by nobody, and compares where what was chosen would stand."""
    return JsonAnswer(shadow_of(service.home, version))
