"""Playlists of `spotify_songs`: their names as queries, hidden from the catalogue; titles, known and misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.spotify import SpotifyReader
from bandstand.errors import BadInput
from bandstand.learner.selfplay import misspell
from bandstand.memory_index.typos import most_typos
from bandstand.replay.datasets.base import dump_file, generator
from bandstand.replay.stream import PLAY_GRADE, Answer, Ask, Dataset, Moment, sha256_of
from bandstand.types import Entity
from bandstand.types.times import DAY_S

_BEGIN = 1_577_836_800.0  # 2020-01-01, when the data set was made
_ANSWER_AFTER = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotifyAdapter:
    """``searches`` by ``users`` users over ``days`` days: shares ``known`` and ``misspelt``, and the rest playlists.

    Queries of a class are drawn by a power law with ``exponent`` from ``distinct`` ones. A known item is a title, or
    title and artist, of one track; a misspelt one has one edit, two when longer than nine letters. Who asks for a
    playlist by its name is after ``wanted`` of its tracks.
    """

    searches: int = 10_000
    users: int = 500
    days: float = 90.0
    known: float = 0.4
    misspelt: float = 0.25
    distinct: int = 2_500
    exponent: float = 0.8
    wanted: int = 3
    seed: int = 1
    name = "spotify"

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        if min(self.known, self.misspelt) < 0 or self.known + self.misspelt > 1:
            raise BadInput("the shares known and misspelt must be 0 or more and sum to at most 1", field="known")
        if min(self.searches, self.users, self.distinct, self.wanted) < 1:
            raise BadInput("searches, users, distinct and wanted must be 1 or more", field="searches")

    def open(self, path: Path) -> Dataset:
        """See `Adapter`; ``path`` is the file, or the folder that holds ``spotify_songs.csv.gz``."""
        path = dump_file(path, "spotify_songs.csv.gz")
        world = _World(path)
        return Dataset(
            name=self.name,
            protocol=f"playlist names, titles and misspelt titles as queries, playlists hidden; {self}",
            sha256=sha256_of((path,), self),
            catalog=lambda: world.catalog,
            stream=lambda: self._stream(world),
        )

    def _stream(self, world: _World) -> Iterator[Moment]:
        rng = generator(self.seed, "searches")
        tracks = generator(self.seed, "tracks").permutation(len(world.tracks))[: self.distinct]
        playlists = generator(self.seed, "playlists").permutation(len(world.playlists))
        step = self.days * DAY_S / self.searches
        for number in range(self.searches):
            draw, time = rng.random(), _BEGIN + step * number
            if draw < self.known + self.misspelt:
                track = world.tracks[int(tracks[self._rank(rng, len(tracks))])]
                yield self._titled(number, time, track, rng, misspelt=draw >= self.known)
            else:
                playlist = world.playlists[int(playlists[self._rank(rng, len(playlists))])]
                yield self._listed(number, time, playlist, rng)

    def _rank(self, rng: np.random.Generator, n: int) -> int:
        weights = np.arange(1, n + 1) ** -self.exponent
        return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))

    def _titled(self, number: int, time: float, track: Entity, rng: np.random.Generator, *, misspelt: bool) -> Ask:
        text = f"{track.title} {track.artists[0]}" if rng.random() < 0.5 else track.title
        if misspelt:
            text = misspell(text, most_typos(text), rng)
        answers = (Answer(track.id, PLAY_GRADE, time + _ANSWER_AFTER),)
        return self._ask(number, time, text, answers, "misspelt" if misspelt else "known", rng)

    def _listed(self, number: int, time: float, playlist: Entity, rng: np.random.Generator) -> Ask:
        count = min(self.wanted, len(playlist.members))
        chosen = rng.choice(len(playlist.members), size=count, replace=False).tolist()
        answers = tuple(Answer(playlist.members[place], 1, time + _ANSWER_AFTER) for place in chosen)
        return self._ask(number, time, playlist.title, answers, "playlist", rng)

    def _ask(
        self, number: int, time: float, text: str, answers: tuple[Answer, ...], kind: str, rng: np.random.Generator
    ) -> Ask:
        return Ask(
            id=f"search-{number}",
            time=time,
            text=text,
            user=f"user-{int(rng.integers(self.users))}",
            answers=answers,
            labels=(("class", kind),),
        )


class _World:
    """The file, read once when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def catalog(self) -> list[Entity | Rejected]:
        """Tracks and artists, and the rows that cannot be used."""
        return [row for row in self._rows if isinstance(row, Rejected) or row.kind != "playlist"]

    @cached_property
    def tracks(self) -> list[Entity]:
        """Tracks in the order of the file."""
        return [row for row in self._rows if isinstance(row, Entity) and row.kind == "track"]

    @cached_property
    def playlists(self) -> list[Entity]:
        """Playlists that hold something, in the order of the file."""
        return [row for row in self._rows if isinstance(row, Entity) and row.kind == "playlist" and row.members]

    @cached_property
    def _rows(self) -> list[Entity | Rejected]:
        return [row.entity if isinstance(row, Row) else row for row in SpotifyReader().read(self._path)]
