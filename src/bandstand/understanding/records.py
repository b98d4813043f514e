"""The records of query understanding: senses of spans, joint readings, interpretations and corrections."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.types import KINDS, Slot

TEXT = "text"
"""The slot of a word that is read as nothing in particular: some word of what is looked for."""

NAMED = KINDS
"""The slots whose values are names of entities."""

UNSTATED = frozenset({*NAMED, TEXT, "intent", "version"})
"""The slots that are no attribute of an entity; all others (genre, mood, year, kind, ...) are facts that it states."""


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
        """Every (slot, value) with its marginal probability and the words that name it, the likeliest first.

        The sum over readings that hold it, P(reading); what stays below ``least`` is left out. The words are those of
        the likeliest reading that holds it.
        """
        found: dict[tuple[str, str], tuple[float, str]] = {}
        for reading in self.readings:
            for key, sense in {(sense.slot, sense.value): sense for sense in reading.senses}.items():
                before, phrase = found.get(key, (0.0, " ".join(self.words[sense.start : sense.end])))
                found[key] = before + reading.probability, phrase
        ranked = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
        return tuple(Slot(*key, min(p, 1.0), phrase) for key, (p, phrase) in ranked if p >= least)
