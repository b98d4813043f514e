"""The routes that are called all the time, reached without FastAPI's machinery: it takes longer than reading a request.

The routes are those that FastAPI has, and it describes them. What one of them is asked for is read here in one pass by
the same models; whatever is not a plain use of it is left to FastAPI, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.access.callers import Caller
from bandstand.access.scopes import Scope as Needed
from bandstand.api.access import CALLER, Gate
from bandstand.api.event_routes import take_in
from bandstand.api.metrics import Metrics
from bandstand.api.problems import refusal
from bandstand.api.schemas import SearchBody, SuggestQuery
from bandstand.api.scopes import scope_of
from bandstand.api.search_routes import search, suggest
from bandstand.api.service import Service
from bandstand.errors import BandstandError

Answering = Awaitable[Response]


class HotRoute(NamedTuple):
    """A route by its path; ``begin`` gives what will answer a request of a caller, None where FastAPI has to."""

    path: str
    needs: Needed
    begin: Callable[[Scope, bytes, Caller], Answering | None]


class HotRoutes:
    """ASGI middleware next to the router. What is around it counts, limits and catches as for every other route."""

    def __init__(self, app: ASGIApp, service: Service, metrics: Metrics, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._service = service
        self._metrics = metrics
        begin = {
            ("POST", "/v1/search"): self._search,
            ("GET", "/v1/suggest"): self._suggest,
            ("POST", "/v1/events"): self._events,
        }
        self._routes: Mapping[tuple[str, str], HotRoute] = {
            (method, path): HotRoute(path, scope_of(method, path) or "admin", how)
            for (method, path), how in begin.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, whose body `BodyLimit` has read whole."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        message = await receive()
        try:
            caller = scope[CALLER] = self._gate.admit(scope, route.needs)
            answering = route.begin(scope, message.get("body", b""), caller)
            response = None if answering is None else await answering
        except BandstandError as error:
            response = refusal(error, scope)
        if response is None:
            await self._app(scope, _again(message, receive), send)
            return
        scope["route"] = route
        await response(scope, receive, send)

    def _search(self, scope: Scope, body: bytes, caller: Caller) -> Answering | None:
        if scope["query_string"] or not _says_json(scope):
            return None
        try:
            asked = SearchBody.model_validate_json(body)
        except ValidationError:
            return None
        return search(asked, self._service, self._metrics, caller)

    def _suggest(self, scope: Scope, body: bytes, caller: Caller) -> Answering | None:  # noqa: ARG002 - GET has none
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            asked = SuggestQuery.model_validate(dict(pairs))
        except ValidationError:
            return None
        return suggest(asked, self._service, caller) if len(asked.model_fields_set) == len(pairs) else None

    def _events(self, scope: Scope, body: bytes, caller: Caller) -> Answering | None:
        if scope["query_string"]:
            return None
        return take_in(body, _header(scope, b"content-type"), self._service, self._metrics, caller)


def _again(message: Message, receive: Receive) -> Receive:
    """A channel that gives a message once more, then whatever comes after it."""
    messages = [message]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def _header(scope: Scope, name: bytes) -> str | None:
    found = next((value for key, value in scope["headers"] if key == name), None)
    return None if found is None else found.decode("latin-1")


def _says_json(scope: Scope) -> bool:
    return (_header(scope, b"content-type") or "").partition(";")[0] == "application/json"
