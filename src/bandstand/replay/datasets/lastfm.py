"""HetRec 2011 Last.fm 2k: a user's new artists for a tag in one month are one search with its answers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.catalog.readers.lastfm import LastfmReader, entity_id
from bandstand.errors import BadInput
from bandstand.replay.datasets.base import (
    Month,
    generator,
    month_of,
    month_start,
    months,
    next_month,
    stable_hash,
    table_file,
)
from bandstand.replay.stream import Answer, Ask, Dataset, Interaction, Moment, Release, sha256_of
from bandstand.types import Entity

_TAGGING, _TAGS, _ARTISTS, _LISTENING = "user_taggedartists.dat", "tags.dat", "artists.dat", "user_artists.dat"


class _Tagging(NamedTuple):
    """One line of the tag file."""

    month: Month
    user: str
    tag: str
    artist: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastfmAdapter:
    """``groups`` (user, tag) groups a month are drawn as searches; all behaviour of a month is learned after them.

    The searches of a month are asked in its first second, its taggings are spread over the days after: so everything
    knows earlier months only, and the order within a month, which the data does not have, says nothing. Months from
    ``train`` to ``start`` are asked too, so that there is something to train on, and not counted. Artists are known
    from the beginning, by name and by the tags of months before ``known``; with ``fresh`` each month adds the tags of
    the one before. ``listening`` lets in the listening counts, an undated snapshot of 2011, as if they had been known:
    a leak, marked as such.
    """

    start: str = "2010-01"
    end: str = "2010-07"
    train: str = "2009-01"
    known: str = "2009-01"
    groups: int = 800
    seed: int = 1
    fresh: bool = True
    listening: bool = False
    name = "lastfm"

    def __post_init__(self) -> None:
        """Refuse months out of order."""
        bounds = [month_of(getattr(self, field), field) for field in ("known", "train", "start", "end")]
        if bounds != sorted(bounds):
            raise BadInput("the months known, train, start and end must come in this order", field="start")
        if self.groups < 1:
            raise BadInput(f"groups must be 1 or more a month, not {self.groups}", field="groups")

    def open(self, path: Path) -> Dataset:
        """See `Adapter`."""
        files = [table_file(path, name) for name in (_TAGGING, _TAGS, _ARTISTS)]
        return Dataset(
            name=self.name,
            protocol=f"tag = query, new artists of a user for it in a month = answers; {self}",
            sha256=sha256_of(files, self),
            catalog=lambda: self._catalog(path),
            stream=lambda: self._stream(path),
            # A tag means for years what it means; a search's answers come within its month.
            settings={
                "half_life_days": 365.0,
                "agree_users": 1,
                "join_minutes": 46_000.0,
                "finalize_seconds": 2.7e6,
                "selfplay_queries": 0,
            },
            leaks="listening counts of 2011, undated" if self.listening else None,
        )

    def _catalog(self, path: Path) -> Iterator[Entity | Rejected]:
        for row in LastfmReader(before=self.known).read(path):
            yield row if isinstance(row, Rejected) else row.entity

    def _stream(self, path: Path) -> Iterator[Moment | Rejected]:
        by_month = defaultdict[Month, list[_Tagging]](list)
        for item in _taggings(path):
            if isinstance(item, Rejected):
                yield item
            else:
                by_month[item.month].append(item)
        first, train, end = min(by_month), month_of(self.train, "train"), month_of(self.end, "end")
        if self.listening:
            yield from _listened(path, month_start(first))
        past = _Past(path, known=month_of(self.known, "known"))
        for month in months(first, end):
            if self.fresh and month >= train:
                yield Release(time=month_start(month), entities=past.changed())
            yield from self._month(month, by_month.get(month, []), past, asked=month >= train)
            past.add(month, by_month.pop(month, []))

    def _month(self, month: Month, taggings: list[_Tagging], past: _Past, *, asked: bool) -> Iterator[Moment]:
        """The searches of the month, then what else was done in it, in time order."""
        timed = self._timed(month, taggings)
        groups = defaultdict[tuple[str, str], list[tuple[float, _Tagging]]](list)
        for time, tagging in timed:
            groups[tagging.user, tagging.tag].append((time, tagging))
        chosen = self._drawn(month, list(groups)) if asked else set[tuple[str, str]]()
        counted = month >= month_of(self.start, "start")
        for key in sorted(chosen):
            yield past.ask(month, key, groups[key], counted=counted)
        for number, (time, tagging) in enumerate(timed):
            if (tagging.user, tagging.tag) not in chosen:
                yield Interaction(
                    id=f"{month[0]}-{month[1]:02}/{number}",
                    time=time,
                    entity_id=entity_id(tagging.artist),
                    text=tagging.tag,
                    user=tagging.user,
                )

    def _timed(self, month: Month, taggings: list[_Tagging]) -> list[tuple[float, _Tagging]]:
        """The month's taggings in a random order, evenly spread over it."""
        begin, length = month_start(month), month_start(next_month(month)) - month_start(month)
        order = generator(self.seed, "order", *month).permutation(len(taggings)).tolist()
        step = length / (len(taggings) + 1)
        return [(begin + step * (place + 1), taggings[row]) for place, row in enumerate(order)]

    def _drawn(self, month: Month, groups: list[tuple[str, str]]) -> set[tuple[str, str]]:
        groups.sort(key=lambda key: stable_hash(*key))
        picked = generator(self.seed, "groups", *month).permutation(len(groups))[: self.groups]
        return {groups[row] for row in picked.tolist()}


