"""The kinds of entities: everything that is particular to one stands in its record here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["track", "artist", "album", "playlist", "station", "podcast"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, in the order in which sections of equal likelihood stand; nothing that is stored depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSpec:
    """What is particular to one kind of entity.

    Attributes:
        code: the number that stands for the kind in logged and trained feature rows: never changed, never given again.
        title, plural: what one and several are called on pages.
        words: what people call it in a query: "songs" of "happy songs".
        described_by: the words that people put behind a description: "happy" becomes "happy songs".
        asked: P(a span of a query is the name of one), a round number that clicks correct phrase by phrase.
        own_name: how likely its bare name asks for it, in (0, 1), before any click and at popularity 0.
        listed: its place where the bundled catalogue is listed: makers, then works, then what holds them.
        file: the bundled catalogue's file of collections of this kind, if they have one of their own.
    """

    code: int
    title: str
    plural: str
    words: tuple[str, ...]
    described_by: tuple[str, ...]
    asked: float
    own_name: float
    listed: int
    file: str | None = None


KIND_SPECS: dict[Kind, KindSpec] = {
    "track": KindSpec(
        code=0,
        title="Song",
        plural="Songs",
        words=("song", "songs", "track", "tracks", "tune", "tunes"),
        described_by=("songs", "music"),
        asked=0.35,
        own_name=0.5,
        listed=2,
    ),
    "artist": KindSpec(
        code=1,
        title="Artist",
        plural="Artists",
        words=("artist", "artists", "band", "bands", "singer", "singers", "musician", "musicians"),
        described_by=("artists", "music"),
        asked=0.25,
        own_name=0.75,
        listed=0,
    ),
    "album": KindSpec(
        code=2,
        title="Album",
        plural="Albums",
        words=("album", "albums", "lp", "ep"),
        described_by=("albums",),
        asked=0.05,
        own_name=0.5,
        listed=1,
    ),
    "playlist": KindSpec(
        code=3,
        title="Playlist",
        plural="Playlists",
        words=("playlist", "playlists", "mix", "mixtape"),
        described_by=("playlist", "songs"),
        asked=0.02,
        own_name=0.75,
        listed=3,
        file="playlists.txt",
    ),
    "station": KindSpec(
        code=4,
        title="Station",
        plural="Stations",
        words=("station", "stations", "radio", "radio station", "radio stations"),
        described_by=("radio",),
        asked=0.02,
        own_name=0.75,
        listed=4,
        file="stations.txt",
    ),
    "podcast": KindSpec(
        code=5,
        title="Podcast",
        plural="Podcasts",
        words=("podcast", "podcasts", "podcast episode", "episodes"),
        described_by=("podcast",),
        asked=0.02,
        own_name=0.75,
        listed=5,
        file="podcasts.txt",
    ),
}
