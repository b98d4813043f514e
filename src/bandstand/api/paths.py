"""Paths that end in an id, which may hold anything: slashes (as they are or as %2F), line breaks, any script."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.convertors import Convertor, register_url_convertor

from bandstand.api.schemas import MAX_ID
from bandstand.catalog.codec import MAX_ID as MAX_ENTITY_ID


class AnyText(Convertor[str]):
    """At least one character of any kind: Starlette's own `path` stops at line breaks."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


class EntityText(AnyText):
    """Any text but what names a part of an entity: the path of its related ones."""

    regex = r"[\s\S]+(?<!/related)"


# Starlette knows convertors by name and looks the name up while a route is being declared.
register_url_convertor("any", AnyText())
register_url_convertor("entity", EntityText())

ENTITY = "/{entity_id:entity}"
RELATED = f"{ENTITY}/related"
USER = "/{user_id:any}"

EntityId = Annotated[str, Path(max_length=MAX_ENTITY_ID)]
UserId = Annotated[str, Path(max_length=MAX_ID)]
