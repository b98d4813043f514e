"""What the server shows of its songs, albums and artists to one account, as elements of its answers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from bandstand.catalog.text import normalize
from bandstand.errors import Unavailable
from bandstand.subsonic.protocol import NOT_FOUND, Object, error_of, several
from bandstand.subsonic.upstream import Upstream
from bandstand.types import Kind

_VIEWS = {"track": ("getSong", "song"), "album": ("getAlbum", "album"), "artist": ("getArtist", "artist")}
_PARTS = {"track": "", "album": "song", "artist": "album"}
_KEPT_S = 60.0
_MOST = 20_000
_AT_ONCE = 8
_NOT_ALLOWED = 50


class Objects:
    """Asks the server for what a search found, so that each account sees what it may, with its own stars and ratings.

    Kept for a minute, for searches made while somebody is typing.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, Object]] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def forget(self, user: str) -> None:
        """Ask anew for whatever this account is shown: it has starred, rated or played something."""
        for key in [key for key in self._kept if key[0] == user]:
            del self._kept[key]

    async def one(self, asking: Asking, view: str, name: str, id_: str) -> Object:
        """An element by its id; empty where there is none that this account may see.

        Raises:
            Unavailable: the server cannot be reached, or answers something else.
        """
        key, now = (asking.user, view, id_), time.monotonic()
        expires, kept = self._kept.get(key, (0.0, {}))
        if now < expires:
            return kept
        async with self._turns:
            asked = await self._upstream.ask(view, {**asking.login, "id": id_})
        failed = error_of(asked.content) if asked.content is not None else (0, "")
        if asked.content is None or (failed and failed[0] not in {NOT_FOUND, _NOT_ALLOWED}):
            raise Unavailable(f"the server does not answer {view}")
        found: Object = {} if failed else asked.content.get(name) or {}
        self._kept[key] = (now + _KEPT_S, found)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found


class Asking:
    """Elements for one account, which its login proves."""

    def __init__(self, objects: Objects, user: str, login: Mapping[str, str]) -> None:
        self._objects, self.user, self.login = objects, user, login

    async def every(self, kind: Kind, ids: Sequence[str], *, by_folder: bool) -> list[tuple[str, Object]]:
        """(id, element) of those that there are, in their order.

        ``by_folder`` gives albums and artists as the folders that they are in, as the older half of the API has them.
        """
        give = {"album": self._album_folder, "artist": self._artist_folder}.get(kind) if by_folder else None
        found = await asyncio.gather(*(give(id_) if give else self._element(kind, id_) for id_ in ids))
        return [(id_, element) for id_, element in zip(ids, found, strict=True) if element]

    async def _element(self, kind: Kind, id_: str) -> Object:
        found = await self._objects.one(self, *_VIEWS[kind], id_)
        return {name: value for name, value in found.items() if name != _PARTS[kind]}

    async def _album_folder(self, id_: str) -> Object:
        """An album's folder as the folder around it lists it."""
        inside, around = await self._inside(id_), await self._around(id_)
        return next((child for child in several(around.get("child")) if str(child.get("id")) == inside), {})

    async def _artist_folder(self, id_: str) -> Object:
        """The folder around an artist's first album, if it is called like the artist."""
        artist = await self._objects.one(self, *_VIEWS["artist"], id_)
        albums = several(artist.get("album"))
        around = await self._around(str(albums[0]["id"])) if albums else {}
        same = normalize(str(around.get("name"))) == normalize(str(artist.get("name")))
        return {"id": around["id"], "name": around["name"]} if around and same else {}

    async def _inside(self, album_id: str) -> str:
        """The folder of an album's songs; "" where there is none."""
        album = await self._objects.one(self, *_VIEWS["album"], album_id)
        return next((str(song["parent"]) for song in several(album.get("song")) if song.get("parent")), "")

    async def _around(self, album_id: str) -> Object:
        """The folder around the one that holds an album's songs."""
        inside = await self._directory(await self._inside(album_id))
        return await self._directory(str(inside.get("parent") or ""))

    async def _directory(self, id_: str) -> Object:
        return await self._objects.one(self, "getMusicDirectory", "directory", id_) if id_ else {}
