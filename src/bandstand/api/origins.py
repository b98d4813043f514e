"""What browsers say of where a request goes and comes from: the host that it names, and the site of the page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bandstand.access.keyring import Keyring
from bandstand.api.access import FOREIGN, HEADERS
from bandstand.api.problems import METHODS, problem
from bandstand.errors import Forbidden, Misdirected

ANY_HOST = "*"


class KnownHosts:
    """ASGI middleware: the request must be meant for this server.

    A page of somebody else's site can let its own name stand for our address and then read our answers (DNS
    rebinding); its requests name that site. Addresses are no names, so that they are let through.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._known = lru_cache(maxsize=1_000)(lambda host: _is_known(host, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        host = _header(scope, b"host") if scope["type"] == "http" else None
        if host is None or self._known(host):
            await self._app(scope, receive, send)
            return
        detail = "this server does not answer for the host that was named: BANDSTAND_HOSTS lists further names"
        await problem(Misdirected.status, Misdirected.title, detail)(scope, receive, send)


def _is_known(header: bytes, hosts: frozenset[str]) -> bool:
    try:
        name = urlsplit(f"//{header.decode('latin-1')}").hostname or ""
        if not hosts & {name, ANY_HOST} and name.rpartition(".")[2] != "localhost":
            ip_address(name)
    except ValueError:
        return False
    return True


_HARMLESS = frozenset(("GET", "HEAD", "OPTIONS"))
_OWN_SITES = frozenset((b"same-origin", b"none"))
_PREFLIGHT = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-allow-headers", b"content-type, x-bandstand-key, x-bandstand-user, authorization"),
    (b"access-control-max-age", b"600"),
]


class KnownOrigins:
    """ASGI middleware: changing requests of a browser must come from a page of this origin, or one that a key lists.

    Browsers say where a request comes from and pages cannot forge it: `Sec-Fetch-Site`, or, from browsers (and over
    connections) without it, `Origin`. Programs send neither and are let through: they carry no visitor's rights.
    Which key a page may use is for the gate to say.
    """

    def __init__(self, app: ASGIApp, keys: Keyring) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or _own(headers := dict(scope["headers"])):
            await self._app(scope, receive, send)
            return
        origin = headers.get(b"origin", b"").decode("latin-1")
        welcome = bool(origin) and self._keys.welcomes(origin)
        if origin:
            scope[FOREIGN] = origin
        if welcome:
            scope.setdefault(HEADERS, []).extend(_shared_with(origin))
        if welcome and b"access-control-request-method" in headers and scope["method"] == "OPTIONS":
            scope[HEADERS].extend(_PREFLIGHT)
            await Response(status_code=204)(scope, receive, send)
        elif welcome or scope["method"] in _HARMLESS:
            await self._app(scope, receive, send)
        else:
            detail = "a page of another site may not ask for this: call it from a program, through this site's pages,"
            detail += " or with a key that lists the site"
            await problem(Forbidden.status, Forbidden.title, detail)(scope, receive, send)


def _own(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request comes from a page of this origin, or from no page at all."""
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site in _OWN_SITES
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin).netloc == headers.get(b"host")


def _shared_with(origin: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"ratelimit, ratelimit-policy, retry-after"),
        (b"vary", b"origin"),
    ]


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
