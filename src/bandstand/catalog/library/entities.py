"""Songs become entities: tracks, the albums and artists that they name, playlists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bandstand.catalog.library.playlists import Playlist
from bandstand.catalog.library.tags import Song
from bandstand.catalog.text import normalize
from bandstand.types import Kind
from bandstand.types.hashing import digest

VARIOUS = "Various Artists"
"""Whose albums of several artists are; not an artist."""

_VARIOUS_NAMES = frozenset(("various artists", "various", "va", "v a", "diverse", "verschiedene interpreten"))
_DISC_FOLDER = re.compile(r"(?:cd|disc|disk)[\s_-]*\d+", re.IGNORECASE)
_DESCRIBED_BY = {"genre": "genres", "mood": "moods", "composer": "composers"}

Fields = dict[str, object]


@dataclass(slots=True)
class _Group:
    """Songs that have an album or an artist in common, with the name as each writes it and the line of the first."""

    line: int
    names: Counter[str] = field(default_factory=Counter)
    songs: dict[str, Song] = field(default_factory=dict)

    def add(self, name: str, path: str, song: Song) -> None:
        self.names[name] += 1
        self.songs[path] = song

    @property
    def title(self) -> str:
        """The commonest way to write the name."""
        return self.names.most_common(1)[0][0]

    def attributes(self) -> dict[str, dict[str, float]]:
        """Each value of the songs with the share of songs that have it."""
        found: dict[str, Counter[str]] = {name: Counter() for name in _DESCRIBED_BY}
        for song in self.songs.values():
            for name, values in found.items():
                values.update(getattr(song, _DESCRIBED_BY[name]))
        return {
            name: {value: count / len(self.songs) for value, count in values.items()}
            for name, values in found.items()
            if values
        }


class Library:
    """Gathers the songs of one folder, ``songs`` by their paths; ``root`` tells its ids from those of other folders.

    ``beside`` names by folder the picture in it that is the cover; ``covers`` are the files that hold those of songs
    and albums, by the entities' ids.
    """

    def __init__(self, root: str, beside: Mapping[str, str]) -> None:
        self._root, self._beside = root, beside
        self.covers: dict[str, str] = {}
        self._albums: dict[tuple[str, str, str], _Group] = {}
        self._artists: dict[str, _Group] = {}
        self.songs: set[str] = set()

    def track(self, line: int, path: str, song: Song) -> Fields:
        """The entity of a song, which counts for its album and artists from now on."""
        self.songs.add(path)
        if song.album is not None:
            group = self._albums.setdefault(_album_key(path, song, song.album), _Group(line))
            group.add(song.album, path, song)
        for artist in dict.fromkeys((*song.artists, *_owners(song))):
            if artist != VARIOUS and not _is_various(artist):
                self._artists.setdefault(_key(artist), _Group(line)).add(artist, path, song)
        attributes = {name: list(getattr(song, values)) for name, values in _DESCRIBED_BY.items()}
        numbers = {"disc": song.disc, "track": song.track}
        return self._covered("track", path, path, song) | {
            "kind": "track",
            "title": song.title,
            "artists": list(song.artists or _owners(song)),
            "album": song.album,
            "attributes": {name: values for name, values in attributes.items() if values},
            "released": song.released,
            "duration": song.seconds,
            "fields": {name: number for name, number in numbers.items() if number is not None},
        }

    def _covered(self, kind: Kind, key: str, path: str, song: Song) -> Fields:
        """The id of an entity, and the picture of a song that is its own."""
        id_ = self.id(kind, key)
        cover = path if song.picture else self._beside.get(str(PurePosixPath(path).parent))
        if cover is None:
            return {"id": id_}
        self.covers[id_] = cover
        return {"id": id_, "image": f"/v1/covers/{id_}"}

    def albums(self) -> Iterator[tuple[int, Fields]]:
        """Each album with the line of its first song; its members are in the order of discs and tracks."""
        for key, group in self._albums.items():
            songs = sorted(group.songs.items(), key=lambda item: (item[1].disc or 1, item[1].track or 0, item[0]))
            dates = Counter(song.released for _, song in songs if song.released)
            yield (
                group.line,
                self._covered("album", "\n".join(key), *songs[0])
                | {
                    "kind": "album",
                    "title": group.title,
                    "artists": list(_artists_of(group)),
                    "attributes": group.attributes(),
                    "released": dates.most_common(1)[0][0] if dates else None,
                    "members": [self.id("track", path) for path, _ in songs],
                },
            )

    def artists(self) -> Iterator[tuple[int, Fields]]:
        """Each artist with the line of the first song."""
        for key, group in self._artists.items():
            attributes = group.attributes()
            attributes.pop("composer", None)
            fields: Fields = {"id": self.id("artist", key), "kind": "artist", "title": group.title}
            yield group.line, fields | {"attributes": attributes}

    def playlist(self, path: str, playlist: Playlist) -> Fields:
        """The entity of a playlist."""
        members = [self.id("track", song) for song in playlist.songs]
        return {"id": self.id("playlist", path), "kind": "playlist", "title": playlist.title, "members": members}

    def id(self, kind: Kind, key: str) -> str:
        """The id of an entity of this folder."""
        return f"library-{digest(f'{self._root}/{kind}/{key}', 12).hex()}"


def _key(name: str) -> str:
    return normalize(name) or name.casefold()


def _is_various(name: str) -> bool:
    return normalize(name) in _VARIOUS_NAMES


def _owners(song: Song) -> tuple[str, ...]:
    """Whose album it is, as far as the song's own tags say."""
    if any(map(_is_various, song.album_artists)):
        return (VARIOUS,)
    return song.album_artists or ((VARIOUS,) if song.compilation else ())


def _album_key(path: str, song: Song, album: str) -> tuple[str, str, str]:
    """What the songs of one album have in common: its owners, or, where they are not said, the folder; and its name."""
    owners = _owners(song)
    if owners:
        return _key(" ".join(owners)), "", _key(album)
    folder = PurePosixPath(path).parent
    return "", str(folder.parent if _DISC_FOLDER.fullmatch(folder.name) else folder), _key(album)


def _artists_of(group: _Group) -> tuple[str, ...]:
    """The album's owners; where no song names them, the artist that all songs begin with, or various ones."""
    songs = list(group.songs.values())
    if owners := _owners(songs[0]):
        return owners
    first = {_key(song.artists[0]) for song in songs if song.artists}
    if len(first) > 1:
        return (VARIOUS,)
    return next((song.artists[:1] for song in songs if song.artists), ())
