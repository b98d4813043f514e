"""One form for the ways in which a name is said and written: numbers, initials, "and", and -in' for -ing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_WORDS = re.compile(r"\w+")
_UNITS = _WORDS.findall(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = _WORDS.findall("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * at for at, word in enumerate(_TENS, start=2)}
_LARGE = {"hundred": 100, "thousand": 1_000}
_ORDINALS = {"first": "1st", "second": "2nd", "third": "3rd"} | {
    word: f"{value}th"
    for value, word in enumerate(
        _WORDS.findall(
            "fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth"
            " seventeenth eighteenth nineteenth twentieth"
        ),
        start=4,
    )
}
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"} | {
    word: str(value) for value, word in enumerate(_WORDS.findall("xi xii xiii xiv xv xvi"), start=11)
}
_ROMAN_LETTERS = {"i": "1", "v": "5", "x": "10"}
"""Numerals only where a number is due: after "part" and the like, or as a heading ("Extraction V: Sentry")."""

_COUNTED = {"pt": "part", "part": "part", "parts": "parts", "vol": "volume", "volume": "volume", "opus": "op"} | {
    word: word for word in ("op", "chapter", "act", "book", "episode", "season", "movement", "symphony", "sonata")
}
_NUMBER_SIGNS = {"no", "nr", "num", "number"}
_JOINING = {"and", "n"}

_HAN = "零一二三四五六七八九"
_HAN_TWINS = str.maketrans({"〇": "零", "两": "二", "萬": "万"})
_HAN_UNITS = {"十": 10, "百": 100, "千": 1_000}
_HAN_NUMBER = re.compile(f"[{_HAN}〇两十百千万萬]{{2,}}|十")

_GROUPED = re.compile(r"\b\d{1,3}(?: \d{3})+\b")
_ING = re.compile(r"\b(\w{3,})ing\b")
_DIGITS = re.compile(r"[0-9]+(?:st|nd|rd|th)?")
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)")
_CHANGING = {*_SMALL, *_LARGE, *_ORDINALS, *_ROMAN, *_JOINING, *_NUMBER_SIGNS, *_COUNTED}
_HEADING = re.compile(r"(?<=\w )([IVX])(?=:)")


def spoken(normalized: str) -> str:
    """Return the form in which a normalised text and what sounds the same are the same text, never '' for a text.

    Numbers are digits ("part two", "Pt. II": part 2; "No. 5": 5; "second": 2nd; "nineteen eighty four": 1984;
    "10 000": 10000; "十七": 17), initials one word ("r e m": rem), "and" and "n" between words left out, -ing is -in.
    """
    text = normalized if normalized.isascii() else _HAN_NUMBER.sub(_han_value, normalized)
    if _GROUPED.search(text):
        text = _GROUPED.sub(lambda match: match[0].replace(" ", ""), text)
    words = text.split()
    if not _CHANGING.isdisjoint(words) or len(min(words, key=len, default="")) == 1:
        text = " ".join(_joined(_initials(_digits(words))))
    return _ING.sub(r"\1in", text) if "ing" in text else text


def letters_said(normalized: str) -> str:
    """Return the `spoken` form without blanks: the same for names that are written in one word or apart."""
    return spoken(normalized).replace(" ", "")


def numeral_headings(title: str) -> str:
    """Return a title with a numeral of one letter before a colon as digits: normalised it would be a letter."""
    return _HEADING.sub(lambda match: _ROMAN_LETTERS[match[0].lower()], title) if ":" in title else title


def numbers(said: str) -> list[str]:
    """Return the numbers of a text in its `spoken` form as digits: "2nd" gives "2"."""
    return [
        match[1] if (match := _ORDINAL.fullmatch(word)) else word for word in said.split() if _DIGITS.fullmatch(word)
    ]


def _digits(words: Sequence[str]) -> Iterator[str]:
    """The words with numbers in digits."""
    at = 0
    while at < len(words):
        word, before = words[at], words[at - 1] if at else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        value, used = _cardinal(words, at)
        if used:
            yield str(value)
        elif before in _COUNTED and word in _ROMAN_LETTERS:
            yield _ROMAN_LETTERS[word]
        elif not (word in _NUMBER_SIGNS and _is_number(following)):
            counts = word in _COUNTED and (_is_number(following) or following in _ROMAN_LETTERS)
            yield _COUNTED[word] if counts else _ORDINALS.get(word) or _ROMAN.get(word) or word
        at += max(used, 1)


def _is_number(word: str) -> bool:
    return word in _SMALL or word in _ROMAN or bool(_DIGITS.fullmatch(word))


def _cardinal(words: Sequence[str], at: int) -> tuple[int, int]:
    """The number that begins at a word, and of how many words it is; 0 words where none begins."""
    value, used = _pair(words, at)
    if not used and words[at] not in _LARGE:
        return 0, 0
    if used == 1 and 13 <= value <= 20 and (years := _pair(words, at + 1))[0] >= 10:
        return 100 * value + years[0], 1 + years[1]
    total = value
    for word, scale in _LARGE.items():
        if words[at + used : at + used + 1] == [word]:
            rest, length = _pair(words, at + used + 1)
            total, used = max(total, 1) * scale + rest, used + 1 + length
    return total, used


def _pair(words: Sequence[str], at: int) -> tuple[int, int]:
    """A number below a hundred, in one word or two."""
    if at >= len(words) or words[at] not in _SMALL:
        return 0, 0
    value = _SMALL[words[at]]
    unit = _SMALL.get(words[at + 1], 0) if at + 1 < len(words) else 0
    return (value + unit, 2) if value >= 20 and 1 <= unit <= 9 else (value, 1)


def _han_value(match: re.Match[str]) -> str:
    """A number in Chinese characters as digits; without units its digits one by one (二〇一二 is read so)."""
    characters = match[0].translate(_HAN_TWINS)
    if not {*characters} & {*_HAN_UNITS, "万"}:
        return "".join(str(_HAN.index(digit)) for digit in characters)
    total = section = digit = 0
    for character in characters:
        if character in _HAN_UNITS:
            section, digit = section + (digit or 1) * _HAN_UNITS[character], 0
        elif character == "万":
            total, section, digit = (total + section + digit or 1) * 10_000, 0, 0
        else:
            digit = _HAN.index(character)
    return str(total + section + digit)


def _initials(words: Iterator[str]) -> Iterator[str]:
    """The words with runs of single letters as one word each."""
    run = ""
    for word in words:
        if len(word) == 1 and word.isalpha() and word.isascii():
            run += word
            continue
        yield from filter(None, (run, word))
        run = ""
    if run:
        yield run


def _joined(words: Iterator[str]) -> list[str]:
    """The words without "and" and "n" between two others."""
    kept = list(words)
    inner = range(1, len(kept) - 1)
    return [word for at, word in enumerate(kept) if at not in inner or word not in _JOINING]
