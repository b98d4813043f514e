"""What a Subsonic server holds as entities, whose ids hold the server's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from bandstand.catalog.library.names import people_in, values_in
from bandstand.catalog.text import normalize
from bandstand.subsonic.protocol import Object, several
from bandstand.types import Kind

_PREFIX = "subsonic"
_STAR = 10
_HALF = {"track": 20, "album": 60, "artist": 200}
"""Plays at which something of a kind is half as popular as can be; a star counts for ten."""

Fields = dict[str, object]


def entity_id(kind: Kind, server_id: object) -> str:
    """The entity's id: servers may use one number for a song and for an album."""
    return f"{_PREFIX}:{kind}:{server_id}"


def server_id(entity_id: str) -> str | None:
    """The server's own id, None where the entity is not a server's."""
    prefix, _, rest = entity_id.partition(":")
    return rest.partition(":")[2] or None if prefix == _PREFIX else None


def track(song: Object) -> Fields:
    """A song (`Child` of the API)."""
    attributes = {
        "genre": _genres(song),
        "mood": [str(mood) for mood in song.get("moods") or ()],
        "composer": [
            str(each["artist"]["name"])
            for each in several(song.get("contributors"))
            if each.get("role") == "composer" and "name" in (each.get("artist") or {})
        ],
    }
    return {
        "id": entity_id("track", song["id"]),
        "kind": "track",
        "title": song.get("title"),
        "artists": [name for _, name in artists_of(song)],
        "album": song.get("album"),
        "attributes": {name: values for name, values in attributes.items() if values},
        "released": _released(song),
        "popularity": _popularity("track", [song]),
        "duration": song.get("duration"),
    }


def album(found: Object) -> Fields:
    """An album with its songs (`AlbumWithSongsID3`)."""
    songs = several(found.get("song"))
    return {
        "id": entity_id("album", found["id"]),
        "kind": "album",
        "title": found.get("name") or found.get("title"),
        "artists": [name for _, name in artists_of(found)],
        "attributes": _genre_shares([found], songs),
        "released": _released(found),
        "popularity": _popularity("album", songs, starred="starred" in found),
        "members": [entity_id("track", song["id"]) for song in songs],
    }


def playlist(found: Object) -> Fields:
    """A playlist with its songs (`PlaylistWithSongs`)."""
    return {
        "id": entity_id("playlist", found["id"]),
        "kind": "playlist",
        "title": found.get("name"),
        "members": [entity_id("track", song["id"]) for song in several(found.get("entry"))],
    }


class Artists:
    """Gathers artists: those that the server lists, and those that its songs name."""

    def __init__(self, listed: Iterable[Object]) -> None:
        self._listed = {str(artist["id"]): artist for artist in listed}
        self._songs = defaultdict[str, list[Object]](list)

    def add(self, song: Object) -> None:
        """Count a song for its artists."""
        for id_, name in artists_of(song):
            if id_:
                self._listed.setdefault(id_, {"id": id_, "name": name})
                self._songs[id_].append(song)

    def every(self) -> Iterator[Fields]:
        """The artists, with genres and plays of their songs; a sort name that is another one becomes an alias."""
        for id_, artist in self._listed.items():
            songs, name = self._songs.get(id_, []), str(artist.get("name") or "")
            sort_name = str(artist.get("sortName") or "")
            alias = [sort_name] if set(normalize(sort_name).split()) - set(normalize(name).split()) else []
            yield {
                "id": entity_id("artist", id_),
                "kind": "artist",
                "title": name,
                "aliases": alias,
                "attributes": _genre_shares([], songs),
                "popularity": _popularity("artist", songs, starred="starred" in artist),
            }


def artists_of(found: Object) -> list[tuple[str, str]]:
    """(server's id or "", name) of the artists of a song or album."""
    named = several(found.get("artists")) or several(found.get("albumArtists"))
    if named:
        return [(str(each.get("id") or ""), str(each.get("name") or "")) for each in named]
    names = people_in([str(found.get("artist") or "")])
    return [(str(found.get("artistId") or "") if place == 0 else "", name) for place, name in enumerate(names)]


def _genres(found: Object) -> tuple[str, ...]:
    listed = [str(genre["name"]) for genre in several(found.get("genres")) if genre.get("name")]
    return values_in(listed or [str(found.get("genre") or "")])


def _genre_shares(own: Sequence[Object], songs: Sequence[Object]) -> dict[str, dict[str, float]]:
    """Each genre with the share of songs that have it; without songs, those of the thing itself."""
    described = songs or own
    counts = Counter(genre for each in described for genre in _genres(each))
    return {"genre": {genre: count / len(described) for genre, count in counts.items()}} if counts else {}


def _released(found: Object) -> str | None:
    date = found.get("originalReleaseDate") or {}
    year = date.get("year") or found.get("year") or 0
    if not 0 < int(year) < 10_000:
        return None
    parts = [f"{int(year):04d}", *(f"{int(date[name]):02d}" for name in ("month", "day") if date.get(name))]
    return "-".join(parts[: 3 if date.get("month") else 1])


def _popularity(kind: str, songs: Iterable[Object], *, starred: bool = False) -> float:
    """How popular: w / (w + half) of w plays, so that one more play of something changes nothing else."""
    plays = sum(int(song.get("playCount") or 0) + _STAR * ("starred" in song) for song in songs) + _STAR * starred
    return round(plays / (plays + _HALF[kind]), 4)
