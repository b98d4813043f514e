"""Answers to `search2` and `search3` in the server's place: our ranking, its elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.subsonic.call import Call
from bandstand.subsonic.entities import server_id
from bandstand.subsonic.host import Host
from bandstand.subsonic.objects import Asking
from bandstand.subsonic.protocol import Object
from bandstand.subsonic.trail import WINDOW_S, Shown
from bandstand.types import LOGGED_DEPTH, Kind

SEARCHES = {"search2": "searchResult2", "search3": "searchResult3"}
"""Views that are answered here, and the element that their answers hold."""

_KINDS: Mapping[Kind, str] = {"artist": "artist", "album": "album", "track": "song"}
_DEFAULT_COUNT = 20
_SAME_S = 30.0
"""How long the same words of the same account are the same search."""

_MOST_USER_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a search asks for: a text, and of each kind how many from which place on."""

    text: str
    counts: Mapping[Kind, int]
    offsets: Mapping[Kind, int]

    @classmethod
    def of(cls, call: Call) -> Wanted | None:
        """What a call asks for; None where that is for the server: everything, one of its folders, or nothing valid.

        Players write an empty query as two quotes, and put an asterisk behind words of which they want beginnings.
        """
        text = (call.first("query") or "").strip().rstrip("*").strip()
        if not text.strip("\"'") or call.first("musicFolderId"):
            return None
        try:
            counts = {kind: int(call.first(f"{name}Count") or _DEFAULT_COUNT) for kind, name in _KINDS.items()}
            offsets = {kind: int(call.first(f"{name}Offset") or 0) for kind, name in _KINDS.items()}
        except ValueError:
            return None
        if min(*counts.values(), *offsets.values()) < 0:
            return None
        return cls(text=text, counts=counts, offsets=offsets)

    @property
    def pages_on(self) -> bool:
        """Whether it is a further page."""
        return any(self.offsets.values())

    def part(self, kind: Kind) -> slice:
        """Which of the hits of a kind."""
        return slice(self.offsets[kind], self.offsets[kind] + self.counts[kind])


class Answers:
    """Answers searches of accounts that the server has accepted."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def answer(self, call: Call, wanted: Wanted, asking: Asking) -> Object | None:
        """The element of the answer; None where nothing was found: the server may know what is new.

        Raises:
            BandstandError: it cannot be answered.
        """
        query_id, ranked = await self._ranked(wanted, asking.user)
        if not any(ranked.values()):
            return None
        element: Object = {}
        shown: list[str] = []
        folders: dict[str, str] = {}
        for kind, entities in ranked.items():
            ids = list(entities)[wanted.part(kind)]
            found = await asking.every(kind, ids, by_folder=call.view == "search2")
            shown += [entities[id_] for id_, _ in found]
            folders |= {str(each["id"]): entities[id_] for id_, each in found if str(each["id"]) != id_}
            if found:
                element[_KINDS[kind]] = [each for _, each in found]
        self._host.trail.note(asking.user, wanted.text, Shown(query_id, tuple(shown), folders))
        return element

    async def _ranked(self, wanted: Wanted, user: str) -> tuple[str, dict[Kind, dict[str, str]]]:
        """The id of the search; of each kind the server's ids with those of the entities, best first.

        One search is logged, also where a player asks for artists, albums and songs one by one. Where others crowd a
        kind out of it, what is missing comes from a search of its own.
        """
        within = WINDOW_S if wanted.pages_on else _SAME_S
        earlier = self._host.trail.search(user, wanted.text, within=within)
        request = SearchRequest(
            query=wanted.text,
            k=LOGGED_DEPTH,
            query_id=earlier,
            user_id=user if len(user) <= _MOST_USER_CHARS else None,
            kinds=tuple(_KINDS),
        )
        result = await self._host.search(request)
        ranked = {kind: _of_kind(result, kind) for kind in _KINDS}
        if len(result.impression.entity_ids) >= LOGGED_DEPTH:
            for kind, entities in ranked.items():
                if wanted.counts[kind] and len(entities) < wanted.part(kind).stop:
                    text = result.impression.query.meant
                    more = await self._host.search(
                        SearchRequest(query=text, k=LOGGED_DEPTH, user_id=request.user_id, kinds=(kind,), preview=True)
                    )
                    ranked[kind] = entities | _of_kind(more, kind)
        return result.impression.query.id, ranked


def _of_kind(result: SearchResult, kind: Kind) -> dict[str, str]:
    ids = [hit.entity.id for hit in result.hits if hit.entity.kind == kind]
    return {found: id_ for id_ in ids if (found := server_id(id_)) is not None}
