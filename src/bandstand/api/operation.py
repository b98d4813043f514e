"""Routes of operation: health, metrics, and the routes as a page."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from bandstand.api.answers import AliveAnswer, ReadyAnswer
from bandstand.api.described import answered
from bandstand.api.docs_page import docs_page
from bandstand.api.json_answer import JsonAnswer
from bandstand.api.state import MetricsOf, ServiceOf
from bandstand.errors import BandstandError

router = APIRouter(tags=["operation"])

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz", summary="Is the process alive", responses=answered(AliveAnswer))
async def alive() -> JsonAnswer:
    """Always `ok` while the process answers."""
    return JsonAnswer({"status": "ok"})


@router.get("/readyz", summary="Can it search", responses=answered(ReadyAnswer, 503))
async def ready(service: ServiceOf) -> JsonAnswer:
    """503 with Retry-After while the home is loading."""
    return JsonAnswer({"status": "ready", "entities": int(service.home.catalog.columns.live.sum())})


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(service: ServiceOf, counted: MetricsOf) -> Response:
    """In Prometheus' text format; of all API processes together."""
    try:
        home = service.home
    except BandstandError:
        home = None
    return Response(await asyncio.to_thread(counted.page, home), media_type=_METRICS_TYPE)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The routes as a page that needs no internet."""
    return HTMLResponse(docs_page(request.app.openapi()))
