"""Misspelling as people do it by hand, independent of the slips that the platform trains itself on."""

from __future__ import annotations

import numpy as np

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONG = 9
"""A word of more letters than this gets two slips."""


def misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with one random edit, two if it is longer than nine letters; never the text itself.

    An edit leaves a letter out, puts one in, puts another in its place, or swaps two neighbours, each equally likely
    (the four of Damerau 1964).
    """
    found = text
    while found == text:
        for _ in range(2 if len(text) > LONG else 1):
            found = _slip(found, rng)
    return found


def _slip(text: str, rng: np.random.Generator) -> str:
    place, kind, letter = int(rng.integers(max(len(text), 1))), int(rng.integers(4)), _LETTERS[int(rng.integers(26))]
    head, here, tail = text[:place], text[place : place + 1], text[place + 1 :]
    if kind == 0 and len(text) > 1:
        return head + tail
    if kind == 1:
        return head + letter + here + tail
    if kind == 2 and tail:
        return head + tail[0] + here + tail[1:]
    return head + letter + tail
