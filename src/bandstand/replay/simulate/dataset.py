"""The world's raw material: tracks to search in, and playlists that are only ever asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.spotify import SpotifyReader
from bandstand.errors import BadInput
from bandstand.replay.adapters.files import dump_file
from bandstand.replay.stream import sha256_of
from bandstand.types import Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """Tracks by order of the file; ``playlists`` maps a name to the ids of the tracks that playlists of that name hold.

    A playlist's name is a query whose answers are its tracks: it is never indexed.
    """

    name: str
    sha256: str
    tracks: tuple[Entity, ...]
    playlists: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, name: str, sha256: str, entities: Iterable[Entity]) -> Music:
        """Tracks and playlists among entities; other kinds are left out."""
        tracks: list[Entity] = []
        playlists: dict[str, dict[str, None]] = {}
        for entity in entities:
            if entity.kind == "track":
                tracks.append(entity)
            elif entity.kind == "playlist" and entity.members:
                playlists.setdefault(entity.title, {}).update(dict.fromkeys(entity.members))
        if not tracks:
            raise BadInput(f"{name} holds no track")
        return cls(
            name=name,
            sha256=sha256,
            tracks=tuple(tracks),
            playlists={title: tuple(members) for title, members in playlists.items()},
        )


def spotify_songs(path: Path) -> Music:
    """`spotify_songs` (TidyTuesday 2020-01-21) from its file or the folder that holds it: 28,352 tracks.

    Rows without title or artist are dropped, repeated ids are one track.

    Raises:
        BadInput: the file is missing or no such file.
    """
    path = dump_file(path, "spotify_songs.csv.gz")
    rows = SpotifyReader().read(path)
    return Music.of("spotify_songs", sha256_of([path]), (row.entity for row in rows if not isinstance(row, Rejected)))
