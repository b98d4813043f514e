"""The query language: "exact words", -without and field:value in what was typed; all else is plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bandstand.catalog.conditions import years_of
from bandstand.catalog.text import normalize
from bandstand.types import EXACT, KIND_SPECS, KINDS, Condition, Kind

MOST = 16
"""Conditions of one query; a text with more is plain words."""

_PART = re.compile(
    r"(?<!\S)(?P<without>-(?![^-]*-(?!\S)))?"  # a dash that another closes is an ornament: "gurenge -tv size-"
    r"(?:(?P<field>[^\W\d_][\w-]*):)?"
    r'(?:["“„](?P<phrase>[^"“”„]*)["“”](?!\S)|(?P<word>[^\s"“”„]\S*))'
)
_KINDS = {word: kind for kind in KINDS for word in (kind, *KIND_SPECS[kind].words)}


@dataclass(frozen=True, slots=True)
class Syntax:
    """A typed text as it was read: its plain words, those in quotes among them, and its conditions."""

    words: str
    conditions: tuple[Condition, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether some words are meant as they were typed."""
        return any(condition.field == EXACT and not condition.negated for condition in self.conditions)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are asked for."""
        return tuple(kind for kind in KINDS if Condition("kind", kind) in self.conditions)


def parse(text: str, has: Callable[[str], bool]) -> Syntax:
    """Read a text; one that says no condition, or nothing but words to leave out, is plain and stays as it is.

    ``has`` says whether the catalogue has an attribute of a case-folded name.
    """
    conditions = dict[Condition, None]()

    def read(part: re.Match[str]) -> str:
        condition = _condition(part, has)
        if condition is None:
            return part[0]
        conditions[condition] = None
        return condition.value if condition == Condition(EXACT, condition.value) else ""

    words = _PART.sub(read, text)
    only_without = not words.strip() and all(each.negated and each.field == EXACT for each in conditions)
    if not conditions or only_without or len(conditions) > MOST:
        return Syntax(text)
    return Syntax(words, tuple(conditions))


def _condition(part: re.Match[str], has: Callable[[str], bool]) -> Condition | None:
    """What a part of a text says; None where it is plain."""
    phrase, negated = part["phrase"], part["without"] is not None
    value = part["word"] if phrase is None else phrase
    if part["field"]:
        return _of_field(part["field"].casefold(), value, negated, has)
    if phrase is None:
        said = negated and value[0].isalnum() and any(map(str.isalpha, value))
    else:
        said = sum(map(str.isalnum, value)) > 1  # rock "n" roll
    return Condition(EXACT, value, negated) if said else None


def _of_field(field: str, value: str, negated: bool, has: Callable[[str], bool]) -> Condition | None:
    if field == "kind":
        kind = _KINDS.get(normalize(value))
        return None if kind is None else Condition(field, kind, negated)
    if field == "year":
        known = years_of(value) is not None
    else:
        known = bool(normalize(value)) and (field in ("artist", "album", "title") or has(field))
    return Condition(field, value, negated) if known else None
