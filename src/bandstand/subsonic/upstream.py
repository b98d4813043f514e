"""The server behind the front: requests passed on as they are, and questions of our own."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpx
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bandstand.errors import Unavailable
from bandstand.subsonic.client import keep_addresses_unlogged
from bandstand.subsonic.protocol import CLIENT, VERSION, Object, opened

Headers = list[tuple[bytes, bytes]]

_OF_ONE_CONNECTION = frozenset((
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
))  # fmt: skip
_OURS = frozenset((b"date", b"server"))
_TELLING_BYTES = 1_024
_ASKING = httpx.Timeout(10.0)
_PASSING = httpx.Timeout(None, connect=10.0)
"""How long a caller waits is the caller's own affair: music is streamed for hours, and changes are waited for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server said to a question of ours; ``content`` is None where that was none of Subsonic's answers."""

    content: Object | None
    headers: Headers


class Upstream:
    """A server by its URL; nothing is reached before the first request. To be closed."""

    def __init__(self, url: str) -> None:
        keep_addresses_unlogged()
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(
        self, scope: Scope, body: bytes | AsyncIterable[bytes] | None, *, plain: bool = False
    ) -> httpx.Response:
        """Pass a request on; the answer's body, uncompressed where it is to be ``plain``, is still to be read.

        Raises:
            Unavailable: the server cannot be reached.
        """
        path = scope.get("raw_path") or scope["path"].encode()
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        url = httpx.URL(self.url)
        url = url.copy_with(raw_path=url.raw_path.rstrip(b"/") + path + query)
        without = {b"host", b"accept-encoding"} if plain else {b"host"}
        headers = _end_to_end(scope["headers"], without=without) + _forwarded(scope)
        request = httpx.Request(
            scope["method"], url, headers=headers, content=body, extensions={"timeout": _PASSING.as_dict()}
        )
        try:
            return await self._http.send(request, stream=True, follow_redirects=False)
        except httpx.HTTPError as cause:
            raise self._away(cause) from None  # its request holds the login

    async def ask(self, view: str, parameters: Mapping[str, str], headers: Sequence[tuple[bytes, bytes]] = ()) -> Asked:
        """Ask for something on behalf of a caller, with the caller's own login.

        Raises:
            Unavailable: the server cannot be reached.
        """
        form = {"v": VERSION, "c": CLIENT, **parameters, "f": "json"}
        try:
            found = await self._http.get(
                f"{self.url}/rest/{view}.view", params=form, headers=list(headers), timeout=_ASKING
            )
        except httpx.HTTPError as cause:
            raise self._away(cause) from None
        return Asked(opened(found.content), found.headers.raw)

    def location(self, value: bytes) -> bytes:
        """Where the server redirects to, as a path where that is the server itself."""
        return value.removeprefix(self.url.encode()) or b"/"

    def _away(self, cause: httpx.HTTPError) -> Unavailable:
        return Unavailable(f"{self.url} does not answer ({type(cause).__name__})", retry_after=5)


class Passed:
    """An answer on its way to the caller, piece by piece as it comes; ``first`` is what was read of it already."""

    def __init__(self, upstream: Upstream, answer: httpx.Response) -> None:
        self._upstream, self._answer = upstream, answer
        self._pieces = answer.aiter_raw()
        self.first = b""

    @property
    def succeeded(self) -> bool:
        """Whether the server did what it was asked for; failures of the API come with status 200 and say so at once."""
        failed = (b'status="failed"', b"status='failed'", b'"status":"failed"', b'"status": "failed"')
        return self._answer.status_code < 300 and not any(word in self.first for word in failed)

    async def begin(self) -> None:
        """Read as much as may say that it failed."""
        async for piece in self._pieces:
            self.first += piece
            if len(self.first) >= _TELLING_BYTES:
                return

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it on, until its end or until the caller leaves."""
        response = StreamingResponse(self._body(), self._answer.status_code)
        response.raw_headers = [
            (name, self._upstream.location(value) if name == b"location" else value)
            for name, value in _end_to_end(self._answer.headers.raw, without=_OURS)
        ]
        try:
            await response(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._answer.aclose()

    async def _body(self) -> AsyncIterable[bytes]:
        if self.first:
            yield self.first
        async for piece in self._pieces:
            yield piece


def _end_to_end(headers: Sequence[tuple[bytes, bytes]], *, without: frozenset[bytes] | set[bytes]) -> Headers:
    """Headers without those that concern one connection alone, names in small letters."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {word.strip().lower() for name, value in lower if name == b"connection" for word in value.split(b",")}
    left_out = _OF_ONE_CONNECTION | named | without
    return [(name, value) for name, value in lower if name not in left_out]


def _forwarded(scope: Scope) -> Headers:
    """Who asked, and under which name we were asked, as proxies tell."""
    known = dict(scope["headers"])
    client = (scope.get("client") or ("unknown", 0))[0].encode()
    found = [(b"x-forwarded-proto", scope["scheme"].encode()), (b"x-forwarded-host", known.get(b"host", b""))]
    return [(b"x-forwarded-for", client), *((name, value) for name, value in found if name not in known)]
