"""What entities hold in their fields, by field: for filters, facets and orders over all of them at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.text import normalize
from bandstand.types import Entity, FieldValue, Mask, Ordinals

Bounds = Mapping[str, float | str]
"""The bounds of a `Clause` that are given, by name."""

_LAST = "\U0010ffff"


@dataclass(slots=True)
class Vocabulary:
    """The texts that entities hold in one field, normalised, a number for each combination; it only ever grows."""

    entries: list[tuple[str, ...]] = field(default_factory=list)
    _codes: dict[tuple[str, ...], int] = field(default_factory=dict)
    _holding: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """Single texts, numbered from 0 in their order."""
        made = cls()
        for text in texts:
            made.code((text,))
        return made

    def code(self, texts: tuple[str, ...]) -> int:
        """The number of a combination, given to it where it is new."""
        found = self._codes.get(texts)
        if found is None:
            found = self._codes[texts] = len(self.entries)
            self.entries.append(texts)
            for text in dict.fromkeys(texts):
                self._holding.setdefault(text, []).append(found)
        return found

    def holding(self, texts: Iterable[str]) -> list[int]:
        """The combinations that hold one of the texts."""
        return [code for text in texts for code in self._holding.get(normalize(text), ())]

    def within(self, bounds: Bounds) -> list[int]:
        """The combinations of which one text lies within all bounds; a beginning stands for all that begins so."""
        checks = [
            (_COMPARED_TEXTS[name], normalize(as_text(bound)) + _LAST * (name in ("gt", "lte")))
            for name, bound in bounds.items()
        ]
        return [
            code
            for code, entry in enumerate(self.entries)
            if any(all(compared(text, bound) for compared, bound in checks) for text in entry)
        ]


_COMPARED_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt,
}  # fmt: skip
_COMPARED = {"gte": np.greater_equal, "gt": np.greater, "lte": np.less_equal, "lt": np.less}


@dataclass(frozen=True, slots=True, eq=False)
class FieldColumn:
    """Who holds something in one field.

    ``ordinals`` int32 (m,) ascending; ``numbers`` (m,), NaN where a text is held; ``codes`` int32 (m,) of the
    ``vocabulary``, -1 where a number is held.
    """

    ordinals: Ordinals
    numbers: NDArray[np.floating]
    codes: NDArray[np.int32]
    vocabulary: Vocabulary

    def equal(self, values: Sequence[str]) -> Ordinals:
        """Who holds one of the values; numbers are compared as numbers, texts as they are normalised."""
        found: Mask = np.isin(self.codes, self.vocabulary.holding(values))
        if numbers := [number for value in values if (number := as_number(value)) is not None]:
            found |= np.isin(self.numbers, np.array(numbers, self.numbers.dtype))
        return self.ordinals[found]

    def within(self, bounds: Bounds) -> Ordinals:
        """Who holds a value within all bounds."""
        found: Mask = np.isin(self.codes, self.vocabulary.within(bounds))
        numbers = {name: number for name, bound in bounds.items() if (number := as_number(bound)) is not None}
        if len(numbers) == len(bounds):
            inside = self.codes < 0
            for name, bound in numbers.items():
                inside &= _COMPARED[name](self.numbers, bound)
            found |= inside
        return self.ordinals[found]

    def places(self, ordinals: Ordinals) -> NDArray[np.float64]:
        """Where each of the ordinals (k,) stands when put in order, numbers before texts; NaN without a value."""
        at = np.searchsorted(self.ordinals, ordinals).clip(max=max(len(self.ordinals) - 1, 0))
        held = self.ordinals[at] == ordinals if len(self.ordinals) else np.zeros(len(ordinals), np.bool_)
        keys = [self._key(row) if holds else None for row, holds in zip(at.tolist(), held.tolist(), strict=True)]
        ranks = {key: place for place, key in enumerate(sorted({key for key in keys if key is not None}))}
        return np.array([np.nan if key is None else ranks[key] for key in keys], np.float64)

    def counts(self, mask: Mask) -> dict[str, int]:
        """How many of those inside the mask hold each value, as text."""
        inside = mask[self.ordinals]
        numbers, times = np.unique(self.numbers[inside & (self.codes < 0)], return_counts=True)
        found = dict(zip(map(as_text, numbers.tolist()), times.tolist(), strict=True))
        for code, count in enumerate(np.bincount(self.codes[inside & (self.codes >= 0)]).tolist()):
            for text in self.vocabulary.entries[code] if count else ():
                found[text] = found.get(text, 0) + count
        return found

    def _key(self, row: int) -> tuple[bool, float, tuple[str, ...]]:
        code = int(self.codes[row])
        return (False, float(self.numbers[row]), ()) if code < 0 else (True, 0.0, self.vocabulary.entries[code])


Held = Mapping[str, tuple[float, int]]
"""What one entity holds, by case-folded field: a number (NaN), and a code (-1 for a number)."""


class FieldsBuilder:
    """The columns of all fields as entities come and go; columns that were given out stay as they are."""

    def __init__(self) -> None:
        self.columns: Mapping[str, FieldColumn] = {}
        self._vocabularies: dict[str, Vocabulary] = {}

    def apply(self, entities: Sequence[tuple[int, Entity]], gone: Mapping[int, Iterable[str]]) -> list[tuple[str, ...]]:
        """Take in entities by ordinal; ``gone`` are rows that hold no more what they held in the fields that are named.

        Returns:
            The names of the fields of each entity, aligned, equal ones the same object.
        """
        held = [self._held(entity) for _, entity in entities]
        gained: dict[str, list[tuple[int, float, int]]] = {}
        for (ordinal, _), fields in zip(entities, held, strict=True):
            for name, value in fields.items():
                gained.setdefault(name, []).append((ordinal, *value))
        lost: dict[str, list[int]] = {}
        for ordinal, names in gone.items():
            for name in names:
                lost.setdefault(name, []).append(ordinal)
        changed = {name: self._merged(name, gained.get(name, []), lost.get(name, [])) for name in {*gained, *lost}}
        self.columns = {name: each for name, each in {**self.columns, **changed}.items() if len(each.ordinals)}
        return [_shared(tuple(fields)) for fields in held]

    def _held(self, entity: Entity) -> Held:
        found = {"released": entity.released, "duration": entity.duration}
        free = {each.name.casefold(): each.value for each in entity.fields}
        shown = {name: () for name in ("url", "image") if getattr(entity, name)}  # whether there is one, not which
        return {
            name: self._coded(name, value) for name, value in {**found, **free, **shown}.items() if value is not None
        }

    def _coded(self, name: str, value: FieldValue) -> tuple[float, int]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value), -1
        texts = value if isinstance(value, tuple) else (as_text(value),)
        vocabulary = self._vocabularies.setdefault(name, Vocabulary())
        return np.nan, vocabulary.code(tuple(map(normalize, texts)))

    def _merged(self, name: str, gained: Sequence[tuple[int, float, int]], lost: Sequence[int]) -> FieldColumn:
        old = self.columns.get(name)
        new = [np.array([each[place] for each in gained], dtype) for place, dtype in enumerate(_HELD)]
        if old is not None:
            kept = ~np.isin(old.ordinals, np.array(lost, np.int32))
            before = (old.ordinals[kept], old.numbers[kept], old.codes[kept])
            new = [np.concatenate(both) for both in zip(before, new, strict=True)]
        order = np.argsort(new[0], kind="stable")
        ordinals, numbers, codes = (part[order] for part in new)
        return FieldColumn(ordinals, numbers, codes, self._vocabularies.get(name, _NO_TEXTS))


_HELD = (np.int32, np.float64, np.int32)
_NO_TEXTS = Vocabulary()


@lru_cache(maxsize=4_096)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


def as_number(value: float | str) -> float | None:
    """A value as a number; None where it is none."""
    try:
        return float(value)
    except ValueError:
        return None


def as_text(value: object) -> str:
    """A value as it is written in filters: numbers without needless zeros, true and false as JSON has them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
