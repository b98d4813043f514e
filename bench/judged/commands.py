"""PlayMusic: commands as they are spoken, over real songs and an entity of its own for every name that is spoken."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bandstand.catalog.text import normalize
from bandstand.types import Entity
from bench.judged.base import Judge, JudgedSearch, JudgedSet

COUNT, SEED = 500, 5
_FILE = "playmusic/commands.json.gz"
_NAMED = ("artist", "track", "album", "playlist", "year")
_TRACKS, _MORE_OF_YEARS = 8, 4
_OF_YEARS = 8
_DECADES = {
    name: 1900 + 10 * place
    for place, names in enumerate(
        ("", "", "twenties", "thirties", "forties fourties", "fifties", "sixties", "seventies", "eighties", "nineties")
    )
    for name in names.split()
}

Years = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Command:
    """A spoken command and its slots: the first value of each name."""

    text: str
    slots: Mapping[str, str]

    @property
    def part(self) -> str:
        """The slots that decide what is right, as one word."""
        return " + ".join(name for name in _NAMED if name in self.slots)

    @property
    def years(self) -> Years | None:
        """The first and the last year that are asked for."""
        return years_of(self.slots["year"]) if "year" in self.slots else None


def commands(data: Path, songs: Sequence[Entity], *, count: int = COUNT, seed: int = SEED) -> JudgedSet:
    """A sample of the commands that name something, over ``songs`` and what the commands name."""
    rng = np.random.default_rng(seed)
    spoken = [command for command in _read(data / _FILE) if command.part and _understood(command)]
    chosen = [spoken[place] for place in sorted(rng.choice(len(spoken), min(count, len(spoken)), replace=False))]
    world = _World(songs, rng)
    for command in chosen:
        world.add(command)
    found = (*songs, *world.entities)
    searches = tuple(
        JudgedSearch(query=command.text, judge=_judge(command, _released(command.years, found)), part=command.part)
        for command in chosen
    )
    return JudgedSet(name="commands", headline="right", entities=found, searches=searches)


def years_of(text: str) -> Years | None:
    """A year in digits, or a decade in words; None for anything else."""
    if re.fullmatch(r"\d{4}", text):
        return int(text), int(text)
    first = _DECADES.get(text.lower())
    return None if first is None else (first, first + 9)


def _read(path: Path) -> Iterator[Command]:
    (spoken,) = json.loads(gzip.decompress(path.read_bytes())).values()
    for command in spoken:
        slots: dict[str, str] = {}
        for piece in command["data"]:
            if "entity" in piece:
                slots.setdefault(piece["entity"], piece["text"])
        yield Command("".join(piece["text"] for piece in command["data"]), slots)


def _understood(command: Command) -> bool:
    return "year" not in command.slots or command.years is not None


@dataclass(slots=True)
class _World:
    """What the commands name, with titles and years taken from real songs."""

    songs: Sequence[Entity]
    rng: np.random.Generator
    _made: dict[str, Entity] = field(default_factory=dict)
    _titles: list[str] = field(default_factory=list)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(self._made.values())

    def add(self, command: Command) -> None:
        slots = command.slots
        artists = (slots["artist"],) if "artist" in slots else (self._some().artists[:1] or ("Nobody",))
        if "artist" in slots:
            self._add_artist(slots["artist"], command.years)
        if "track" in slots:
            self._put("track", slots["track"], artists, command.years)
        if "album" in slots:
            self._put("album", slots["album"], artists, command.years)
        if "playlist" in slots:
            self._put("playlist", slots["playlist"], (), None)

    def _add_artist(self, name: str, years: Years | None) -> None:
        if f"artist:{normalize(name)}" not in self._made:
            self._put("artist", name, (), None)
            for _ in range(_TRACKS):
                self._put("track", self._some().title, (name,), None)
        for _ in range(_MORE_OF_YEARS if years else 0):
            self._put("track", self._some().title, (name,), years)

    def _put(self, kind: str, title: str, artists: tuple[str, ...], years: Years | None) -> None:
        released = str(self.rng.integers(years[0], years[1] + 1)) if years else self._some().released
        key = ":".join((kind, *map(normalize, (*artists, title))))
        self._made.setdefault(
            key,
            Entity(
                id=key,
                kind=kind,  # type: ignore[arg-type]
                title=title,
                artists=artists,
                popularity=float(self.rng.random()),
                released=None if kind in {"artist", "playlist"} else released,
            ),
        )

    def _some(self) -> Entity:
        return self.songs[int(self.rng.integers(0, len(self.songs)))]


def _released(years: Years | None, entities: Sequence[Entity]) -> int:
    """How many entities are of those years; 0 without any."""
    return 0 if years is None else sum(_of(entity, years) for entity in entities)


def _judge(command: Command, released: int) -> Judge:
    """Right: what is named among the first 3; 7 of 10 by an artist; 8 of 10 of a year; one of the first 2 of both.

    Of a year of which the catalogue has fewer than 8, all of them: none is right where there are none.
    """

    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        return {"right": float(_right(command, hits, released))}

    return judge


def _right(command: Command, hits: Sequence[Entity], released: int) -> bool:
    slots, years = command.slots, command.years
    for kind in ("track", "album", "playlist"):
        if kind in slots:
            return any(hit.kind == kind and _same(hit.title, slots[kind]) for hit in hits[:3])
    if "artist" in slots and years:
        return any(_theirs(hit, slots["artist"]) and _of(hit, years) for hit in hits[:2])
    if "artist" in slots:
        return sum(_theirs(hit, slots["artist"]) for hit in hits[:10]) >= 7
    return years is not None and sum(_of(hit, years) for hit in hits[:10]) >= min(_OF_YEARS, released) > 0


def _same(text: str, other: str) -> bool:
    return normalize(text) == normalize(other)


def _theirs(hit: Entity, artist: str) -> bool:
    return any(_same(name, artist) for name in (hit.artists if hit.kind != "artist" else (hit.title,)))


def _of(hit: Entity, years: Years) -> bool:
    return hit.year is not None and years[0] <= hit.year <= years[1]
