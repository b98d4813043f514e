"""What the front needs of the platform that answers in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.responses import Response
from starlette.types import Scope

from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.errors import BandstandError
from bandstand.subsonic.trail import Trail
from bandstand.types import Event


class Host(Protocol):
    """Searches, takes events in, and has routes of its own."""

    @property
    def trail(self) -> Trail:
        """What accounts were shown.

        Raises:
            Unavailable: it is not open yet.
        """
        ...

    def owns(self, scope: Scope) -> bool:
        """Whether a request is for a route of its own."""
        ...

    def refusal(self, error: BandstandError, scope: Scope) -> Response:
        """The answer to a request that ended with an error."""
        ...

    async def search(self, request: SearchRequest) -> SearchResult:
        """Answer a search.

        Raises:
            BandstandError: it cannot be answered (now).
        """
        ...

    async def members(self, entity_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """The ids that each of these entities holds, as far as there are such entities.

        Raises:
            BandstandError: the catalogue cannot be read (now).
        """
        ...

    async def log(self, events: Sequence[Event]) -> None:
        """Take events in.

        Raises:
            BandstandError: they cannot be written.
        """
        ...
