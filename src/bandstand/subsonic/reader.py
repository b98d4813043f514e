"""Reads everything that a Subsonic server holds, page by page; interrupted, it goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import orjson

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.sources import Source
from bandstand.errors import BadInput, NotFound
from bandstand.subsonic.client import Client
from bandstand.subsonic.entities import Artists, Fields, album, playlist, track
from bandstand.subsonic.protocol import Object, several
from bandstand.types.times import DAY_S

SERVER = "subsonic"
"""The name under which a home remembers its server: there is one, whatever its address is by now."""

_PAGE = 500
_AT_ONCE = 4
_KEPT_TOGETHER = 32
_RUN = "run"


class ServerReader:
    """Songs and albums album by album, then artists and playlists; lines count what was yielded, from 1.

    The albums of a reading that did not come to its end are remembered in ``source`` for a day, and not asked for
    again.
    """

    def __init__(self, client: Client, source: Source) -> None:
        self._client, self._source = client, source

    def rows(self) -> Iterator[Row | Rejected]:
        """Yield a row for everything; what cannot be used is set aside by its id.

        Raises:
            Unavailable: the server does not answer (any more).
            BadInput: it refuses the account, or speaks no Subsonic.
        """
        for line, fields in enumerate(self._everything(), start=1):
            try:
                yield Row(line, entity_from_json(fields))
            except BadInput as error:
                yield Rejected(line, str(error), str(fields["id"]))
        self._source.forget_others([])

    def _everything(self) -> Iterator[Fields]:
        indexes = several(self._client.call("getArtists").get("artists", {}).get("index"))
        artists = Artists(artist for index in indexes for artist in several(index.get("artist")))
        for found in self._albums():
            for song in several(found.get("song")):
                if not song.get("isDir") and not song.get("isVideo"):
                    artists.add(song)
                    yield track(song)
            yield album(found)
        yield from artists.every()
        for listed in several(self._client.call("getPlaylists").get("playlists", {}).get("playlist")):
            whole = self._one("getPlaylist", "playlist", listed["id"])
            if whole is not None:
                yield playlist(whole)

    def _albums(self) -> Iterator[Object]:
        """Every album with its songs."""
        run, ids = self._run(), self._album_ids()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="subsonic") as pool:
            while some := list(islice(ids, _KEPT_TOGETHER)):
                kept = {id_: self._source.reading(id_, run) for id_ in some}
                missing = [id_ for id_, found in kept.items() if found is None]
                fetched = pool.map(lambda id_: self._one("getAlbum", "album", id_), missing)
                new = {id_: orjson.dumps(found) for id_, found in zip(missing, fetched, strict=True) if found}
                self._source.keep((id_, run, found) for id_, found in new.items())
                yield from (orjson.loads(found) for id_ in some if (found := kept[id_] or new.get(id_)) is not None)

    def _album_ids(self) -> Iterator[str]:
        offset = 0
        while True:
            answer = self._client.call("getAlbumList2", type="alphabeticalByName", size=_PAGE, offset=offset)
            page = several(answer.get("albumList2", {}).get("album"))
            yield from (str(found["id"]) for found in page)
            if not page:
                return
            offset += len(page)

    def _one(self, view: str, name: str, id_: object) -> Object | None:
        """One thing; None where it went meanwhile."""
        try:
            found: Object | None = self._client.call(view, id=id_).get(name)
        except NotFound:
            return None
        return found

    def _run(self) -> str:
        """The name of this reading: that of the last one, where it was interrupted within a day."""
        begun = self._source.reading(_RUN, _RUN)
        if begun is not None and time.time() - float(begun) < DAY_S:
            return begun.decode()
        self._source.forget_others([])
        now = f"{time.time():.3f}"
        self._source.keep([(_RUN, _RUN, now.encode())])
        return now
