"""The layers around every route: answers counted, unexpected errors caught, headers and bodies limited, and waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.api.access import HEADERS
from bandstand.api.connections import MAX_HEADER_BYTES, MAX_HEADERS, header_too_large
from bandstand.api.metrics import Metrics
from bandstand.api.problems import METHODS, defect, problem, refusal, route_of
from bandstand.api.tracing import begin_request
from bandstand.errors import BandstandError, TooLarge, TooSlow

_CLIENT_LEFT = 499


class Guard:
    """ASGI middleware around everything else, so that no request ends without an answer that a program can read.

    It gives each request its name, counts it, and logs it where ``access_log`` says so.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, access_log: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = _CLIENT_LEFT, time.perf_counter()
        begin_request(scope)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *scope.get(HEADERS, ())]}
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except BandstandError as error:  # of a layer
            if status != _CLIENT_LEFT:
                raise
            await refusal(error, scope)(scope, receive, noted)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and answered
            structlog.get_logger("api").error("unexpected_error", route=route_of(scope), exc_info=error)
            if status != _CLIENT_LEFT:  # half an answer is out: only breaking the connection tells the client
                raise ConnectionAbortedError("an answer was broken off") from None  # uvicorn writes it into its own log
            await defect()(scope, receive, noted)
        finally:
            # Neither paths nor invented methods become labels: anybody could make as many of them as they like.
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", "unknown")
            self._metrics.answered(method, route, status)
            if self._access_log:
                took_ms = round((time.perf_counter() - began) * 1e3, 3)
                structlog.get_logger("access").info("request", method=method, route=route, status=status, ms=took_ms)


class HeaderLimit:
    """ASGI middleware: answers 431 to headers of more lines or bytes than agreed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and _header_is_large(scope):
            raise header_too_large()
        await self._app(scope, receive, send)


def _header_is_large(scope: Scope) -> bool:
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return True
    path = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return path + sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES


BYTES_A_SECOND = 500
"""The pace of a body, on average: that of the slowest telephone."""


class Patience:
    """ASGI middleware: a body may be waited for ``seconds``, and for a second more with every 500 bytes of it.

    Only waiting counts: a sender is not late while the server takes in what came. Posts to the ``streamed`` paths may
    come at any pace, as entities are made, but never nothing for so long.

    Raises:
        TooSlow: to whoever waits for the body.
    """

    def __init__(self, app: ASGIApp, seconds: float, streamed: Collection[str] = ()) -> None:
        self._app = app
        self._seconds = seconds
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            streamed = scope["path"] in self._streamed and scope["method"] == "POST"
            receive = self._waiting(receive, self._seconds * BYTES_A_SECOND if streamed else 0)
        await self._app(scope, receive, send)

    def _waiting(self, receive: Receive, pieces_count: float) -> Receive:
        """A channel that loses patience; a piece counts as so many bytes at least."""
        clock, left, more = asyncio.get_running_loop().time, self._seconds, True

        async def next_message() -> Message:
            nonlocal left, more
            if not more:  # only the end of the connection is still to come
                return await receive()
            began = clock()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            body = message.get("body", b"")
            more = bool(message.get("more_body", False))
            gained = max(len(body), pieces_count) / BYTES_A_SECOND if body else 0.0
            left = min(left - (clock() - began) + gained, self._seconds)
            return message

        return next_message

    def _too_slow(self) -> TooSlow:
        detail = (
            f"the body did not come: {self._seconds:g} s without it, or slower than {BYTES_A_SECOND} bytes a second"
        )
        return TooSlow(f"{detail}, are too long: BANDSTAND_BODY_SECONDS")


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
