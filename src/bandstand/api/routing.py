"""What routes share: the service and the metrics, ids in paths, declared answers, answers as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Request
from fastapi.responses import Response
from msgspec import UNSET, UnsetType
from starlette.convertors import Convertor, register_url_convertor

from bandstand.api.metrics import Metrics, Recorder
from bandstand.api.schemas import MAX_ID
from bandstand.api.service import Service
from bandstand.catalog.codec import MAX_ID as MAX_ENTITY_ID
from bandstand.types.answers import Answer


class ErrorAnswer(Answer):
    """One value that cannot be used."""

    field: str
    reason: str


class Problem(Answer):
    """An RFC 9457 problem; `field` names the value that cannot be used, `errors` all of them.

    `request_id` is what the server's log calls this request.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | UnsetType = UNSET
    errors: list[ErrorAnswer] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


_REFERENCE = "#/components/schemas/{name}"

Responses = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The body cannot be read",
    401: "A key or a user token is missing, unknown, or has expired",
    403: "The key does not open this",
    404: "Not found",
    409: "Contradicts what is stored",
    413: "Too large",
    422: "A value cannot be used; says which",
    429: "The key is used too often, or learning is behind; `Retry-After` says when",
    503: "Not now; `Retry-After` says when",
}


def problems(*statuses: int) -> Responses:
    """The problems that a route may answer with, in the terms of a route's ``responses``."""
    return {status: {"description": _MEANINGS[status], "content": _content(Problem)} for status in statuses}


def answered(model: type[Answer], *statuses: int, status: int = 200) -> Responses:
    """The answer of a route and the problems that it may answer with instead."""
    return {status: {"content": _content(model)}, **problems(*statuses)}


def _content(model: type[Answer]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=model.__name__)}}}


def shapes(described: str) -> dict[str, Any]:
    """The JSON schemas of all answers that a description (OpenAPI, as JSON) refers to, by name."""
    known, named = dict(_every(Answer)), set(re.findall(_REFERENCE.format(name=r"(\w+)"), described))
    _, schemas = msgspec.json.schema_components(
        [known[name] for name in sorted(named & known.keys())], ref_template=_REFERENCE
    )
    return schemas


def _every(answer: type[Answer]) -> Iterator[tuple[str, type[Answer]]]:
    for kind in answer.__subclasses__():
        yield kind.__name__, kind
        yield from _every(kind)


async def service_of(request: Request) -> Service:
    """The service of the app that got the request."""
    service: Service = request.app.state.service
    return service


async def metrics_of(request: Request) -> Metrics:
    """The metrics of the app that got the request."""
    metrics: Metrics = request.app.state.metrics
    return metrics


async def recorder_of(request: Request) -> Recorder:
    """The recorder of the app that got the request."""
    recorder: Recorder = request.app.state.recorder
    return recorder


ServiceOf = Annotated[Service, Depends(service_of)]
MetricsOf = Annotated[Metrics, Depends(metrics_of)]
RecorderOf = Annotated[Recorder, Depends(recorder_of)]


class AnyText(Convertor[str]):
    """At least one character of any kind: Starlette's own `path` stops at line breaks."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


class UserText(AnyText):
    """Any text but what names a part of a user: the path of what is held of them."""

    regex = r"[\s\S]+(?<!/export)"


class EntityText(AnyText):
    """Any text but what names a part of an entity: the path of its related ones."""

    regex = r"[\s\S]+(?<!/related)"


# Starlette knows convertors by name and looks the name up while a route is being declared.
register_url_convertor("user", UserText())
register_url_convertor("entity", EntityText())

ENTITY = "/{entity_id:entity}"
RELATED = f"{ENTITY}/related"
USER = "/{user_id:user}"

EntityId = Annotated[str, Path(max_length=MAX_ENTITY_ID)]
UserId = Annotated[str, Path(max_length=MAX_ID)]


class JsonAnswer(Response):
    """A JSON answer: an `Answer`, or plain values that UTF-8 can carry; what is not a number becomes null."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body's bytes."""
        return msgspec.json.encode(content)
