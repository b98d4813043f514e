"""Under which phrases and words an entity is known: its names in full, its other names, and parts of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from bandstand.catalog.lookalikes import spell_umlauts
from bandstand.catalog.text import fold_title, index_terms, normalize, romanize
from bandstand.types import Entity

FULL, FOLDED, OTHER_SCRIPT, ALIAS, PART = 1.0, 0.9, 0.9, 0.8, 0.4
"""P(phrase | name) relative to the full name; a part counts `PART` times the share of the name that it is."""

LONGEST = 8
"""Words of the longest phrase that is looked for as one: longer names are met by their parts and their words."""

_FILLERS = re.compile(
    r"(?:(?:a|an|and|at|by|da|das|de|del|der|die|el|for|from|in|is|it|la|las|le|les|los|mc|of|on|or|the|to)(?: |$))+"
)
_RUN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]{3,}")

TITLE, OTHER, ALBUM = 1.0, 0.8, 0.5
"""How much a word says about an entity, by where it stands: title and artists, aliases, album."""


class Phrase(NamedTuple):
    """A normalised phrase and P(phrase | name) relative to the full name, in (0, 1]."""

    text: str
    share: float


def names(text: str, aliases: tuple[str, ...] = (), *, inner: bool) -> list[Phrase]:
    """Return the phrases of a name, each once with its largest share; ``inner`` parts are those of artists' names."""
    found: dict[str, float] = {}
    for phrase, share in _whole(text, aliases):
        _raise(found, phrase, share)
    for phrase, share in list(found.items()):
        for part, of in _parts(phrase, inner=inner):
            _raise(found, part, share * PART * of)
    return [Phrase(phrase, share) for phrase, share in found.items() if phrase.count(" ") < LONGEST]


def _raise(found: dict[str, float], phrase: str, share: float) -> None:
    if phrase and found.get(phrase, 0.0) < share:
        found[phrase] = share


def _whole(text: str, aliases: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for name, share in ((text, FULL), *((alias, ALIAS) for alias in aliases)):
        normalized = normalize(name)
        yield normalized, share
        yield fold_title(name), share * FOLDED
        if not name.isascii():
            yield romanize(normalized), share * OTHER_SCRIPT
            yield normalize(spell_umlauts(name)), share * OTHER_SCRIPT
        if " and " in normalized or normalized.startswith("the "):
            yield normalized.removeprefix("the ").replace(" and ", " "), share * FOLDED


def _parts(phrase: str, *, inner: bool) -> Iterator[tuple[str, float]]:
    """Beginnings of two words or more; for ``inner`` any run of words; beginnings of a name in an unspaced script."""
    words = phrase.split()
    if inner and 1 < len(words) <= LONGEST:
        for start in range(len(words)):
            for end in range(start + 1, len(words) + 1):
                part = " ".join(words[start:end])
                if not _FILLERS.fullmatch(part):
                    yield part, len(part) / len(phrase)
    elif not inner:
        for end in range(2, min(len(words) - 1, LONGEST) + 1):
            part = " ".join(words[:end])
            yield part, len(part) / len(phrase)
    if len(words) == 1 and (run := _RUN.match(phrase)):
        for end in range(2, len(run[0])):
            yield phrase[:end], end / len(phrase)


def words(entity: Entity) -> dict[str, float]:
    """Return the index terms of an entity, each with the weight of the best place where it stands."""
    found = dict.fromkeys(_terms(entity.album), ALBUM) if entity.album else {}
    for alias in entity.aliases:
        found |= dict.fromkeys(_terms(alias), OTHER)
    for artist in entity.artists:
        found |= dict.fromkeys(_terms(artist), TITLE)
    return found | dict.fromkeys(index_terms(entity.title), TITLE)


@lru_cache(maxsize=65_536)
def _terms(text: str) -> tuple[str, ...]:
    return tuple(index_terms(text))
