"""Routes of the dashboard's numbers: series over time, pictures of them, and how each is computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from bandstand.api.dashboard_answers import ChartsAnswer, ExplanationsAnswer
from bandstand.api.described import answered, problems
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.state import ADMIN, RecorderOf, ServiceOf
from bandstand.dashboard.chart import Chart
from bandstand.dashboard.drawing import Theme, svg
from bandstand.dashboard.sections import EXPLAINED, Sources, charts_of
from bandstand.dashboard.spans import span_of
from bandstand.engine.answers import Json
from bandstand.home import Home
from bandstand.ranker.model import LambdaMartScorer
from bandstand.storage import Paths

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], dependencies=ADMIN, responses=problems(403, 422, 503))

Section = Literal["live", "learning", "models"]
SpanName = Annotated[
    Literal["hour", "day", "week", "quarter"],
    Query(description="How far back: in steps of a minute, of 15 minutes, of 2 hours, of a day"),
]
Pictures = Annotated[Theme | None, Query(description="Also draw each chart, in colours for such a page")]


@router.get("/explanations", summary="How every number is computed", responses=answered(ExplanationsAnswer))
async def explanations() -> JsonAnswer:
    """Title, unit and definition of every chart."""
    return JsonAnswer({"charts": [asdict(about) for section in EXPLAINED.values() for about in section]})


@router.get("/charts/{section}", summary="The charts of a section", responses=answered(ChartsAnswer))
async def charts(
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

    def work() -> list[Json]:
        return [_chart_json(chart, pictures) for chart in charts_of(section, sources, over, time.time())]

    answer = {"section": section, "span": span, "step_seconds": over.step}
    return JsonAnswer({**answer, "charts": await asyncio.to_thread(work)})


def _importances(home: Home) -> Mapping[str, float]:
    scorer = home.brains().scorer
    return scorer.importances() if isinstance(scorer, LambdaMartScorer) else {}


def _chart_json(chart: Chart, theme: Theme | None) -> Json:
    answer: Json = {
        **asdict(chart.about),
        "places": list(chart.places),
        "lines": dict(chart.lines),
        "low": dict(chart.low),
        "high": dict(chart.high),
        "grey": dict(chart.grey),
    }
    return answer if theme is None else {**answer, "svg": svg(chart, theme)}
