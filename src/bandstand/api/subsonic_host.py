"""The platform behind the front of a Subsonic server: it searches, and logs what players do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from bandstand.api.metrics import Metrics
from bandstand.api.problems import refusal
from bandstand.api.search_routes import searched
from bandstand.api.service import Service
from bandstand.app.searching import SearchingSide
from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.errors import BandstandError
from bandstand.subsonic.host import Host
from bandstand.subsonic.trail import Trail
from bandstand.types import Event


class ServiceHost(Host):
    """See `bandstand.subsonic.host.Host`."""

    def __init__(self, app: FastAPI, service: Service, metrics: Metrics) -> None:
        self._app, self._service, self._metrics = app, service, metrics

    @property
    def trail(self) -> Trail:
        """See `Host`."""
        return self._service.trail

    def owns(self, scope: Scope) -> bool:
        """See `Host`."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._app.routes)

    def refusal(self, error: BandstandError, scope: Scope) -> Response:
        """See `Host`."""
        return refusal(error, scope)

    async def search(self, request: SearchRequest) -> SearchResult:
        """See `Host`."""
        return await self._service.search(lambda home: searched(home, request, self._metrics))

    async def members(self, entity_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """See `Host`."""

        def work(home: SearchingSide) -> dict[str, frozenset[str]]:
            ordinals = home.store.ordinals(entity_ids)
            found = home.store.get_many(ordinals[ordinals >= 0])
            return {entity.id: frozenset(entity.members) for entity in found if entity is not None}

        return await asyncio.to_thread(work, self._service.home)

    async def log(self, events: Sequence[Event]) -> None:
        """See `Host`."""
        appended = await asyncio.to_thread(self._service.intake.log.append_events, events)
        self._metrics.received(accepted=appended.accepted, duplicates=appended.duplicates, rejected=0)
        self._metrics.acted(event.action for event in events)
