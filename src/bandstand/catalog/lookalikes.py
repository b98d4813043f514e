"""Letters that are written for others: look-alikes of another alphabet, and two letters for an umlaut."""

from __future__ import annotations

import re
import unicodedata

_LATIN = "[a-z]"
_OTHER = "[\u0370-\u03ff\u0400-\u052f]"
_WORD = re.compile(r"\w+")
_CYRILLIC = dict(zip("авеѕіјкмнорстухԛԝһ", "abesijkmhopctyxqwh", strict=True))
_GREEK = dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True))
_TO_LATIN = str.maketrans(_CYRILLIC | _GREEK)
_TO_CYRILLIC = str.maketrans({latin: cyrillic for cyrillic, latin in _CYRILLIC.items() if latin not in "jqw"})
_TO_GREEK = str.maketrans({latin: greek for greek, latin in _GREEK.items()})
_ANY_LATIN, _ANY_OTHER, _ANY_GREEK = re.compile(_LATIN), re.compile(_OTHER), re.compile("[\u0370-\u03ff]")


def unmix(folded: str) -> str:
    """Return a case-folded text with every word in one alphabet where look-alikes make that possible.

    A word is read as Latin if all its Greek or Cyrillic letters look like Latin ones (as capitals or small), else in
    the other alphabet if all its Latin letters look like that one's; otherwise it stays as it is ("x-ray π2r").
    """
    if not (_ANY_OTHER.search(folded) and _ANY_LATIN.search(folded)):
        return folded
    return _WORD.sub(_one_alphabet, folded)


def _one_alphabet(match: re.Match[str]) -> str:
    word = match[0]
    if not (_ANY_OTHER.search(word) and _ANY_LATIN.search(word)):
        return word
    latin = word.translate(_TO_LATIN)
    if not _ANY_OTHER.search(latin):
        return latin
    other = word.translate(_TO_GREEK if _ANY_GREEK.search(word) else _TO_CYRILLIC)
    return word if _ANY_LATIN.search(other) else other


_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ø": "Oe", "Å": "Aa"}
)


def spell_umlauts(text: str) -> str:
    """Return a text with its umlauts and Nordic letters as two letters, as keyboards without them write ("Aerzte")."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_UMLAUTS)
