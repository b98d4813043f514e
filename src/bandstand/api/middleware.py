"""The layers around every route: answers counted, unexpected errors caught, bodies limited, other sites refused."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.api.metrics import Metrics
from bandstand.api.problems import METHODS, defect, problem
from bandstand.errors import Forbidden, TooLarge

_CLIENT_LEFT = 499


class Guard:
    """ASGI middleware around everything else, so that no request ends without an answer that a program can read."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _CLIENT_LEFT

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            structlog.get_logger("api").error("unexpected_error", path=scope["path"], exc_info=error)
            if status != _CLIENT_LEFT:
                raise  # half an answer is out: only breaking the connection tells the client
            await defect()(scope, receive, noted)
        finally:
            # Neither paths nor invented methods become labels: anybody could make as many of them as they like.
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            self._metrics.answered(method, getattr(scope.get("route"), "path", "unknown"), status)


class BodyLimit:
    """ASGI middleware: counts the body's bytes as they come and answers 413 as soon as they are too many."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._limit:
            await self._refuse(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client left
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._limit:
                await self._refuse(scope, receive, send)
                return
        await self._app(scope, _replayed(bytes(body), receive), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body is larger than {self._limit} bytes: send it in parts"
        await problem(TooLarge.status, TooLarge.title, detail)(scope, receive, send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body that was read already, then whatever comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


_HARMLESS = frozenset(("GET", "HEAD", "OPTIONS"))
_OWN_SITES = frozenset((b"same-origin", b"none"))


class SameOrigin:
    """ASGI middleware: changing requests of a browser must come from a page of this very origin.

    Browsers say where a request comes from and pages cannot forge it: `Sec-Fetch-Site`, or, from browsers (and over
    connections) without it, `Origin`. Programs send neither and are let through: they carry no visitor's rights.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] not in _HARMLESS and not _own(dict(scope["headers"])):
            detail = "a page of another site may not ask for this: call it from a program, or through this site's pages"
            await problem(Forbidden.status, Forbidden.title, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _own(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request comes from a page of this origin, or from no page at all."""
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site in _OWN_SITES
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin).netloc == headers.get(b"host")
