"""Which titles are another version than the original: remixes, live recordings, covers, imitations."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bandstand.catalog.text import SEGMENT, fold_title, normalize

_WORDS = re.compile(r"\w+")
_ALTERED = frozenset(
    _WORDS.findall(
        "acapella acoustic bootleg cappella concert demo dub edit instrumental live mashup medley mix nightcore"
        " orchestral piano rehearsal remake remix reprise reverb rework rmx session sessions slowed sped stripped"
        " unplugged version vip"
    )
)
_IMITATIONS = frozenset(
    _WORDS.findall("cover covers karaoke lullaby lullabies performed rendition renditions style tribute")
)
_NO_NAMES = frozenset(_WORDS.findall("a an and at by from in of on original the to with"))
VERSIONS = _ALTERED | _IMITATIONS
"""Words that ask for another version than the original."""

_NONE: frozenset[str] = frozenset()


def version_words(title: str, artists: Iterable[str]) -> frozenset[str]:
    """Return the words by which people ask for this version of a title, none for an original.

    All words of a bracket or of what follows a dash that says "remix", "live" and the like: the remixer's name asks for
    the remix. Of an imitation ("originally performed by", karaoke, a tribute band) only those that say so: the name of
    the imitated asks for the original. ``artists`` are normalised.
    """
    imitates = _IMITATIONS.intersection(word for artist in artists for word in artist.split())
    said = " ".join(match[1] or match[2] or "" for match in SEGMENT.finditer(title)) if _decorated(title) else ""
    words = frozenset(normalize(said).split())
    if imitates := imitates | words & _IMITATIONS:
        return imitates
    folded = frozenset(fold_title(title).split()) if words else words
    return words & folded - _NO_NAMES if words & folded & _ALTERED else _NONE


def _decorated(title: str) -> bool:
    return "(" in title or "[" in title or "-" in title or "–" in title or "—" in title
