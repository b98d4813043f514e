"""The bundled catalogue: music written down by hand in `bundled/*.txt`, so that a fresh install can search."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from bandstand.errors import BadInput
from bandstand.types import KIND_SPECS, Attribute, Entity, Kind

ATTRIBUTES = ("genre", "mood", "language", "occasion", "era", "country", "vocal", "version")
"""The names that an attribute may have, in the order in which an entity lists them."""

Values = Mapping[str, tuple[Attribute, ...]]
"""Attributes by name."""

_MARKS: Mapping[str, tuple[str, ...]] = {
    "@": ("title", "popularity", "country", "language", "genre"),
    ">": ("artist",),
    "=": ("title", "year"),
    "~": ("year",),
    "-": ("title", "popularity", "mood"),
    "*": ("title", "popularity"),
    "+": ("members",),
}
_NAMED = frozenset({"also", "by", "plain", "slug", "with", "year", *ATTRIBUTES})
_LATIN = str.maketrans("øıłđð", "oildd", "'’ʻ") | str.maketrans({"þ": "th", "æ": "ae", "œ": "oe", "&": " and "})
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_POPULARITY = re.compile(r"0(\.\d+)?|1(\.0+)?")
_CONFIDENCE = re.compile(r"0\.\d*[1-9]\d*|1(\.0+)?")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a data file; ``where`` is "file, line number", and a field that says "nothing" is an empty string."""

    where: str
    mark: str
    fields: Mapping[str, str]

    def error(self, problem: str) -> BadInput:
        """The error to raise about this line."""
        return BadInput(f"bundled catalogue, {self.where}: {problem}")

    def items(self, name: str, separator: str) -> tuple[str, ...]:
        """The parts of a field that holds several."""
        text = self.fields.get(name)
        return tuple(part.strip() for part in text.split(separator)) if text else ()

    def slug(self) -> str:
        """What the id is made of."""
        slug = self.fields.get("slug") or slugify(self.fields.get("plain") or self.fields["title"])
        if not slug:
            raise self.error(f"{self.fields['title']!r} gives no id; add plain= or slug= in Latin letters")
        return slug

    def popularity(self) -> float:
        """In [0, 1]."""
        text = self.fields["popularity"]
        if not _POPULARITY.fullmatch(text):
            raise self.error(f"popularity {text!r} is not a number from 0 to 1")
        return float(text)

    def year(self) -> str | None:
        """Four digits, or None where it is not known."""
        text = self.fields.get("year")
        if text and not (len(text) == 4 and text.isdecimal()):
            raise self.error(f"{text!r} is no year; write four digits, or - where it is not known")
        return text or None

    def values(self, inherited: Values | None = None) -> dict[str, tuple[Attribute, ...]]:
        """Attributes by name: what the line states, else what is inherited."""
        values = dict(inherited or {})
        try:
            for name in ATTRIBUTES:
                if name in self.fields:
                    values[name] = tuple(_attribute(name, item) for item in self.items(name, ","))
        except ValueError as cause:
            raise self.error(str(cause)) from cause
        return values


def read_lines(source: Traversable) -> Iterator[Line]:
    """The lines of a file that say something, in order."""
    for number, text in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        if text and not text.startswith("#"):
            yield _parse(f"{source.name}, line {number}", text)


def slugify(text: str) -> str:
    """Lower-case ASCII words joined by ``-``; empty where the text has letters that are not Latin."""
    letters = text.casefold().translate(_LATIN)
    if not letters.isascii():
        decomposed = unicodedata.normalize("NFKD", letters)
        letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        if any(letter.isalpha() and not letter.isascii() for letter in letters):
            return ""
    return _NOT_IN_SLUG.sub("-", letters).strip("-")


def _parse(where: str, text: str) -> Line:
    mark, _, rest = text.partition(" ")
    parts = [part.strip() for part in rest.split(" | ")]
    names = _MARKS.get(mark, ())
    line = Line(where, mark, {})
    if not names or len(parts) < len(names):
        raise line.error(f"want one of {' '.join(_MARKS)} and its fields{': ' * bool(names)}{' | '.join(names)}")
    fields = dict(zip(names, parts, strict=False))
    for part in parts[len(names) :]:
        name, _, value = part.partition("=")
        if name not in _NAMED or name in fields:
            raise line.error(f"{part!r}: want name=value, each name once, of {', '.join(sorted(_NAMED))}")
        fields[name] = value
    return Line(where, mark, {name: "" if value == "-" else value for name, value in fields.items()})


