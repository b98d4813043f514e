"""How people mistype: how often, and which of five typos; counted from what they typed for what they meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import DamerauLevenshtein, Levenshtein

TYPOS = ("omit", "double", "insert", "replace", "swap")
MOST_TYPOS = 2

LETTERS = "abcdefghijklmnopqrstuvwxyz"

_LONG = 9
"""Longer texts than this have more typos."""

_PRIOR = {"short": (70.0, 25.0, 5.0), "long": (65.0, 20.0, 15.0)}
"""Imagined queries with no, one and two typos, before any were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typos:
    """Counts: queries by length and number of typos, each with its prior; typos by kind; whole and half-typed ones."""

    numbers: dict[str, tuple[float, ...]]
    kinds: tuple[float, ...] = (1.0,) * len(TYPOS)
    cut: tuple[float, float] = (95.0, 5.0)

    @classmethod
    def unseen(cls) -> Typos:
        """Before anything was counted."""
        return cls(numbers=dict(_PRIOR))

    def typed(self, text: str, rng: np.random.Generator) -> str:
        """The text as somebody might type it."""
        if rng.random() < self.cut[1] / sum(self.cut) and len(text) > 4:
            return text[: int(rng.integers(max(3, len(text) // 2), len(text)))].strip()
        numbers = np.array(self.numbers[length_of(text)])
        for _ in range(int(rng.choice(len(numbers), p=numbers / numbers.sum()))):
            kinds = np.array(self.kinds)
            text = mistyped(text, TYPOS[int(rng.choice(len(TYPOS), p=kinds / kinds.sum()))], rng)
        return text


def mistyped(text: str, kind: str, rng: np.random.Generator) -> str:
    """The text with one typo of a kind, at a random place."""
    place, letter = int(rng.integers(0, max(len(text) - 1, 1))), LETTERS[int(rng.integers(0, len(LETTERS)))]
    return text if kind == "omit" and len(text) < 2 else with_typo(text, kind, place + (kind == "insert"), letter)


def with_typo(text: str, kind: str, place: int, letter: str) -> str:
    """The text with what is at a place left out, doubled, replaced, or swapped with the next; or a letter before it."""
    head, here, tail = text[:place], text[place : place + 1], text[place + 1 :]
    made = {"omit": tail, "double": here * 2 + tail, "swap": tail[:1] + here + tail[1:], "replace": letter + tail}
    return head + made.get(kind, letter + here + tail)


def most_typos(text: str) -> int:
    """How many typos a misspelt text has: one, two where it is long."""
    return 2 if len(text) > _LONG else 1


def typos_between(meant: str, typed: str) -> list[str]:
    """The typos that lead from one to the other, fewest first of all; a swap is one, not two."""
    edits = Levenshtein.editops(meant, typed)
    swaps = len(edits) - DamerauLevenshtein.distance(meant, typed)
    found = ["swap"] * swaps
    for edit in list(edits)[2 * swaps :]:
        if edit.tag == "delete":
            found.append("omit")
        elif edit.tag == "replace":
            found.append("replace")
        else:
            letter = typed[edit.dest_pos]
            beside = meant[max(edit.src_pos - 1, 0) : edit.src_pos + 1]
            found.append("double" if letter in beside else "insert")
    return found


def length_of(text: str) -> str:
    """``short`` or ``long``: longer ones have more typos."""
    return "long" if len(text) > _LONG else "short"
