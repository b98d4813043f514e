"""Which meanings of a query's words explain what was clicked after it."""

from __future__ import annotations

from collections.abc import Iterable

from bandstand.catalog.columns import attribute_key
from bandstand.catalog.text import normalize
from bandstand.types import Entity, Slot
from bandstand.understanding.lexicon import words_of
from bandstand.understanding.records import NAMED, TEXT
from bandstand.understanding.senses import SenseKey, bounds

LOOSE = 0.3
"""How well a loose word explains a click on something that has it in its names: any sense of a name does so too."""


def credited(slots: Iterable[Slot], entity: Entity) -> dict[str, dict[SenseKey, float]]:
    """One click shared among the meanings of each phrase, by how well they explain it; phrases that do not left out.

    It is read off what the search logged and the entity itself: the same log teaches the same.
    """
    support: dict[str, dict[SenseKey, float]] = {}
    for slot in slots:
        if slot.phrase and (share := _support(slot, entity)) > 0:
            support.setdefault(slot.phrase, {})[slot.name, slot.value] = share
    return {phrase: _shared(senses) for phrase, senses in support.items()}


def _shared(senses: dict[SenseKey, float]) -> dict[SenseKey, float]:
    total = sum(senses.values())
    return {key: share / total for key, share in senses.items()}


def _support(slot: Slot, entity: Entity) -> float:
    """How surely the entity has what a slot names, in [0, 1]."""
    match slot.name:
        case "artist":
            whose = (entity.title,) if entity.kind == "artist" else entity.artists
            return float(slot.value in map(normalize, whose))
        case "kind":
            return float(entity.kind == slot.value)
        case "year":
            first, last = bounds(slot.value)
            return float(entity.year is not None and first <= entity.year <= last)
        case "version":
            return max(_stated(slot, entity), float(_holds(slot.value, entity)))
    if slot.name in NAMED:
        return float(entity.kind == slot.name and normalize(entity.title) == slot.value)
    return LOOSE * _holds(slot.value, entity) if slot.name == TEXT else _stated(slot, entity)


def _stated(slot: Slot, entity: Entity) -> float:
    """The confidence with which an entity states an attribute."""
    key = attribute_key(slot.name, slot.value)
    return max((a.confidence for a in entity.attributes if attribute_key(a.name, a.value) == key), default=0.0)


def _holds(text: str, entity: Entity) -> bool:
    """Whether all words of a text are in an entity's names."""
    return set(text.split()) <= words_of(entity).keys()
