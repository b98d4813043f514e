"""Which readings of a query explain what was clicked after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.types import KINDS
from bandstand.understanding.evidence import SenseKey
from bandstand.understanding.lexicon import Lexicon
from bandstand.understanding.periods import bounds
from bandstand.understanding.records import NAMED, TEXT, Interpretation, Sense

LOOSE = 0.3
"""How well a loose word explains a click on something that has it in its names: any sense of a name does so too."""


def supported(
    interpretation: Interpretation, ordinal: int, columns: Columns, lexicon: Lexicon
) -> Iterator[tuple[str, dict[SenseKey, float]]]:
    """Yield every span that is read somehow, as typed, with how well each of its senses explains the click, [0, 1]."""
    spans: dict[tuple[int, int], dict[SenseKey, float]] = {}
    for reading in interpretation.readings:
        for sense in reading.senses:
            found = spans.setdefault((sense.start, sense.end), {})
            found[sense.slot, sense.value] = _support(sense, ordinal, columns, lexicon)
    for (start, end), senses in spans.items():
        yield " ".join(interpretation.words[start:end]), {key: share for key, share in senses.items() if share > 0}


def _support(sense: Sense, ordinal: int, columns: Columns, lexicon: Lexicon) -> float:
    """How surely the entity has what the sense names."""
    match sense.slot:
        case "artist":
            return float(columns.artist_key[ordinal] == lexicon.artists.keys[sense.targets[0]])
        case "kind":
            return float(KINDS[columns.kind[ordinal]] == sense.value)
        case "year":
            first, last = bounds(sense.value)
            return float(first <= columns.year[ordinal] <= last)
        case "version":
            return max(_has(columns, sense, ordinal), float(_holds(lexicon, sense.value, ordinal)))
    if sense.slot == TEXT:
        return LOOSE * _holds(lexicon, sense.value, ordinal)
    return float(ordinal in sense.targets) if sense.slot in NAMED else _has(columns, sense, ordinal)


def _has(columns: Columns, sense: Sense, ordinal: int) -> float:
    ordinals, confidences = columns.having(sense.slot, sense.value)
    at = int(np.searchsorted(ordinals, ordinal))
    return float(confidences[at]) if at < len(ordinals) and ordinals[at] == ordinal else 0.0


def _holds(lexicon: Lexicon, words: str, ordinal: int) -> bool:
    return all(bool((ordinals == ordinal).any()) for ordinals, _ in lexicon.holding(words.split()))
