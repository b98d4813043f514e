"""One normal form for every text that is compared, and the terms and trigrams that indexes are made of."""

from __future__ import annotations

import html
import re
import unicodedata
from itertools import pairwise

from bandstand.catalog.spoken import letters_said, numbers, numeral_headings, spoken

_LATIN = "[a-z]"
_OTHER = "[\u0370-\u03ff\u0400-\u052f]"
_WORD = re.compile(r"\w+")
_CYRILLIC = dict(zip("авеѕіјкмнорстухԛԝһ", "abesijkmhopctyxqwh", strict=True))
_GREEK = dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True))
_TO_LATIN = str.maketrans(_CYRILLIC | _GREEK)
_TO_CYRILLIC = str.maketrans({latin: cyrillic for cyrillic, latin in _CYRILLIC.items() if latin not in "jqw"})
_TO_GREEK = str.maketrans({latin: greek for greek, latin in _GREEK.items()})
_ANY_LATIN, _ANY_OTHER, _ANY_GREEK = re.compile(_LATIN), re.compile(_OTHER), re.compile("[\u0370-\u03ff]")


MAX_READ_BYTES = 750
"""Of a query so many bytes are read, as UTF-8: whoever pasted a page is answered by its beginning, and it is logged."""


def beginning(text: str) -> str:
    """The text, or of a longer one the whole characters in as many bytes as are read of a query."""
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= MAX_READ_BYTES else encoded[:MAX_READ_BYTES].decode("utf-8", "ignore").rstrip()


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


_APOSTROPHES = "'`´‘’‛ʹʻʼʽʾʿˈ′＇"
_TYPOGRAPHIC = str.maketrans(dict.fromkeys(_APOSTROPHES))
_STROKES = {
    "ı": "i",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ł": "l",
    "ħ": "h",
    "ŧ": "t",
    "ŋ": "ng",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ة": "ه",
}
"""Letters that Unicode does not decompose although readers type them without their stroke; Arabic and Persian twins."""

_STRIPPED = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]"
)
"""Marks of scripts that are also written without them; Indic, Thai and kana marks are part of the letter and stay."""

_DOLLARS = re.compile(r"(?<=[^\W\d_])\$++|(?<!\$)\$++(?=[^\W\d_])")
_BANG = re.compile(r"(?<=[^\W\d_])!(?=[^\W\d_])")
_UNSPACED = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+"
)
_SIGNS = frozenset("+×÷=±∞√★")
"""Titles of one sign: kept where a text begins or ends with one that stands alone ("ed sheeran ÷")."""

_ENTITY = re.compile(r"&#?\w{2,8};")
_GLUE_LIMIT = 24
_ROUNDS = 6  # dropping a mark can make its neighbours compose; two rounds nearly always be finalized it


def _fold_character(character: str) -> str:
    """What one character of NFKC case-folded text becomes: a letter, a space, or nothing."""
    if character in _APOSTROPHES:
        return ""
    if character in _STROKES:
        return _STROKES[character]
    if character == "й":  # a letter of its own, never typed as и
        return character
    if character == "&":
        return " and "
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return unicodedata.normalize("NFC", _STRIPPED.sub("", unicodedata.normalize("NFD", character)))
    return "" if category[0] == "C" and not character.isspace() else " "


