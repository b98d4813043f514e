"""Names as tags write them: several in one text, guests among them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SEVERAL = re.compile(r"\s*[;\0]\s*|\s+/\s+")
_GUESTS = re.compile(r"\s+[(\[]?(?:feat|ft|featuring)\b\.?\s+", re.IGNORECASE)


def values_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Every value, those apart that one text lists: "Jazz; Soul"."""
    found = (part.strip() for text in texts for part in _SEVERAL.split(text))
    return tuple(dict.fromkeys(filter(None, found)))


def people_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Every name, guests too; "AC/DC" and "Simon & Garfunkel" are one each."""
    found = (_closed(person) for text in values_in(texts) for person in _GUESTS.split(text))
    return tuple(dict.fromkeys(filter(None, found)))


def _closed(name: str) -> str:
    """A name without the bracket that was opened before "feat."."""
    return name if "(" in name or "[" in name else name.rstrip(")]")
