"""The records of query understanding: senses of spans, joint readings, interpretations and corrections."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.types import KINDS, Slot

TEXT = "text"
"""The slot of a word that is read as nothing in particular: some word of what is looked for."""

REQUEST = "request"
"""The slot of words that ask without saying for what: "play", "some", "please", "on <service>"."""

NAMED = KINDS
"""The slots whose values are names of entities."""

UNSTATED = frozenset({*NAMED, TEXT, REQUEST, "intent", "version"})
"""The slots that are no attribute of an entity; all others (genre, mood, year, kind, ...) are facts that it states."""


LOOKED_UP = frozenset({*NAMED, TEXT})
"""The slots whose words are looked for in names."""

SURE = 0.5
"""The probability from which words are taken to be what they are read as; below, they are likelier something else."""

CONSUMED = frozenset({REQUEST, "kind", "year", "intent"})
"""The slots whose words, once read so, are no evidence for a name: nothing is called what its kind is called."""


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

    def sought(self) -> str:
        """The words that say what is looked for, without those that more likely belong to the `CONSUMED` slots.

        All words where one name may be the whole query (*Songs from the Big Chair*), and where nothing else is said
        ("play"); "" where all that is said is which kind, when, or in which order ("songs from 1984").
        """
        if any(_is_one_name(reading) for reading in self.readings):
            return self.normalized
        consumed = [0.0] * len(self.words)
        for reading in self.readings:
            for sense in reading.senses:
                if sense.slot in CONSUMED:
                    for place in range(sense.start, sense.end):
                        consumed[place] += reading.probability
        kept = [word for word, share in zip(self.words, consumed, strict=True) if share < SURE]
        if len(kept) == len(self.words) or not (kept or self._states()):
            return self.normalized
        return " ".join(kept)

    def _states(self) -> bool:
        """Whether the likeliest reading asks for a kind, a time or an order."""
        return any(sense.slot in CONSUMED - {REQUEST} for reading in self.readings[:1] for sense in reading.senses)

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


def _is_one_name(reading: Reading) -> bool:
    """Whether the whole query is the complete name of something, as it was typed."""
    first = reading.senses[0]
    return len(reading.senses) == 1 and first.slot in NAMED and first.share == 1.0 and not first.edits