@lru_cache(maxsize=2048)
def _attribute(name: str, item: str) -> Attribute:
    value, _, confidence = item.partition(":")
    confidence = confidence or ("" if item.endswith(":") else "1")
    if not value or not _CONFIDENCE.fullmatch(confidence):
        raise ValueError(f"{name}={item}: want value:confidence with a confidence above 0 and up to 1")
    return Attribute(name, value, float(confidence))


_INHERITED = ("genre", "language", "occasion", "era", "vocal", "version")
_COLLECTIONS: Mapping[str, Kind] = {spec.file: kind for kind, spec in KIND_SPECS.items() if spec.file}
_ALBUM_TO_BEST_TRACK = 0.9  # a record is asked for a little less often than its best-known song


@dataclass(frozen=True, slots=True)
class _Artist:
    """What an artist's records and tracks need of them."""

    slug: str
    name: str
    plain: str | None
    values: Values


@dataclass(frozen=True, slots=True)
class _Release:
    """An album, or singles of one year (``title`` and ``slug`` None), with the lines of its tracks."""

    line: Line
    artist: _Artist
    title: str | None
    slug: str | None
    tracks: list[Line] = field(default_factory=list)

    @classmethod
    def at(cls, line: Line, artist: _Artist) -> _Release:
        if line.mark == "~":
            return cls(line, artist, None, None)
        return cls(line, artist, line.fields["title"], line.slug())

    def values(self) -> dict[str, tuple[Attribute, ...]]:
        """What the tracks inherit."""
        values, year = self.line.values(self.artist.values), self.line.year()
        return values if year is None or "era" in values else {**values, "era": (Attribute("era", _era(year)),)}


@dataclass(slots=True)
class _Catalogue:
    """What has been built so far; ``references`` maps artist/title and artist/title/album to track ids."""

    entities: dict[str, Entity] = field(default_factory=dict)
    artists: dict[str, _Artist] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)

    def add(self, line: Line, entity: Entity) -> None:
        if entity.id in self.entities:
            raise line.error(f"{entity.id} is there already; give this one another slug=")
        self.entities[entity.id] = entity

    def artist(self, line: Line, slug: str) -> _Artist:
        if slug not in self.artists:
            raise line.error(f"unknown artist {slug!r}; give them a line that starts with @")
        return self.artists[slug]


def load_bundled() -> Iterator[Entity]:
    """Every artist, album, track, playlist, station and podcast that comes with Bandstand, always in the same order.

    Raises:
        BadInput: the data files contradict themselves; the message names file and line.
    """
    return load_folder(files("bandstand.catalog") / "bundled")


def load_folder(folder: Traversable) -> Iterator[Entity]:
    """`load_bundled` for any folder of files in this format."""
    sources = sorted((item for item in folder.iterdir() if item.name.endswith(".txt")), key=lambda item: item.name)
    lines = [line for source in sources if source.name not in _COLLECTIONS for line in read_lines(source)]
    catalogue = _Catalogue()
    for line in lines:
        if line.mark == "@":
            _add_artist(catalogue, line)
    for release in _releases(catalogue, lines):
        _add_release(catalogue, release)
    for source in sources:
        if source.name in _COLLECTIONS:
            _add_collections(catalogue, _COLLECTIONS[source.name], read_lines(source))
    return iter(sorted(catalogue.entities.values(), key=lambda entity: KIND_SPECS[entity.kind].listed))


def _era(year: str) -> str:
    """The decade's name: 80s of 1987, 2000s of 2004."""
    return f"{year[:3]}0s".removeprefix("19")


def _flat(values: Values) -> tuple[Attribute, ...]:
    return tuple(attribute for name in ATTRIBUTES for attribute in values.get(name, ()))


