"""How the words of a query may have been meant: as typed, as near words, joined, split, in Latin letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple

from bandstand.catalog.text import romanize
from bandstand.understanding.naming import LONGEST, OTHER_SCRIPT
from bandstand.understanding.vocabulary import Vocabulary

SLIP = 0.02
"""P(one slip of the keyboard), per word."""

NEAR = 3
"""Near words of a misspelt one that are considered."""

RARE, MUCH = 0.5, 40.0
"""A known word of less weight than `RARE` may be a slip for one that is `MUCH` times as common."""

_SPELT = 4
"""Forms of one span that are looked up."""

_SPLIT_UP_TO = 24


class Variant(NamedTuple):
    """A form of a word or of a span of words: its text, the edits made, and P(typed | this form was meant)."""

    text: str
    edits: int
    factor: float


class SpanVariant(NamedTuple):
    """A form of the words ``start`` to ``end``."""

    start: int
    end: int
    form: Variant


def word_variants(word: str, vocabulary: Vocabulary) -> list[Variant]:
    """The word itself first, then what it may stand for."""
    typed, weight = Variant(word, 0, 1.0), vocabulary.weight(word)
    found = [typed]
    if not word.isascii() and not weight:
        found.append(Variant(romanize(word), 0, OTHER_SCRIPT))
    if weight < RARE:
        near = [other for other in vocabulary.near(word) if other.weight > MUCH * weight]
        mass = sum(other.weight for other in near) or 1.0
        found += [
            Variant(other.word, other.edits, SLIP**other.edits * (other.weight / mass) ** 0.5) for other in near[:NEAR]
        ]
    return found


def span_variants(
    words: Sequence[str], forms: Sequence[Sequence[Variant]], known: Sequence[bool]
) -> Iterator[SpanVariant]:
    """The forms of every span of up to `LONGEST` words."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST, len(words)) + 1):
            for chosen in islice(product(*forms[start:end]), _SPELT):
                yield SpanVariant(start, end, _together(chosen))
        if start + 1 < len(words) and not (known[start] and known[start + 1]):
            yield SpanVariant(start, start + 2, Variant(words[start] + words[start + 1], 1, SLIP))
        if not known[start]:
            yield from (SpanVariant(start, start + 1, form) for form in _splits(words[start]))


def _together(chosen: Sequence[Variant]) -> Variant:
    factor, edits = 1.0, 0
    for form in chosen:
        factor, edits = factor * form.factor, edits + form.edits
    return Variant(" ".join([form.text for form in chosen]), edits, factor)


def _splits(word: str) -> Iterator[Variant]:
    least = 2 if word.isascii() else 1  # a syllable or an ideograph is a word
    if 3 * least <= len(word) <= _SPLIT_UP_TO and not any(map(str.isdigit, word)):
        for place in range(least, len(word) - least + 1):
            yield Variant(f"{word[:place]} {word[place:]}", 1, SLIP)