class _Folding(dict[int, str]):
    """`str.translate` table that works a code point out on first use; it can never hold more than Unicode has."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_character(chr(code))
        return folded


_FOLDING = _Folding()


def normalize(text: str) -> str:
    """Return the form under which two texts are the same text: idempotent, '' only for what shows nothing.

    NFKC, case folded, accents stripped (strokes too), apostrophes deleted, ``&`` spelt out, ``$`` and ``!`` read as
    the letters that they stand for inside a word (Ke$ha, P!nk), HTML's entities as characters, "feat." left out, other
    punctuation a space, control and bidirectional characters dropped. Scripts are kept. Where nothing would be left the
    punctuation stays ("!!!"), as does a sign that stands alone at either end ("ed sheeran ÷").
    """
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if not text.isascii():
        return _normalize_unicode(text)
    return _words(text.lower()) or _bare(text)


def _words(folded: str) -> str:
    if "$" in folded:
        folded = _DOLLARS.sub(lambda match: "s" * len(match[0]), folded)
    if "!" in folded:
        folded = _BANG.sub("i", folded)
    words = folded.translate(_FOLDING).split()
    if words and not _SIGNS.isdisjoint(folded):
        words = _signed(folded.split(), words)
    if "feat" in words or "ft" in words or "featuring" in words:
        words = _without_featuring(words) or words
    return " ".join(words)


def _signed(chunks: list[str], words: list[str]) -> list[str]:
    """The words with a sign that stands alone at either end."""
    first, last = ([chunk] if chunk in _SIGNS else [] for chunk in (chunks[0], chunks[-1]))
    return [*first, *words, *last]


def _normalize_unicode(text: str) -> str:
    for _ in range(_ROUNDS):
        folded = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC) or text).casefold()
        result = unicodedata.normalize("NFKC", _words(unicodedata.normalize("NFKC", folded)) or _bare(folded))
        result = unmix(result)
        if result.isascii():
            return _words(result) or result
        if result == text:
            break
        text = result
    return text


def _bare(text: str) -> str:
    """Return the text itself, for one that is all punctuation."""
    kept = (character for character in text.lower() if unicodedata.category(character)[0] != "C" or character.isspace())
    return " ".join("".join(kept).split())


def _without_featuring(words: list[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        if word in {"feat", "featuring"} or (word == "ft" and kept and not kept[-1].isdigit()):
            continue  # but "6 ft" is a length
        kept.append(word)
    return kept


def romanize(normalized: str) -> str:
    """Return a normalised text in Latin letters, normalised again; itself when it is ASCII already."""
    if normalized.isascii():
        return normalized
    from anyascii import anyascii

    return normalize(anyascii(normalized))


def terms(text: str) -> list[str]:
    """Return the terms that a text is looked for by, in order: words as they are spoken, an ordinal as a number too.

    Runs written without spaces (kana, han) are bigrams.
    """
    said = spoken(normalize(text))
    return [*_split(said), *(number for number in numbers(said) if number not in said.split())]


def name_keys(normalized: str) -> set[str]:
    """Return what a normalised name has in common with the same name written or said otherwise: one key is enough.

    Its letters and those of its `spoken` form, without blanks: "one republic" and "onerepublic", "2 pac" and "two pac".
    """
    return {normalized.replace(" ", ""), letters_said(normalized)}


def unspaced(text: str) -> bool:
    """Whether a text has characters of scripts that are written without spaces (kana, han)."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def _split(normalized: str) -> list[str]:
    words = normalized.split()
    if normalized.isascii():
        return words
    found: list[str] = []
    for word in words:
        position = 0
        for run in _UNSPACED.finditer(word):
            found += [word[position : run.start()]] if run.start() > position else []
            found += _bigrams(run.group())
            position = run.end()
        found += [word[position:]] if position < len(word) else []
    return found


def _bigrams(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]


def index_terms(text: str) -> list[str]:
    """Return every term under which a text should be found, without repeats.

    Beside `terms`: the words as they are written, romanised, with umlauts spelt out, apart where a capital or a digit
    begins in their middle ("OneRepublic", "2Pac"), and glued where they are also written in one ("AC/DC": acdc).
    """
    normalized = normalize(text)
    romanized = romanize(normalized)
    found = _split(normalized)
    for written in dict.fromkeys((text, numeral_headings(text), words_apart(text))):
        found += terms(written)
    spelt = spell_umlauts(text)
    if spelt != text:
        found += normalize(spelt).split()
    if romanized != normalized:
        found += romanized.split()
    return list(dict.fromkeys([*found, *_glued(text, romanized.split())]))