def _aliases(line: Line, artist: _Artist | None = None) -> tuple[str, ...]:
    """Further names; for a work whose title or artist is hard to type, also "artist title" as typed without effort.

    The second form, and not the artist's alias alone, so that the artist's name stays an exact match for the artist.
    """
    plain = line.fields.get("plain")
    names = [plain, *line.items("also", ";")]
    if artist is not None and (plain or artist.plain):
        names.append(f"{artist.plain or artist.name} {plain or line.fields['title']}")
    return tuple(dict.fromkeys(name for name in names if name))


def _add_artist(catalogue: _Catalogue, line: Line) -> None:
    values, slug = line.values(), line.slug()
    entity = Entity(
        id=f"artist:{slug}",
        kind="artist",
        title=line.fields["title"],
        aliases=_aliases(line),
        attributes=_flat(values),
        popularity=line.popularity(),
    )
    catalogue.add(line, entity)
    passed_on = {name: held for name, held in values.items() if name in _INHERITED}
    catalogue.artists[slug] = _Artist(slug, entity.title, line.fields.get("plain"), passed_on)


def _releases(catalogue: _Catalogue, lines: Iterable[Line]) -> list[_Release]:
    """The lines below the artists, grouped by release."""
    artist: _Artist | None = None
    release: _Release | None = None
    releases: list[_Release] = []
    for line in lines:
        if line.mark in "@>":
            artist = catalogue.artist(line, line.slug() if line.mark == "@" else line.fields["artist"])
            release = None
        elif line.mark in "=~" and artist is not None:
            release = _Release.at(line, artist)
            releases.append(release)
        elif line.mark == "-" and release is not None:
            release.tracks.append(line)
        else:
            raise line.error(f"{line.mark} does not belong here; albums follow an artist, tracks an album (= or ~)")
    return releases


def _add_release(catalogue: _Catalogue, release: _Release) -> None:
    values = release.values()
    tracks = [_add_track(catalogue, release, values, line) for line in release.tracks]
    if not tracks:
        raise release.line.error("no tracks follow; add a line that starts with -")
    if release.title is None:
        return
    album = Entity(
        id=f"album:{release.artist.slug}-{release.slug}",
        kind="album",
        title=release.title,
        artists=(release.artist.name,),
        aliases=_aliases(release.line, release.artist),
        attributes=_flat(values),
        popularity=round(_ALBUM_TO_BEST_TRACK * max(track.popularity for track in tracks), 3),
        released=release.line.year(),
        members=tuple(track.id for track in tracks),
    )
    catalogue.add(release.line, album)


def _add_track(catalogue: _Catalogue, release: _Release, inherited: Values, line: Line) -> Entity:
    slugs = [slug for slug in (release.artist.slug, line.slug(), release.slug) if slug is not None]
    guests = (catalogue.artist(line, slug).name for slug in line.items("with", ","))
    track = Entity(
        id=f"track:{'-'.join(slugs)}",
        kind="track",
        title=line.fields["title"],
        artists=(release.artist.name, *guests),
        album=release.title,
        aliases=_aliases(line, release.artist),
        attributes=_flat(line.values(inherited)),
        popularity=line.popularity(),
        released=release.line.year(),
    )
    catalogue.add(line, track)
    catalogue.references.setdefault("/".join(slugs[:2]), track.id)
    catalogue.references["/".join(slugs)] = track.id
    return track


def _add_collections(catalogue: _Catalogue, kind: Kind, lines: Iterable[Line]) -> None:
    groups: list[tuple[Line, list[str]]] = []
    for line in lines:
        if line.mark == "*":
            groups.append((line, []))
        elif line.mark == "+" and groups and kind == "playlist":
            groups[-1][1].extend(_members(catalogue, line))
        else:
            raise line.error(f"{line.mark} does not belong in a file of {kind}s")
    for head, members in groups:
        entity = Entity(
            id=f"{kind}:{head.slug()}",
            kind=kind,
            title=head.fields["title"],
            artists=head.items("by", ";"),
            aliases=_aliases(head),
            attributes=_flat(head.values()),
            popularity=head.popularity(),
            released=head.year(),
            members=tuple(members),
        )
        catalogue.add(head, entity)


def _members(catalogue: _Catalogue, line: Line) -> Iterator[str]:
    for reference in line.fields["members"].split():
        if reference not in catalogue.references:
            raise line.error(f"unknown track {reference!r}; write artist/title or artist/title/album as slugs")
        yield catalogue.references[reference]
