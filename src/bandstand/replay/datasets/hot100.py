"""The Hot 100: a song's first chart week is its release, its run is how many look for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.csv import Record, raw, read_records
from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.replay.datasets.base import dump_file, generator, stable_hash
from bandstand.replay.stream import PLAY_GRADE, Answer, Ask, Dataset, Moment, Release, sha256_of
from bandstand.types import Entity
from bandstand.types.times import WEEK_S

_COLUMNS = ("date", "this_week", "song", "artist")
_ANSWER_AFTER = 20.0


@dataclass(frozen=True, slots=True)
class _Place:
    """One row of a chart."""

    week: str
    place: int
    song: Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot100Adapter:
    """From the week of ``since`` (YYYY-MM-DD) to that of ``until``, ``searches`` a week by ``users`` users.

    Songs of earlier charts are the catalogue to begin with; later ones come into it in their first week. Who searches
    wants a song of this week's chart, drawn in proportion to 1 / place, and types its title, or title and artist.
    Searches for songs in their first week are of the class ``new``.
    """

    since: str = "2018-01-01"
    until: str = "2020-01-01"
    searches: int = 100
    users: int = 300
    seed: int = 1
    name = "hot100"

    def __post_init__(self) -> None:
        """Refuse what is no date."""
        if _day(self.since, "since") >= _day(self.until, "until"):
            raise BadInput("nothing lies between since and until", field="until")

    def open(self, path: Path) -> Dataset:
        """See `Adapter`; ``path`` is the file, or the folder that holds ``hot100.csv.gz``."""
        path = dump_file(path, "hot100.csv.gz")
        return Dataset(
            name=self.name,
            protocol=f"songs wanted by chart place, found by title; released in their first chart week; {self}",
            sha256=sha256_of((path,), self),
            catalog=lambda: self._catalog(path),
            stream=lambda: self._stream(path),
        )

    def _catalog(self, path: Path) -> Iterator[Entity | Rejected]:
        known = set[str]()
        for row in _places(path):
            if isinstance(row, Rejected):
                continue  # the stream names them
            if row.week < self.since and row.song.id not in known:
                known.add(row.song.id)
                yield row.song

    def _stream(self, path: Path) -> Iterator[Moment | Rejected]:
        known, places = set[str](), list[_Place]()
        for row in _places(path):
            if isinstance(row, Rejected):
                yield row
            elif row.week < self.since:
                known.add(row.song.id)
            elif row.week < self.until:
                places.append(row)
        places.sort(key=lambda row: (row.week, row.place))
        for week, chart in groupby(places, key=lambda row: row.week):
            yield from self._week(week, list(chart), known)

    def _week(self, week: str, chart: Sequence[_Place], known: set[str]) -> Iterator[Moment]:
        begin = _day(week, "date")
        new = {row.song.id: row.song for row in chart if row.song.id not in known}
        known.update(new)
        yield Release(time=begin, entities=tuple(new.values()))
        rng = generator(self.seed, week)
        shares = 1.0 / np.array([row.place for row in chart], np.float64)
        for number, at in enumerate(rng.choice(len(chart), size=self.searches, p=shares / shares.sum()).tolist()):
            song = chart[at].song
            time = begin + WEEK_S * (number + 1) / (self.searches + 1)
            yield Ask(
                id=f"{week}-{number}",
                time=time,
                text=f"{song.title} {song.artists[0]}" if rng.random() < 0.5 else song.title,
                user=f"user-{int(rng.integers(self.users))}",
                answers=(Answer(song.id, PLAY_GRADE, time + _ANSWER_AFTER),),
                labels=(("class", "new" if song.id in new else "on the chart"),),
            )


def _places(path: Path) -> Iterator[_Place | Rejected]:
    """Chart rows in the order of the file; a song charted twice in one week, or without a place, as `Rejected`."""
    seen = set[tuple[str, str]]()
    for line, record in read_records(path, required=_COLUMNS):
        row = record if isinstance(record, Rejected) else _place(line, record)
        if isinstance(row, _Place):
            if (row.week, row.song.id) in seen:
                yield Rejected(line, "the song stands in this week's chart already", row.song.id)
                continue
            seen.add((row.week, row.song.id))
        yield row


def _place(line: int, record: Record) -> _Place | Rejected:
    try:
        _day(record["date"], "date")
        place = int(record["this_week"])
    except (BadInput, ValueError) as error:
        return Rejected(line, f"date or place cannot be read: {error}", raw(record))
    title, artist = record["song"].strip(), record["artist"].strip()
    if not title or not artist or not 1 <= place <= 100:
        return Rejected(line, "song or artist is empty, or the place is not from 1 to 100", raw(record))
    entity_id = f"song-{stable_hash(normalize(title), normalize(artist))}"
    return _Place(record["date"], place, Entity(id=entity_id, kind="track", title=title, artists=(artist,)))


def _day(text: str, field: str) -> float:
    """Unix time of a date.

    Raises:
        BadInput: it is none.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as cause:
        raise BadInput(f"{field} must be YYYY-MM-DD, not {text!r}", field=field) from cause
