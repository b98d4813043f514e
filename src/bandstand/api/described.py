"""What a route may answer, in the terms of FastAPI's ``responses``: its own answer, and problems by status."""

from __future__ import annotations

from typing import Any

from bandstand.api.answers import Answer, Nothing


class ErrorAnswer(Answer):
    """One value that cannot be used."""

    field: str
    reason: str


class Problem(Answer):
    """An RFC 9457 problem; `field` names the value that cannot be used, `errors` all of them."""

    type: str
    title: str
    status: int
    detail: str
    field: str | Nothing = None
    errors: list[ErrorAnswer] | Nothing = None


Responses = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The body cannot be read",
    403: "The admin key is missing or wrong",
    404: "Not found",
    409: "Contradicts what is stored",
    413: "Too large",
    422: "A value cannot be used; says which",
    503: "Not now; `Retry-After` says when",
}


def problems(*statuses: int) -> Responses:
    """The problems that a route may answer with, in the terms of a route's ``responses``."""
    return {status: {"description": _MEANINGS[status], "model": Problem} for status in statuses}


def answered(model: type[Answer], *statuses: int, status: int = 200) -> Responses:
    """The answer of a route and the problems that it may answer with instead."""
    return {status: {"model": model}, **problems(*statuses)}
