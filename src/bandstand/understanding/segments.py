"""Words of scripts that are written without spaces, taken apart where a table and names say how."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from bandstand.catalog.text import unspaced

Knows = Callable[[str], bool]

_LONGEST = 24


def segmented(normalized: str, *, means: Knows, named: Knows) -> list[str]:
    """The words of a normalised query; 悲しい曲 ("sad songs") becomes two.

    A word is taken apart if all of it is phrases that mean something and names, the longest first, with at least one of
    the former among them, unless it is a name itself.
    """
    found: list[str] = []
    for word in normalized.split():
        apart = None
        if unspaced(word) and len(word) <= _LONGEST and not named(word) and not means(word):
            apart = _apart(word, lambda piece: means(piece) or named(piece))
        found += apart if apart is not None and any(map(means, apart)) else [word]
    return found


def _apart(word: str, known: Knows) -> list[str] | None:
    """The pieces of a word, None where some of it is not known."""

    @cache
    def after(start: int) -> list[str] | None:
        if start == len(word):
            return []
        for end in range(len(word), start, -1):
            if known(word[start:end]) and (rest := after(end)) is not None:
                return [word[start:end], *rest]
        return None

    return after(0)
