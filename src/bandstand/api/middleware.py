"""The layers around every route: answers counted, unexpected errors caught, bodies limited."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.api.access import HEADERS
from bandstand.api.metrics import Metrics
from bandstand.api.problems import METHODS, defect, problem
from bandstand.errors import TooLarge

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
                message = {**message, "headers": [*message.get("headers", ()), *scope.get(HEADERS, ())]}
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
    """ASGI middleware: counts the body's bytes as they come and answers 413 as soon as they are too many.

    Posts to the ``streamed`` paths go by: their routes read the body as it comes, and see to its limits.
    """

    def __init__(self, app: ASGIApp, limit: int, streamed: Collection[str] = ()) -> None:
        self._app = app
        self._limit = limit
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or (scope["path"] in self._streamed and scope["method"] == "POST"):
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
