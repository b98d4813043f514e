"""Refuses request bodies above a limit, also those that do not announce their size."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.api.problems import problem
from bandstand.errors import TooLarge


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
