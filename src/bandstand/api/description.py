"""The OpenAPI description: FastAPI's own, with errors in the media type that they really have."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bandstand.api.problems import MEDIA_TYPE

Description = dict[str, Any]


def install_description(app: FastAPI) -> None:
    """Let `app.openapi` give the description, made once."""
    made: list[Description] = []

    def openapi() -> Description:
        if not made:
            made.append(_described(app))
        return made[0]

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> Description:
    description = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    for methods in description["paths"].values():
        for route in methods.values():
            for status, response in route["responses"].items():
                if int(status) >= 400:
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
    return description
