"""The format in which the bundled catalogue is written: marked lines of fields, each an attribute, a name or a number.

A line is a mark, then fields between `` | ``: first those that the mark asks for, then ``name=value`` in any order.
A field that is a lone ``-`` says "nothing". A line that starts with ``#`` is a comment.

    @ name | popularity | country | languages | genres      an artist; the lines below are theirs
    > slug                                                  go on with an artist who has a line elsewhere
    = title | year                                          an album; the tracks below are on it
    ~ year                                                  the tracks below are singles of that year
    - title | popularity | moods                            a track
    * title | popularity                                    a playlist, station or podcast, after the file's name
    + artist/title artist/title/album ...                   the playlist's members, as slugs

Attributes are written ``value:confidence, value:confidence``; a confidence left out is 1. ``plain=`` is the name as
typed on a Latin keyboard, ``also=`` further names (``;`` between them), ``with=`` the slugs of further artists,
``by=`` people without a line of their own, ``slug=`` what the id is made of where the name gives none, or a long one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources.abc import Traversable

from bandstand.errors import BadInput
from bandstand.types import Attribute

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
