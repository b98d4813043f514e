"""What players do with what they found, as events on the search that showed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bandstand.errors import BadInput
from bandstand.feedback.fields import iso
from bandstand.feedback.rewards import DEFAULT_WEIGHTS
from bandstand.feedback.ubi_events import parse_event
from bandstand.subsonic.call import Call
from bandstand.subsonic.entities import entity_id
from bandstand.subsonic.host import Host
from bandstand.subsonic.trail import Shown
from bandstand.types import Event, Kind
from bandstand.types.hashing import digest

CHANGING = frozenset(("scrobble", "setRating", "star", "unstar"))
"""Views after which the server shows things otherwise than before."""

_OPENED: Mapping[str, tuple[Kind, ...]] = {
    "getAlbum": ("album",),
    "getArtist": ("artist",),
    "getMusicDirectory": ("album", "artist"),
}
ACTING = frozenset((*CHANGING, *_OPENED, "stream"))
"""Views that say something about what was found."""

_ANY: tuple[Kind, ...] = ("track", "album", "artist")
_STARRED: Mapping[str, tuple[Kind, ...]] = {
    "id": ("track", "album", "artist"),
    "albumId": ("album",),
    "artistId": ("artist",),
}
_ALBUM = entity_id("album", "")
_RATED = {"1": "skip", "2": "skip", "4": "save", "5": "save"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An action on something of one of some kinds, by the server's id, at a time if that is not now."""

    id: str
    action: str
    kinds: tuple[Kind, ...] = _ANY
    seconds: float | None = None
    time: float | None = None


def acts_of(call: Call) -> Iterator[Act]:
    """What a call says, if the server accepts it.

    A song that begins is a play that nobody knows the length of; one that is scrobbled was, as players go by, played
    for half of it or four minutes, so for long. A rating of four or five stars keeps, of one or two refuses.
    """
    if call.view in _OPENED:
        yield from (Act(id=id_, action="click", kinds=_OPENED[call.view]) for id_ in call.every("id"))
    elif call.view == "stream":
        yield from (Act(id=id_, action="play", kinds=("track",)) for id_ in call.every("id"))
    elif call.view == "scrobble":
        yield from _scrobbled(call)
    elif call.view == "setRating":
        action = _RATED.get(call.first("rating") or "")
        yield from (Act(id=id_, action=action) for id_ in call.every("id") if action)
    else:
        action = {"star": "save", "unstar": "skip"}[call.view]
        for name, kinds in _STARRED.items():
            yield from (Act(id=id_, action=action, kinds=kinds) for id_ in call.every(name))


def _scrobbled(call: Call) -> Iterator[Act]:
    whole = (call.first("submission") or "true").lower() != "false"
    seconds = DEFAULT_WEIGHTS.full_play_seconds if whole else None
    times = call.every("time")
    for place, id_ in enumerate(call.every("id")):
        milliseconds = times[place] if place < len(times) and times[place].isdecimal() else None
        yield Act(
            id=id_,
            action="play",
            kinds=("track",),
            seconds=seconds,
            time=float(milliseconds) / 1e3 if milliseconds else None,
        )


class Acts:
    """Logs what accounts do."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def take_in(self, call: Call, user: str, now: float) -> None:
        """Log what a call says about what the account was shown; about anything else it says nothing.

        Raises:
            BandstandError: it cannot be written.
        """
        searches = self._host.trail.lately(user)
        acts = list(acts_of(call)) if searches else []
        held = await self._held(searches) if any(act.action == "play" for act in acts) else {}
        found = [(act, *place) for act in acts if (place := _shown(act, searches, held)) is not None]
        events = [event for each in found if (event := _event(*each, user=user, call=call, now=now)) is not None]
        if events:
            await self._host.log(events)

    async def _held(self, searches: Sequence[Shown]) -> Mapping[str, frozenset[str]]:
        """The songs of each album that was shown."""
        shown = {entity for search in searches for entity in search.entities}
        albums = sorted(entity for entity in shown if entity.startswith(_ALBUM))
        return await self._host.members(albums) if albums else {}


def _shown(act: Act, searches: Sequence[Shown], held: Mapping[str, frozenset[str]]) -> tuple[str, str] | None:
    """(search, entity): the newest search that showed the thing itself, or an album that holds the played song."""
    wanted = [entity_id(kind, act.id) for kind in act.kinds]
    for search in searches:
        for entity in (*wanted, search.folders.get(act.id, "")):
            if entity in search.entities:
                return search.query_id, entity
        for entity in search.entities:
            if not held.get(entity, frozenset()).isdisjoint(wanted):
                return search.query_id, entity
    return None


def _event(act: Act, query_id: str, entity: str, *, user: str, call: Call, now: float) -> Event | None:
    """The event; None where UBI has no room for the account's name. Asking again for a piece of a song is no event."""
    key = "\n".join((query_id, entity, act.action, str(act.seconds), str(act.time or "")))
    raw: Mapping[str, object] = {
        "action_name": act.action,
        "event_id": digest(key, 16).hex(),
        "query_id": query_id,
        "user_id": user,
        "client_id": (call.first("c") or "subsonic")[:100],
        "timestamp": iso(min(act.time or now, now)),
        "play_seconds": act.seconds,
        "event_attributes": {"object": {"object_id": entity}},
    }
    try:
        return parse_event({name: value for name, value in raw.items() if value is not None}, now=now)
    except BadInput:
        return None
