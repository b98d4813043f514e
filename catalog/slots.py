"""What a query says about attributes, kinds and years, by greedy longest match against the catalogue's own values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bandstand.catalog.builder import AttributeKey, Posting
from bandstand.catalog.columns import Columns
from bandstand.types import Kind, Slot

MAX_WORDS = 3

_KIND_WORDS: Mapping[Kind, tuple[str, ...]] = {
    "track": ("song", "songs", "track", "tracks"),
    "artist": ("artist", "artists", "band", "bands", "group", "groups", "singer", "singers"),
    "album": ("album", "albums"),
    "playlist": ("playlist", "playlists"),
    "station": ("station", "stations", "radio", "radio station", "radio stations"),
    "podcast": ("podcast", "podcasts"),
}
_DECADE_WORDS = {"fifties": 1950, "sixties": 1960, "seventies": 1970, "eighties": 1980, "nineties": 1990}
_DECADE = re.compile(r"((?:19|20)?)(\d)0s")
_YEAR = re.compile(r"19\d\d|20[0-2]\d|2030")
_LIKELY, _POSSIBLE = 0.9, 0.5  # a bare year may be a title ("1999")


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Every phrase that names an attribute value of the catalogue, or a kind; normalised, of at most `MAX_WORDS`."""

    phrases: Mapping[str, tuple[Slot, ...]] = field(default_factory=lambda: dict(_kind_phrases()))
    source: Mapping[AttributeKey, Posting] | None = None

    def updated(self, columns: Columns) -> Vocabulary:
        """Return the vocabulary of a snapshot; itself when no attribute changed since."""
        if columns.postings is self.source:
            return self
        named: dict[str, list[tuple[str, int]]] = {}
        for (name, value), posting in columns.postings.items():
            if value and value.count(" ") < MAX_WORDS:
                named.setdefault(value, []).append((name, len(posting.ordinals)))
        phrases = {value: _shares(value, names) for value, names in named.items()}
        for word, slots in _kind_phrases():
            phrases[word] = slots + phrases.get(word, ())
        return Vocabulary(phrases, columns.postings)


def _kind_phrases() -> list[tuple[str, tuple[Slot, ...]]]:
    return [(word, (Slot("kind", kind, _LIKELY),)) for kind, words in _KIND_WORDS.items() for word in words]


def _shares(value: str, names: list[tuple[str, int]]) -> tuple[Slot, ...]:
    """Return a value's readings, each with its share of the entities that have it: genre rock 0.8, tag rock 0.2."""
    total = sum(count for _, count in names)
    return tuple(Slot(name, value, count / total) for name, count in sorted(names, key=lambda n: (-n[1], n[0])))


def find_slots(normalized: str, vocabulary: Vocabulary) -> tuple[Slot, ...]:
    """Return the slots of a normalised query from left to right; a word belongs to at most one phrase.

    A year is ``Slot("year", "1984")`` and a decade ``Slot("year", "1980-1989")``, inclusive.
    """
    words, found, start = normalized.split(), list[Slot](), 0
    while start < len(words):
        for length in range(min(MAX_WORDS, len(words) - start), 0, -1):
            slots = vocabulary.phrases.get(" ".join(words[start : start + length]), ())
            if length == 1:
                slots = _period(words[start]) + slots
            if slots:
                found += slots
                break
        else:
            length = 1
        start += length
    return tuple(found)


def _period(word: str) -> tuple[Slot, ...]:
    if not word[0].isdigit():
        decade = _DECADE_WORDS.get(word)
    elif match := _DECADE.fullmatch(word):
        century = int(match[1] or (20 if int(match[2]) < 3 else 19))
        decade = century * 100 + int(match[2]) * 10
    else:
        return (Slot("year", word, _POSSIBLE),) if _YEAR.fullmatch(word) else ()
    return () if decade is None else (Slot("year", f"{decade}-{decade + 9}", _LIKELY),)
