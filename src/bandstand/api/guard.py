"""The outermost layer: counts every answer, and turns what nobody expected into a logged 503."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bandstand.api.metrics import Metrics
from bandstand.api.problems import METHODS, defect

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
