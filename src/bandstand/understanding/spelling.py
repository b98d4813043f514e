"""Correction of misspelt queries by the catalogue's own words and those of past successful queries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Correction
from bandstand.understanding.lexicon import Lexicon
from bandstand.understanding.senses import MUCH, RARE, TYPO


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellingSettings:
    """When to correct.

    ``replace``: confidence from which the corrected query is answered; below it is only suggested, below ``suggest``
    kept silent. ``context``: how much a word gains that stands with all other words of the query in one entity's
    names. ``doubt``: weight of the possibility that a word of four letters one typo from a known word is none of the
    catalogue's; a quarter for every further letter, 256 times for a second typo. ``words`` and ``candidates``: bounds.
    """

    replace: float = 0.5
    suggest: float = 0.1
    context: float = 50.0
    doubt: float = 3.0
    words: int = 16
    letters: int = 200
    candidates: int = 16


class _Repair(NamedTuple):
    """Words ``start`` to ``end`` made into ``words``."""

    start: int
    end: int
    words: tuple[str, ...]
    edits: int
    weight: float
    length: int


class Speller:
    """Corrects words that nothing in the catalogue holds; a known word is never replaced, at most a hint is given.

    Of the repairs c of an unknown word the one with the largest v_c = weight_c · typo^edits · (1 + context · together)
    is taken; its confidence is v_c / (Σ v + doubt · 4^(4 edits - letters) · typo^edits). Numbers and words of fewer
    than four letters are left alone. A query that people have used with success is what they meant.
    """

    def __init__(self, lexicon: Lexicon, settings: SpellingSettings | None = None) -> None:
        self._lexicon = lexicon
        self._settings = settings or SpellingSettings()
        self._learned: dict[str, tuple[tuple[str, ...], float]] = {}

    def learn(self, normalized: str, clicks: float) -> None:
        """A query led to clicks: it is right as it is, and its words are words. For the thread that refreshes.

        What looks like a typo for a far more common word stays one: people choose from a misspelt query's page too.
        """
        if normalized in self._learned:
            return
        vocabulary, added = self._lexicon.vocabulary, []
        for word in normalized.split():
            if all(near.weight <= MUCH * (vocabulary.weight(word) + clicks) for near in vocabulary.near(word)):
                vocabulary.add(word, clicks)
                added.append(word)
        self._learned[normalized] = tuple(added), clicks
        vocabulary.index()

    @property
    def learned(self) -> Collection[str]:
        """The queries that were learned."""
        return self._learned.keys()

    def unlearn(self, normalized: str) -> None:
        """A query that was learned is nobody's concern any more."""
        words, clicks = self._learned.pop(normalized)
        for word in words:
            self._lexicon.vocabulary.take(word, clicks)

    def correct(self, normalized: str) -> Correction | None:
        """What may have been meant, None when the query is best left alone."""
        settings, words = self._settings, normalized.split()
        too_long = len(words) > settings.words or len(normalized) > settings.letters
        if too_long or normalized in self._learned:
            return None
        unknown = [not self._lexicon.vocabulary.weight(word) for word in words]
        repaired, edits, confidence = self._repaired(words, unknown)
        text = " ".join(filter(None, repaired))
        if not edits or text == normalized:
            return None
        sure = any(unknown) and confidence >= settings.replace
        return Correction(
            typed=normalized, text=text, mode="showing" if sure else "suggest", edits=edits, confidence=confidence
        )

    def _repaired(self, words: Sequence[str], unknown: Sequence[bool]) -> tuple[list[str], int, float]:
        """The words with repairs in their places ('' where two became one), all edits, the least confidence."""
        chosen, doubtful, edits, confidence = list(words), list(unknown), 0, 1.0
        for at in [place for place, new in enumerate(unknown) if new] or self._rare(words):
            repair, share = self._best(chosen, at, doubtful) if chosen[at] else (None, 0.0)
            if repair is not None and share >= self._settings.suggest:
                chosen[repair.start : repair.end] = [" ".join(repair.words), *[""] * (repair.end - repair.start - 1)]
                doubtful[at] = False  # it is company for the next
                edits, confidence = edits + repair.edits, min(confidence, share)
        return chosen, edits, confidence

    def _rare(self, words: Sequence[str]) -> list[int]:
        """Where a known word is so rare that another may have been meant; of no more than one."""
        vocabulary = self._lexicon.vocabulary
        rare = [place for place, word in enumerate(words) if len(words) > 1 and vocabulary.weight(word) < RARE]
        return rare[:1]

    def _best(self, words: Sequence[str], at: int, unknown: Sequence[bool]) -> tuple[_Repair | None, float]:
        """The best repair at a word, and its confidence."""
        others = [word for place, word in enumerate(words) if place != at and word and not unknown[place]]
        company = self._company(" ".join(others).split())
        found = [(self._value(repair, company, len(others)), repair) for repair in self._repairs(words, at, unknown)]
        if not found:
            return None, 0.0
        value, best = max(found, key=lambda item: (item[0], item[1].words))
        doubt = self._settings.doubt * 4.0 ** (4 * best.edits - best.length) * TYPO**best.edits
        typed = self._lexicon.vocabulary.weight(words[at])
        return best, value / (sum(other for other, _ in found) + doubt + typed)

    def _repairs(self, words: Sequence[str], at: int, unknown: Sequence[bool]) -> Iterator[_Repair]:
        """Near words; the word split in two; the word joined with a neighbour."""
        word, vocabulary = words[at], self._lexicon.vocabulary
        typed = vocabulary.weight(word)
        for near in vocabulary.near(word)[: self._settings.candidates]:
            if near.weight > MUCH * typed:
                yield _Repair(at, at + 1, (near.word,), near.edits, near.weight, len(word))
        if not unknown[at] or any(map(str.isdigit, word)):
            return
        for place in range(2, len(word) - 1):
            left, right = vocabulary.weight(word[:place]), vocabulary.weight(word[place:])
            if left and right and self._neighbours(word[:place], word[place:]):
                yield _Repair(at, at + 1, (word[:place], word[place:]), 1, min(left, right), len(word))
        for start in (at - 1, at):
            joined = "".join(words[start : start + 2]) if 0 <= start < len(words) - 1 else ""
            if joined and (weight := vocabulary.weight(joined)) and not any(map(str.isdigit, joined)):
                yield _Repair(start, start + 2, (joined,), 1, weight, len(joined))

    def _neighbours(self, left: str, right: str) -> bool:
        """Whether something has both words in its names."""
        (one, _), (other, _) = self._lexicon.holding([left, right])
        return bool(np.isin(one, other).any())

    def _company(self, words: Sequence[str]) -> NDArray[np.int16]:
        """How many of the words each entity holds, (n,)."""
        held = [ordinals for ordinals, _ in self._lexicon.holding(list(dict.fromkeys(words)))]
        together = np.concatenate([np.empty(0, np.int32), *held])
        return np.bincount(together, minlength=1).astype(np.int16)

    def _value(self, repair: _Repair, company: NDArray[np.int16], others: int) -> float:
        held, _ = self._lexicon.holding(repair.words[:1])[0]
        held = held[held < len(company)]
        together = float(company[held].max(initial=0)) / others if others else 0.0
        return repair.weight * TYPO**repair.edits * (1 + self._settings.context * together)
