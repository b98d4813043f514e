"""Where in a sorted list of texts those stand that begin with what was typed, or with what is one slip from it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

SLIP_FROM = 4
"""Letters that must have been typed before a slip is allowed for: below, everything would be near everything."""

_LAST = "\U0010ffff"
_LETTERS = 64
"""How many letters are tried in the place of one; alphabets have fewer."""

Ranges = Callable[[Sequence[str], str], list[slice]]
"""Disjoint ascending ranges of sorted texts for what was typed."""


def under(texts: Sequence[str], typed: str) -> list[slice]:
    """The range of ``texts``, ascending, that begin with ``typed``; [] where none does."""
    low, high = _range(texts, typed, 0, len(texts))
    return [slice(low, high)] if low < high else []


def one_slip(texts: Sequence[str], typed: str) -> list[slice]:
    """The ranges of ``texts``, ascending, of which a beginning is exactly one edit from ``typed``.

    A letter too many, one missing, another one, or two swapped (optimal string alignment). The first letter is taken as
    meant unless it is one too many or swapped; digits never slip: 2024 is not 2025. Texts that begin with ``typed``
    itself are left out. At each letter only those are tried that come next in some text, so that the cost is a few
    bisections a letter, whatever the script.
    """
    if len(typed) < SLIP_FROM:
        return []
    found: list[slice] = []
    for at in range(len(typed)):
        low, high = _range(texts, typed[:at], 0, len(texts))
        if low == high:
            break  # nothing begins so: a slip further on does not help
        slipped = _variants(texts, typed, at, low, high)
        found += [slice(*_range(texts, beginning, 0, len(texts))) for beginning in slipped]
    return _without(_merged(found), under(texts, typed))


def _variants(texts: Sequence[str], typed: str, at: int, low: int, high: int) -> Iterator[str]:
    """The beginnings that give ``typed`` by one slip at a letter; texts from ``low`` to ``high`` begin as it does."""
    head, letter, tail = typed[:at], typed[at], typed[at + 1 :]
    if not letter.isdigit() and head + tail:
        yield head + tail
    if tail and not (letter.isdigit() or tail[0].isdigit()):
        yield head + tail[0] + letter + tail[1:]
    if at == 0:
        return
    for other in islice(_next_letters(texts, at, low, high), _LETTERS):
        if not other.isdigit():
            yield head + other + letter + tail
            if not letter.isdigit():
                yield head + other + tail


def _next_letters(texts: Sequence[str], at: int, low: int, high: int) -> Iterator[str]:
    """The distinct letters at a place of texts that are equal before it."""
    while low < high:
        text = texts[low]
        if len(text) <= at:
            low += 1
            continue
        yield text[at]
        low = bisect_left(texts, text[: at + 1] + _LAST, low, high)


def _range(texts: Sequence[str], beginning: str, low: int, high: int) -> tuple[int, int]:
    return bisect_left(texts, beginning, low, high), bisect_left(texts, beginning + _LAST, low, high)


def _merged(ranges: list[slice]) -> list[slice]:
    """Overlapping and touching ranges joined, ascending."""
    joined: list[slice] = []
    for one in sorted((each for each in ranges if each.start < each.stop), key=lambda each: each.start):
        if joined and one.start <= joined[-1].stop:
            joined[-1] = slice(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return joined


def _without(ranges: list[slice], taken: list[slice]) -> list[slice]:
    """Disjoint ranges less at most one other."""
    if not taken:
        return ranges
    (gone,) = taken
    before = ((one.start, min(one.stop, gone.start)) for one in ranges)
    after = ((max(one.start, gone.stop), one.stop) for one in ranges)
    return [slice(low, high) for low, high in sorted([*before, *after]) if low < high]