class _Past:
    """What earlier months have told: who tagged which artist how, and which artists that has changed."""

    def __init__(self, path: Path, *, known: Month) -> None:
        self._known = known
        self._entities = {r.entity.id: r.entity for r in LastfmReader().read(path) if not isinstance(r, Rejected)}
        self._tags = defaultdict[str, Counter[str]](Counter)
        self._users = defaultdict[str, set[str]](set)
        self._given = defaultdict[tuple[str, str], list[str]](list)
        self._touched: set[str] = set()
        self._most = 1

    def add(self, month: Month, taggings: Iterable[_Tagging]) -> None:
        """Take in a month."""
        for tagging in taggings:
            artist = entity_id(tagging.artist)
            self._tags[artist][tagging.tag] += 1
            self._users[artist].add(tagging.user)
            self._most = max(self._most, len(self._users[artist]))
            self._given[tagging.user, tagging.tag].append(artist)
            if month >= self._known:
                self._touched.add(artist)

    def changed(self) -> tuple[Entity, ...]:
        """The artists that were tagged since, as they are known now."""
        touched, self._touched = sorted(self._touched & self._entities.keys()), set()
        return tuple(self._entity(artist) for artist in touched)

    def ask(self, month: Month, key: tuple[str, str], found: list[tuple[float, _Tagging]], *, counted: bool) -> Ask:
        """One group of a month as a search."""
        user, tag = key
        return Ask(
            id=f"{month[0]}-{month[1]:02}-{stable_hash(user, tag)}",
            time=month_start(month),
            text=tag,
            user=user,
            answers=tuple(Answer(entity_id(tagging.artist), 1, time) for time, tagging in found),
            labels=(("month", f"{month[0]}-{month[1]:02}"),),
            known=tuple(self._given[key]),
            counted=counted,
        )

    def _entity(self, artist: str) -> Entity:
        tags, top = self._tags[artist], max(self._tags[artist].values())
        fields = {
            "id": artist,
            "kind": "artist",
            "title": self._entities[artist].title,
            "attributes": {"tag": {tag: count / top for tag, count in tags.most_common()}},
            "popularity": math.log1p(len(self._users[artist])) / math.log1p(self._most),
        }
        return entity_from_json(fields)


def _taggings(path: Path) -> Iterator[_Tagging | Rejected]:
    """The tag file by lines; what names an unknown artist or tag, or no month, as `Rejected`."""
    artists = {row[0] for _, row in _rows(path, _ARTISTS, ("id",))}
    tags = {row[0]: row[1] for _, row in _rows(path, _TAGS, ("tagID", "tagValue"), encoding="latin-1")}
    columns = ("userID", "artistID", "tagID", "month", "year")
    for line, (user, artist, tag, month, year) in _rows(path, _TAGGING, columns):
        if artist not in artists or tag not in tags:
            yield Rejected(line, f"{_TAGGING}: unknown artist or tag", f"{artist}\t{tag}")
        elif not (month.isdecimal() and year.isdecimal() and 1 <= int(month) <= 12 and int(year) >= 2002):
            yield Rejected(line, f"{_TAGGING}: no month since 2002, when Last.fm began", f"{month}\t{year}")
        else:
            yield _Tagging((int(year), int(month)), user, tags[tag], artist)


def _listened(path: Path, time: float) -> Iterator[Interaction]:
    for line, (user, artist) in _rows(path, _LISTENING, ("userID", "artistID")):
        yield Interaction(id=f"listening/{line}", time=time, entity_id=entity_id(artist), user=user)


def _rows(
    path: Path, name: str, columns: tuple[str, ...], *, encoding: str = "utf-8-sig"
) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and the asked columns of a tab-separated file."""
    lines = read_lines(table_file(path, name), encoding=encoding)
    header = next(lines, "").rstrip("\r\n").split("\t")
    if missing := [column for column in columns if column not in header]:
        raise BadInput(f"{name}: the header lacks {', '.join(missing)}")
    places = [header.index(column) for column in columns]
    for line, text in enumerate(lines, start=2):
        values = text.rstrip("\r\n").split("\t")
        yield line, [values[place] if place < len(values) else "" for place in places]
