"""The HTTP application: routes, errors, limits, its description, and the service's life from start to stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from itertools import chain
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from bandstand.api import (
    catalogue_routes,
    cover_routes,
    dashboard_routes,
    entity_routes,
    event_routes,
    experiment_routes,
    key_routes,
    model_routes,
    operation_routes,
    page_routes,
    query_routes,
    search_routes,
    synonym_routes,
)
from bandstand.api.access import ADMITTED, Gate
from bandstand.api.connections import ConnectionLimits, Places
from bandstand.api.hot_routes import HotRoutes
from bandstand.api.metrics import Metrics, Recorder
from bandstand.api.middleware import BodyLimit, Guard, HeaderLimit, Patience
from bandstand.api.origins import KnownHosts, KnownOrigins
from bandstand.api.problems import MEDIA_TYPE, install_problems
from bandstand.api.processes import (
    LONGEST_END_S,
    configure_logs,
    end_orphan,
    end_within,
    when_parent_ends,
    when_terminated,
)
from bandstand.api.readiness import Readiness
from bandstand.api.routing import problems, shapes
from bandstand.api.scopes import scope_of
from bandstand.api.service import Service
from bandstand.api.subsonic_host import ServiceHost
from bandstand.settings import Settings, load_settings
from bandstand.subsonic.front import Front
from bandstand.subsonic.upstream import Upstream

Description = dict[str, Any]


def install_description(app: FastAPI) -> None:
    """Let `app.openapi` give the description, made once."""
    made: list[Description] = []

    def openapi() -> Description:
        if not made:
            made.append(_described(app))
        return made[0]

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> Description:
    description = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    shown = description.setdefault("components", {}).setdefault("schemas", {})
    for route in chain.from_iterable(router.routes for router in _ROUTERS):
        if isinstance(route, APIRoute) and route.include_in_schema:
            _describe_access(route, description["paths"][route.path_format])
    description["components"]["securitySchemes"] = _SCHEMES
    shown |= shapes(json.dumps(description["paths"]))
    for methods in description["paths"].values():
        for route in methods.values():
            for status, response in route["responses"].items():
                if int(status) >= 400:
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
    return description


_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Bandstand-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_REFUSALS = (401, 403, 429, 503)


def _describe_access(route: APIRoute, methods: Description) -> None:
    """Say of a route which scope it needs, where there are keys, and what it answers to who may not."""
    for method in route.methods or ():
        needed = scope_of(method, route.path)
        if needed is not None:
            told = methods[method.lower()]
            told["security"] = [{"key": []}, {"bearer": []}, {}]
            told["description"] += f"\n\nNeeds a key with the scope `{needed}` where there are keys."
            told["responses"] = {
                **{str(status): problem for status, problem in problems(*_REFUSALS).items()},
                **told["responses"],
            }


MEGABYTE = 1_000_000
_ROUTERS = (
    search_routes.router,
    search_routes.retrievers_router,
    event_routes.router,
    search_routes.related_router,
    catalogue_routes.router,
    entity_routes.router,
    cover_routes.router,
    synonym_routes.router,
    event_routes.users_router,
    model_routes.router,
    key_routes.router,
    dashboard_routes.router,
    query_routes.router,
    experiment_routes.router,
    operation_routes.router,
    page_routes.router,
    dashboard_routes.open_router,
)


def create_app(settings: Settings | None = None, *, learn: bool = True, readiness: Readiness | None = None) -> FastAPI:
    """The application. ``learn`` says whether this process follows the log too, or another one does.

    ``readiness`` is what it shares with other workers of the same server, if there are any.
    """
    settings = settings or load_settings()
    service, metrics = Service(settings, learn=learn, readiness=readiness), Metrics()
    recorder = Recorder(service, metrics)
    upstream = Upstream(settings.subsonic) if settings.subsonic is not None else None

    def ends() -> None:
        service.ending.set()
        end_within(LONGEST_END_S)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        when_terminated(ends)
        service.start()
        recorder.start()
        try:
            yield
        finally:
            await asyncio.to_thread(recorder.stop)
            await asyncio.to_thread(service.stop)
            if upstream is not None:
                await upstream.aclose()

    app = FastAPI(
        title="Bandstand",
        version=version("bandstand"),
        description="Music search that learns how to rank and how to retrieve.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[ADMITTED],
    )
    gate = Gate(service.keys, metrics, token_secret=settings.user_token_secret)
    app.state.service, app.state.metrics, app.state.recorder, app.state.gate = service, metrics, recorder, gate
    app.state.places = Places(ConnectionLimits.of(settings), metrics.refused_connection)
    install_problems(app)
    install_description(app)
    app.add_middleware(HotRoutes, service=service, metrics=metrics, gate=gate)
    streamed = (catalogue_routes.BULK,)
    app.add_middleware(BodyLimit, limit=int(settings.max_body_mb * MEGABYTE), streamed=streamed)
    app.add_middleware(KnownOrigins, keys=service.keys)
    app.add_middleware(KnownHosts, hosts=settings.known_hosts)
    if upstream is not None:
        app.add_middleware(Front, host=ServiceHost(app, service, metrics), upstream=upstream)
    app.add_middleware(Patience, seconds=settings.body_seconds, streamed=streamed)
    app.add_middleware(HeaderLimit)
    app.add_middleware(Guard, metrics=metrics, access_log=settings.access_log)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def create_worker(settings: Settings, readiness: Readiness) -> FastAPI:
    """The application of a stateless API process beside a `LearnerProcess`; it ends with the process that began it."""
    configure_logs(settings.log_level)
    when_parent_ends(end_orphan)
    return create_app(settings, learn=False, readiness=readiness)
