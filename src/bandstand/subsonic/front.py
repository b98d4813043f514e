"""The front: ASGI middleware that stands before a Subsonic server, answers its searches, and passes the rest on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bandstand.errors import BandstandError, Unavailable
from bandstand.subsonic.answers import SEARCHES, Answers, Wanted
from bandstand.subsonic.call import Call, call_of, has_form, view_of
from bandstand.subsonic.events import ACTING, CHANGING, Acts
from bandstand.subsonic.host import Host
from bandstand.subsonic.logins import Login, Logins
from bandstand.subsonic.objects import Asking, Objects
from bandstand.subsonic.protocol import VERSION, written
from bandstand.subsonic.upstream import Passed, Upstream

_MOST_FORM_BYTES = 1 << 20
_READ = SEARCHES.keys() | ACTING


class _Route(NamedTuple):
    """What requests are counted under."""

    path: str


class Front:
    """Requests for the host's own routes are the host's; of all others the server behind gets every one but searches.

    Who may search is asked of the server. Where the host cannot answer, or finds nothing, the server does.
    """

    def __init__(self, app: ASGIApp, *, host: Host, upstream: Upstream) -> None:
        self._app, self._host, self._upstream = app, host, upstream
        self._logins, self._objects = Logins(upstream), Objects(upstream)
        self._answers, self._acts = Answers(host), Acts(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        view = view_of(scope["path"]) if scope["type"] == "http" else None
        if scope["type"] != "http" or (view is None and self._host.owns(scope)):
            await self._app(scope, receive, send)
            return
        scope["route"] = _Route(f"/rest/{view}" if view in _READ else "upstream")
        try:
            if view in _READ and "authorization" not in (headers := _headers(scope)):
                response = await self._called(str(view), headers, scope, receive)
            else:
                response = await self._passed(scope, _streamed(scope, receive))
        except Unavailable as error:
            response = self._host.refusal(error, scope) if view is None else _away(error, scope)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _called(self, view: str, headers: dict[str, bytes], scope: Scope, receive: Receive) -> Response | Passed:
        """The answer to a call that concerns us; its body, if it has one, is read whole."""
        body = await _whole(receive) if _has_body(scope) else None
        if body is None and _has_body(scope):
            return Response(status_code=413)
        call = call_of(view, scope, body if body and has_form(headers) else b"")
        if call is not None and view in SEARCHES:
            found = await self._searched(call, headers.get("origin", b""))
            if found is not None:
                return found
        passed = await self._passed(scope, body, plain=view in ACTING)
        if call is not None and view in ACTING and scope["method"] != "HEAD":
            await passed.begin()
            if passed.succeeded:
                await self._acted(call, headers.get("origin", b""))
        return passed

    async def _searched(self, call: Call, origin: bytes) -> Response | None:
        """Our answer to a search; None where it is for the server to answer.

        Raises:
            Unavailable: the server cannot be reached.
        """
        wanted = Wanted.of(call)
        login = await self._logins.of(call, origin) if wanted is not None and call.login else None
        if wanted is None or login is None:
            return None
        asking = Asking(self._objects, login.user, call.login)
        try:
            element = await self._answers.answer(call, wanted, asking)
            return None if element is None else _answer(call, login, {SEARCHES[call.view]: element})
        except BandstandError as error:
            structlog.get_logger("subsonic").warning("search_passed_on", reason=str(error))
            return None

    async def _acted(self, call: Call, origin: bytes) -> None:
        """Take in what was done; the server has accepted it, which a failure of ours does not change."""
        try:
            user = await self._user(call, origin)
            if user is not None and call.view in CHANGING:
                self._objects.forget(user)
            if user is not None:
                await self._acts.take_in(call, user, time.time())
        except BandstandError as error:
            structlog.get_logger("subsonic").warning("event_lost", view=call.view, reason=str(error))

    async def _user(self, call: Call, origin: bytes) -> str | None:
        """Whose call the server has accepted: it has checked the name, but a key has to be asked about.

        Of several names nobody here knows which one it has checked.
        """
        if "apiKey" not in call.login:
            names = set(call.every("u"))
            return names.pop() if len(names) == 1 else None
        login = await self._logins.of(call, origin)
        return None if login is None else login.user

    async def _passed(self, scope: Scope, body: bytes | AsyncIterator[bytes] | None, *, plain: bool = False) -> Passed:
        return Passed(self._upstream, await self._upstream.send(scope, body, plain=plain))


def _answer(call: Call, login: Login, content: dict[str, object]) -> Response:
    body, media_type = written({**login.envelope, **content}, form=call.first("f"), callback=call.first("callback"))
    response = Response(body, media_type=media_type)
    response.raw_headers += login.headers
    return response


def _away(error: Unavailable, scope: Scope) -> Response:
    """That the server behind is away, as the API says that something failed."""
    call = call_of("", scope, b"")
    form = call.first("f") if call is not None else None
    content = {"status": "failed", "version": VERSION, "error": {"code": 0, "message": str(error)}}
    body, media_type = written(content, form="json" if form == "json" else None, callback=None)
    return Response(body, 503, {"retry-after": str(round(error.retry_after))}, media_type)


def _headers(scope: Scope) -> dict[str, bytes]:
    return {name.decode("latin-1").lower(): value for name, value in scope["headers"]}


def _has_body(scope: Scope) -> bool:
    headers = _headers(scope)
    return "transfer-encoding" in headers or headers.get("content-length", b"0") != b"0"


async def _whole(receive: Receive) -> bytes | None:
    """The body; None where it is larger than a form of the API is."""
    body = b""
    async for piece in _pieces(receive):
        body += piece
        if len(body) > _MOST_FORM_BYTES:
            return None
    return body


def _streamed(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    return _pieces(receive) if _has_body(scope) else None


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        ClientDisconnect: the caller has left.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)
