"""The HTTP application: routes, errors, limits, and the service's life from start to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from bandstand.api import (
    arms,
    asked,
    dashboard,
    entities,
    events,
    experiments,
    models,
    operation,
    pages,
    related,
    search,
    served,
    synonyms,
    users,
)
from bandstand.api.body_limit import BodyLimit
from bandstand.api.description import install_description
from bandstand.api.guard import Guard
from bandstand.api.logs import configure_logs
from bandstand.api.metrics import Metrics
from bandstand.api.problems import install_problems
from bandstand.api.processes import when_parent_ends
from bandstand.api.recorder import Recorder
from bandstand.api.same_origin import SameOrigin
from bandstand.api.service import Service
from bandstand.settings import Settings, load_settings

MEGABYTE = 1_000_000
_ROUTES = (
    search,
    arms,
    events,
    related,
    entities,
    synonyms,
    users,
    models,
    dashboard,
    asked,
    experiments,
    served,
    operation,
    pages,
)


def create_app(settings: Settings | None = None, *, learn: bool = True) -> FastAPI:
    """The application. ``learn`` says whether this process follows the log too, or another one does."""
    settings = settings or load_settings()
    service, metrics = Service(settings, learn=learn), Metrics()
    recorder = Recorder(service, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        recorder.start()
        try:
            yield
        finally:
            await asyncio.to_thread(recorder.stop)
            await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="Bandstand",
        version=version("bandstand"),
        description="Music search that learns how to rank and how to retrieve.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service, app.state.metrics, app.state.recorder = service, metrics, recorder
    install_problems(app)
    install_description(app)
    app.add_middleware(BodyLimit, limit=int(settings.max_body_mb * MEGABYTE))
    app.add_middleware(SameOrigin)
    app.add_middleware(Guard, metrics=metrics)
    for module in _ROUTES:
        app.include_router(module.router)
    app.include_router(dashboard.open_router)
    return app


def create_worker(settings: Settings) -> FastAPI:
    """The application of a stateless API process beside a `LearnerProcess`; it ends with the process that began it."""
    configure_logs()
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    return create_app(settings, learn=False)
