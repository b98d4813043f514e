"""The table of synonyms: which words mean an attribute, a kind or an intent, and which stand for one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from bandstand.catalog.text import normalize
from bandstand.errors import BadInput, StorageError
from bandstand.types import KIND_SPECS, Slot
from bandstand.understanding.lexicon import LONGEST

MAX_LINES = 100_000
EQUAL = 0.9
"""P(an equal phrase is written | the phrase is meant), relative to the phrase itself."""

_MEANING = re.compile(r"([a-z_]+):([^\[\]]+?)(?: ([01](?:\.\d+)?|\.\d+))?")
_PERIOD = re.compile(r"\d{4}(?:-\d{4})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Synonyms:
    """``meanings``: by normalised phrase, what it may mean; ``equals``: the phrases that may stand for it."""

    meanings: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)
    equals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def with_(self, other: Synonyms) -> Synonyms:
        """Both tables; where both give a phrase a meaning in one slot, the other's counts."""
        meanings = dict(self.meanings)
        for phrase, slots in other.meanings.items():
            own = {slot.name for slot in slots}
            meanings[phrase] = slots + tuple(slot for slot in meanings.get(phrase, ()) if slot.name not in own)
        equals = dict(self.equals)
        for phrase, others in other.equals.items():
            equals[phrase] = tuple(dict.fromkeys((*equals.get(phrase, ()), *others)))
        return Synonyms(meanings=meanings, equals=equals)


def parse_synonyms(text: str) -> Synonyms:
    """Read a table, whose format the bundled ``synonyms.txt`` explains.

    Raises:
        BadInput: a line cannot be read; the message names it.
    """
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise BadInput(f"the synonym table has {len(lines)} lines; at most {MAX_LINES} are read", field="synonyms")
    meanings, equals = dict[str, list[Slot]](), dict[str, dict[str, None]]()
    for number, line in enumerate(lines, start=1):
        content = line.partition("#")[0].strip()
        if "=>" in content:
            raise _wrong(number, "has '=>': write 'phrase -> slot:value' for a meaning, 'phrase = phrase' for equals")
        if "->" in content:
            left, _, right = content.partition("->")
            slots = [_slot(part.strip(), number) for part in right.split(",")]
            for phrase in _phrases(left.split(","), number):
                meanings.setdefault(phrase, []).extend(slots)
        elif content:
            group = _phrases(content.split("="), number)
            if len(group) < 2:
                raise _wrong(number, "needs 'phrase -> slot:value' or 'phrase = phrase'")
            for phrase in group:
                equals.setdefault(phrase, {}).update(dict.fromkeys(other for other in group if other != phrase))
    return Synonyms(
        meanings={phrase: tuple(dict.fromkeys(slots)) for phrase, slots in meanings.items()},
        equals={phrase: tuple(others) for phrase, others in equals.items()},
    )


def load_synonyms(path: Path | None = None) -> Synonyms:
    """The bundled table and, over it, an operator's.

    Raises:
        BadInput: the operator's table is wrong.
        StorageError: it cannot be read.
    """
    if path is None:
        return _bundled()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read the synonym table {path}: {error}. Save it as UTF-8 text.") from error
    return _bundled().with_(parse_synonyms(text))


@lru_cache(maxsize=1)
def _bundled() -> Synonyms:
    kinds = "".join(f"{', '.join(spec.words)} -> kind:{kind}\n" for kind, spec in KIND_SPECS.items())
    tables = ((files(__package__) / name).read_text("utf-8") for name in ("synonyms.txt", "translations.txt"))
    return parse_synonyms(kinds + "".join(tables))


def _phrases(parts: Iterable[str], number: int) -> list[str]:
    phrases = [normalize(part) for part in parts]
    for phrase in phrases:
        if not phrase:
            raise _wrong(number, "has an empty phrase")
        if phrase.count(" ") >= LONGEST:
            raise _wrong(number, f"has a phrase of more than {LONGEST} words: {phrase!r}")
    return list(dict.fromkeys(phrases))


def _slot(text: str, number: int) -> Slot:
    match = _MEANING.fullmatch(text)
    if match is None:
        raise _wrong(number, f"has {text!r} where slot:value or slot:value confidence is wanted, such as mood:calm 0.8")
    name, value, confidence = match[1], match[2].strip(), float(match[3] or 1)
    if name == "year" and not _PERIOD.fullmatch(value):
        raise _wrong(number, f"has the year {value!r}; write 1984 or 1980-1989")
    value = value if name == "year" else normalize(value)
    if not value or not 0 < confidence <= 1:
        raise _wrong(number, f"has {text!r}: a value must not be empty and a confidence lies in (0, 1]")
    return Slot(name, value, confidence)


def _wrong(number: int, reason: str) -> BadInput:
    return BadInput(f"line {number} of the synonym table {reason}", field="synonyms")
