"""Refuses what another site's page asks a visitor's browser to change here (cross-site request forgery)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from bandstand.api.problems import problem
from bandstand.errors import Forbidden

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
