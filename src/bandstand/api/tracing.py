"""By what name one request is known: in its answer, in a problem, and in whatever is logged meanwhile.

A request belongs to a trace by W3C's Trace Context (``traceparent``, version 00): the caller's, else one of its own.
Its ``X-Request-Id`` is the caller's, else the trace's id.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import NamedTuple

import structlog
from starlette.types import Scope

from bandstand.api.access import HEADERS

_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class RequestIds(NamedTuple):
    """The ids of a request, in ASCII; ``span_id`` is its own part of the trace, ``flags`` are the caller's."""

    request_id: str
    trace_id: str
    span_id: str
    flags: str


_CURRENT: ContextVar[RequestIds | None] = ContextVar("request", default=None)


def begin_request(scope: Scope) -> RequestIds:
    """Give a request its ids; its answer is to carry them, and what is logged in its context does."""
    named = parent = None
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            named = _REQUEST_ID.fullmatch(value)
        elif name == b"traceparent":
            parent = _TRACEPARENT.fullmatch(value)
    trace_id, flags = (group.decode() for group in parent.groups()) if parent else (secrets.token_hex(16), "00")
    ids = RequestIds(named[0].decode() if named else trace_id, trace_id, secrets.token_hex(8), flags)
    _CURRENT.set(ids)
    scope.setdefault(HEADERS, []).extend(
        (
            (b"x-request-id", ids.request_id.encode()),
            (b"traceparent", f"00-{trace_id}-{ids.span_id}-{flags}".encode()),
        )
    )
    return ids


def request_id() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    current = _CURRENT.get()
    return None if current is None else current.request_id


def add_request(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor: says for which request something is logged."""
    if (current := _CURRENT.get()) is not None:
        event["request_id"], event["trace_id"], event["span_id"] = current[:3]
    return event