_APART = re.compile(r"(?<=[A-Za-z][a-z]{2})(?=[A-Z][a-z]{2})|(?<=[0-9])(?=[A-Za-z]{2})|(?<=[A-Za-z])(?=[0-9])")
_ORDINAL_OR_DECADE = re.compile(r"[0-9]+(?:st|nd|rd|th|s)?")


def words_apart(text: str) -> str:
    """Return a text with words apart that are written as one: before a capital or a digit inside them, or after one."""
    if text.islower() and text.isalpha():
        return text
    return " ".join(chunk if _ORDINAL_OR_DECADE.fullmatch(chunk) else _APART.sub(" ", chunk) for chunk in text.split())


def _glued(text: str, words: list[str]) -> list[str]:
    """Return words joined by punctuation and short neighbours each as one word, words joined by ``!`` also apart."""
    chunks = (normalize(chunk) for chunk in text.split() if not chunk.isalnum())
    joined = [chunk.replace(" ", "") for chunk in chunks if " " in chunk and len(chunk) <= _GLUE_LIMIT]
    shouted = [word for chunk in text.split() if "!" in chunk for word in normalize(chunk.replace("!", " ")).split()]
    pairs = [a + b for a, b in pairwise(words) if len(a) <= 3 and len(b) <= 3]
    return joined + shouted + pairs


def trigrams(text: str) -> list[str]:
    """Return the distinct character trigrams of each word, padded as PostgreSQL's pg_trgm pads ("  cat ").

    A text of another script gives the trigrams of its romanised form too.
    """
    normalized = normalize(text)
    words = dict.fromkeys([*normalized.split(), *romanize(normalized).split()])
    return list(
        dict.fromkeys(padded[i : i + 3] for padded in (f"  {word} " for word in words) for i in range(len(padded) - 2))
    )


SEGMENT = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s([^()\[\]]*?)(?=\s[-–—]\s|[(\[]|$)")
_CREDIT = re.compile(r"\s(?:feat\.?|ft\.|featuring)\s[^()\[\]]*$", re.IGNORECASE)
_DECORATED = re.compile(r"[(\[]|\s[-–—]\s|f(?:ea)?t", re.IGNORECASE)
_CREDIT_WORDS = ("feat", "ft", "featuring", "with")
_RELEASE = re.compile(
    r"(?:remaster(?:ed|ing)?|deluxe|edition|mono|stereo|explicit|clean|expanded|reissue|anniversary|bonus"
    r"|(?:radio|single|album|original) (?:mix|version|edit))"
)
_FILLER = re.compile(
    r"(?:version|mix|track|digital(?:ly)?|original|album|single|the|a|re|super|special|limited|and|\d+(?:st|nd|rd|th)?)"
)
_RELEASE_ONLY = re.compile(rf"(?:{_FILLER.pattern} )*{_RELEASE.pattern}(?: (?:{_RELEASE.pattern}|{_FILLER.pattern}))*")


def fold_title(title: str) -> str:
    """Return the normalised title without what only names a release of the same recording, never ''.

    Remaster, edition, mono/stereo, radio edit and guest credits go; live, remix, acoustic, cover and instrumental
    are other recordings and stay.
    """
    if not _DECORATED.search(title):
        return normalize(title)
    folded = SEGMENT.sub(_keep_segment, title)
    return normalize(_CREDIT.sub("", folded)) or normalize(title)


def _keep_segment(match: re.Match[str]) -> str:
    bracketed = match[1] is not None
    content = (match[1] if bracketed else match[2]).strip()
    first = content.split(maxsplit=1)[0].rstrip(".").lower() if content else ""
    if bracketed and first in _CREDIT_WORDS and " " in content:
        return " "
    return " " if _RELEASE_ONLY.fullmatch(normalize(content)) else f" {content} "
