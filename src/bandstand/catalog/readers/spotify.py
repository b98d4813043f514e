"""`spotify-csv`: playlists with their tracks, one row for each track in a playlist (TidyTuesday 2020-01-21)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.csv import Record, raw, read_records
from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.types.hashing import digest

COLUMNS = (
    "track_id",
    "track_name",
    "track_artist",
    "track_popularity",
    "track_album_name",
    "track_album_release_date",
    "playlist_name",
    "playlist_id",
    "playlist_genre",
    "playlist_subgenre",
)
_MISSING = "NA"


@dataclass(slots=True)
class _Group:
    """What the rows of one track, artist or playlist have in common and how often they say what."""

    line: int
    fields: dict[str, object]
    rows: int = 0
    labels: dict[tuple[str, str], int] = field(default_factory=dict)
    popularities: list[float] = field(default_factory=list)
    members: dict[str, None] = field(default_factory=dict)

    def add(self, labels: Sequence[tuple[str, str]], popularity: float) -> None:
        self.rows += 1
        self.popularities.append(popularity)
        for label in labels:
            self.labels[label] = self.labels.get(label, 0) + 1

    def attributes(self) -> dict[str, dict[str, float]]:
        """Each label with its share of the rows."""
        found: dict[str, dict[str, float]] = {}
        for (name, value), count in self.labels.items():
            found.setdefault(name, {})[value] = count / self.rows
        return found


class SpotifyReader:
    """Tracks, then artists, then playlists; a genre's confidence is its share of the rows.

    A playlist's name stands on the playlist alone: in evaluation it is a query whose answers are the tracks.
    An artist is as popular as their most popular track, a playlist as its tracks on average.
    """

    name = "spotify-csv"
    streaming = False

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield rejected rows as they are met, and the entities when the file has ended."""
        tracks: dict[str, _Group] = {}
        artists: dict[str, _Group] = {}
        playlists: dict[str, _Group] = {}
        for line, record in read_records(path, required=COLUMNS):
            if isinstance(record, Rejected):
                yield record
            elif reason := _unusable(record):
                yield Rejected(line, reason, raw(record))
            else:
                _gather(line, record, tracks, artists, playlists)
        for groups, popularity in ((tracks, max), (artists, max), (playlists, _mean)):
            for group in groups.values():
                group.fields["popularity"] = popularity(group.popularities)
                yield _entity(group)


@lru_cache(maxsize=65_536)
def artist_id(name: str) -> str:
    """Return the id of an artist, who has none in the file: a hash of the normalised name."""
    return f"artist-{digest(normalize(name)).hex()}"


def _unusable(record: Record) -> str:
    """Return why a row cannot be used, '' when it can."""
    for column in ("track_id", "track_name", "track_artist"):
        if not record[column].strip():
            return f"{column} is empty"
    if record["track_name"] == record["track_artist"] == _MISSING:
        return "track_name and track_artist are missing (NA)"
    try:
        _popularity(record)
    except ValueError:
        return f"track_popularity must be 0 to 100, not {record['track_popularity']!r}"
    return ""


def _popularity(record: Record) -> float:
    return int(record["track_popularity"]) / 100


def _gather(
    line: int, record: Record, tracks: dict[str, _Group], artists: dict[str, _Group], playlists: dict[str, _Group]
) -> None:
    track, name = record["track_id"], record["track_artist"]
    if track not in tracks:
        fields: dict[str, object] = {"id": track, "kind": "track", "title": record["track_name"], "artists": [name]}
        fields |= {"album": record["track_album_name"], "released": record["track_album_release_date"]}
        tracks[track] = _Group(line, fields)
    artist = artist_id(name)
    if artist not in artists:
        artists[artist] = _Group(line, {"id": artist, "kind": "artist", "title": name})
    groups = [tracks[track], artists[artist]]
    if playlist := record["playlist_id"]:
        if playlist not in playlists:
            title = record["playlist_name"] or playlist
            playlists[playlist] = _Group(line, {"id": playlist, "kind": "playlist", "title": title})
        playlists[playlist].members[track] = None
        groups.append(playlists[playlist])
    labels = [(name, value) for name in ("genre", "subgenre") if (value := record[f"playlist_{name}"])]
    popularity = _popularity(record)
    for group in groups:
        group.add(labels, popularity)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _entity(group: _Group) -> Row | Rejected:
    fields = group.fields | {"attributes": group.attributes(), "members": list(group.members)}
    try:
        return Row(group.line, entity_from_json(fields))
    except BadInput as error:
        return Rejected(group.line, str(error), str(group.fields))
