"""The records of query understanding: senses of spans, joint readings, interpretations and corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bandstand.types import Slot

TEXT = "text"
"""The slot of a word that is read as nothing in particular: some word of what is looked for."""

NAMED = ("track", "artist", "album", "playlist", "station", "podcast")
"""The slots whose values are names of entities, in the order of `bandstand.types.KINDS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """Words ``start`` to ``end`` (exclusive) of a query read as ``slot`` = ``value``.

    ``prior`` is P(slot) · P(value | slot), ``likelihood`` P(typed words | value), both in (0, 1]; ``posterior`` is
    their product after clicks on earlier readings of the same words were taken in. ``share`` is how much of the
    value the words name, in (0, 1]: 1 for a complete name. ``edits`` were made to the typed words. ``targets`` are
    ordinals (of an artist: its number in the lexicon), the most popular first.
    """

    start: int
    end: int
    slot: str
    value: str
    prior: float
    likelihood: float
    posterior: float
    share: float = 1.0
    edits: int = 0
    targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A way to read the whole query: senses that do not overlap and cover every word, left to right.

    ``probability`` is the reading's share among the readings kept, ``score`` its log posterior before that.
    """

    senses: tuple[Sense, ...]
    probability: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """A query's readings, the likeliest first; their probabilities sum to 1. No readings for a blank query."""

    normalized: str
    words: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()

    def slots(self, least: float = 0.05) -> tuple[Slot, ...]:
        """Every (slot, value) but loose text with its marginal probability, the likeliest first.

        The sum over readings that hold it, P(reading); what stays below ``least`` is left out.
        """
        found: dict[tuple[str, str], float] = {}
        for reading in self.readings:
            for key in {(sense.slot, sense.value) for sense in reading.senses if sense.slot != TEXT}:
                found[key] = found.get(key, 0.0) + reading.probability
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Slot(name, value, min(p, 1.0)) for (name, value), p in ranked if p >= least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What may have been meant by a query. ``text`` is normalised.

    ``mode`` is "replace" when the typed words find little ("showing results for ``text``; search instead for what
    was typed") and "suggest" when they are words of the catalogue themselves ("did you mean"). ``edits`` counts
    changed letters, ``confidence`` is the corrected words' share of the likelihood, in (0, 1].
    """

    typed: str
    text: str
    mode: Literal["replace", "suggest"]
    edits: int
    confidence: float
