"""Every error as RFC 9457 problem+json: the error tree, validation, unknown routes, and whatever slipped through."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from bandstand.api.tracing import request_id
from bandstand.errors import BadInput, BandstandError, HeaderTooLarge, TooMany, TooSlow, Unauthorized, Unavailable

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_SHOWN_ERRORS = 10
_REMEDIES = {
    400: "the body cannot be read as UTF-8 JSON",
    404: "there is no such route: /docs lists them",
    405: "this route has other methods: /docs lists them",
}


def problem(
    status: int, title: str, detail: str, *, headers: dict[str, str] | None = None, **extra: object
) -> Response:
    """A problem document. ``extra`` members (``field``, ``errors``) are added when they are not None."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    extra["request_id"] = request_id()
    document.update({name: value for name, value in extra.items() if value is not None})
    # The detail may quote what the caller sent, and that may hold characters that UTF-8 has not (lone surrogates).
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def defect() -> Response:
    """The answer where nothing better is known: the reason is in the server's log."""
    detail = "an unexpected error was logged by the server; try again"
    return problem(503, BandstandError.title, detail, headers={"Retry-After": "1"})


def install_problems(app: FastAPI) -> None:
    """Answer every error that a route of ``app`` raises on purpose with a problem document."""
    app.add_exception_handler(BandstandError, _of_tree)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def route_of(scope: Scope) -> str:
    """The route that a request took, as it is declared: what stands in its path may say who somebody is.

    The first two parts of the path, where it took none (yet).
    """
    declared: str | None = getattr(scope.get("route"), "path", None)
    return declared or "/".join(scope["path"].split("/")[:3])


def refusal(error: BandstandError, scope: Scope) -> Response:
    """The answer to a request that ended with an error raised on purpose."""
    if error.status < 500:
        field = error.field if isinstance(error, BadInput) else None
        return problem(error.status, error.title, str(error), field=field, headers=_headers(error))
    wait = error.retry_after if isinstance(error, Unavailable) else 1.0
    if not isinstance(error, Unavailable):
        structlog.get_logger("api").error("request_failed", route=route_of(scope), reason=str(error))
    return problem(503, error.title, str(error), headers={"Retry-After": str(max(1, round(wait)))})


def _headers(error: BandstandError) -> dict[str, str]:
    if isinstance(error, TooMany):
        return {"Retry-After": str(math.ceil(error.retry_after))}
    if isinstance(error, TooSlow | HeaderTooLarge):  # what may yet come of it is no next request
        return {"Connection": "close"}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}


def last_words(error: BandstandError) -> bytes:
    """The whole of an answer to whoever cannot be served at all: the connection is closed after it."""
    response = refusal(error, {"path": ""})
    lines = [b"%s: %s" % header for header in response.raw_headers if header[0] != b"connection"]
    status = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()
    return b"\r\n".join((status, *lines, b"connection: close", b"", bytes(response.body)))


async def _of_tree(request: Request, error: Exception) -> Response:
    assert isinstance(error, BandstandError)
    return refusal(error, request.scope)


async def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found: Sequence[Any] = error.errors()[:_SHOWN_ERRORS]
    errors = [{"field": _field(item), "reason": _reason(item)} for item in found]
    detail = "; ".join(f"{item['field']}: {item['reason']}" for item in errors)
    return problem(422, BadInput.title, detail, field=errors[0]["field"], errors=errors)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _REMEDIES.get(error.status_code, str(error.detail))
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else dict(error.headers or {})
    return problem(error.status_code, HTTPStatus(error.status_code).phrase, detail, headers=headers)


def _allowed(request: Request) -> str:
    """Every method of the path: the router only tells those of the first route that matches."""
    routes: Sequence[BaseRoute] = request.app.routes
    scopes = ({**request.scope, "method": method} for method in METHODS)
    return ", ".join(s["method"] for s in scopes if any(route.matches(s)[0] is Match.FULL for route in routes))


def _field(item: dict[str, Any]) -> str:
    """The path to the value inside the body or the parameters, e.g. ``filters.year.gte``."""
    if item["type"] == "json_invalid":
        return "body"
    return ".".join(map(str, item["loc"][1:])) or "body"


def _reason(item: dict[str, Any]) -> str:
    if item["type"] == "json_invalid":
        return f"not JSON: {item['ctx']['error']} at character {item['loc'][1]}"
    if item["type"] == "extra_forbidden":
        return "unknown field"
    return str(item["msg"])
