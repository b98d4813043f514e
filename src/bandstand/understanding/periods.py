"""Years and decades as they are written: 1984, 80s, 1980s, '95."""

from __future__ import annotations

import re

from bandstand.types import Slot

_DECADE = re.compile(r"((?:19|20)?)(\d)0s")
_YEAR = re.compile(r"19[0-9]\d|20[0-3]\d")
LIKELY, POSSIBLE = 1.0, 0.6
"""A decade is hardly anything else, a bare year may be a title ("1999")."""


def period(word: str) -> Slot | None:
    """The years that a word names, ``Slot("year", "1984")`` or, inclusive, ``Slot("year", "1980-1989")``."""
    if not word.isascii() or not word[:1].isdigit():
        return None
    if match := _DECADE.fullmatch(word):
        century = int(match[1] or (20 if int(match[2]) < 3 else 19))
        first = century * 100 + int(match[2]) * 10
        return Slot("year", f"{first}-{first + 9}", LIKELY)
    return Slot("year", word, POSSIBLE) if _YEAR.fullmatch(word) else None


def bounds(value: str) -> tuple[int, int]:
    """First and last year, inclusive, of a ``year`` slot's value."""
    first, _, last = value.partition("-")
    return int(first), int(last or first)
