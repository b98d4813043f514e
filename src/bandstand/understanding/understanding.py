"""What a query means: its best joint readings, against the catalogue's current state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from math import exp, log
from typing import NamedTuple

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.types import KINDS
from bandstand.understanding.lexicon import Lexicon
from bandstand.understanding.records import NAMED, Interpretation, Reading, Sense
from bandstand.understanding.senses import NoClicks, Priors, SenseEvidence, SenseFinder, mass
from bandstand.understanding.synonyms import Synonyms, load_synonyms

BEAM = 8
"""Partial readings kept at each word."""

STRANGERS = 0.05
"""What remains of a reading whose title is by another artist than the one that it names."""

Span = tuple[int, int]


class _Path(NamedTuple):
    score: float
    before: _Path | None
    sense: Sense | None


def best_readings(
    words: Sequence[str], senses: Mapping[Span, Sequence[Sense]], *, most: int = BEAM
) -> list[list[Sense]]:
    """At most ``most`` ways to cover all words without overlap, the likeliest first.

    The likelihood of a reading is the product of its senses' posteriors; the beam keeps the `BEAM` best partial
    readings at each word, so the work is bounded by words · spans · senses · beam.
    """
    ending: list[list[tuple[int, Sequence[Sense]]]] = [[] for _ in range(len(words) + 1)]
    for (start, end), found in senses.items():
        ending[end].append((start, found))
    paths: list[list[_Path]] = [[_Path(0.0, None, None)]]
    for spans in ending[1:]:
        grown = [
            _Path(path.score + score, path, sense)
            for start, found in spans
            for sense, score in ((sense, log(sense.posterior)) for sense in found)
            for path in paths[start]
        ]
        paths.append(nlargest(max(most, BEAM), grown, key=lambda path: path.score))
    return [_senses(path) for path in paths[-1][:most]]


def _senses(path: _Path) -> list[Sense]:
    found: list[Sense] = []
    while path.sense is not None and path.before is not None:
        found.append(path.sense)
        path = path.before
    return found[::-1]


def weighed(readings: Sequence[Sequence[Sense]], lexicon: Lexicon, priors: Priors) -> tuple[Reading, ...]:
    """Readings with their probabilities, after asking whether the names in each go together."""
    scores = [sum(log(s.posterior) for s in senses) + _together(senses, lexicon, priors) for senses in readings]
    if not scores:
        return ()
    shares = [exp(score - max(scores)) for score in scores]
    ranked = sorted(zip(readings, shares, scores, strict=True), key=lambda item: -item[2])
    return tuple(
        Reading(senses=tuple(senses), probability=share / sum(shares), score=score) for senses, share, score in ranked
    )


def _together(senses: Sequence[Sense], lexicon: Lexicon, priors: Priors) -> float:
    """The change in log likelihood when names are read together: a title is one of few that its artist has.

    log (mass of the kind / mass of the artist) for a title by the named artist, log `STRANGERS` for one by others
    and for every further name.
    """
    artists = [sense for sense in senses if sense.slot == "artist"]
    others = [sense for sense in senses if sense.slot in NAMED and sense.slot != "artist"]
    change = log(STRANGERS) * max(len(others) - 1, 0)
    for artist in artists[:1]:
        for other in others[:1]:
            owners = lexicon.artists.of(np.array(other.targets, np.int32))
            if artist.targets[0] in owners.tolist():
                own = mass(lexicon.artists.popularity[artist.targets[0]]) * lexicon.artists.counts[artist.targets[0]]
                change += max(log(priors.kinds[KINDS.index(other.slot)] / own), 0.0)
            else:
                change += log(STRANGERS)
    return change


MAX_WORDS, MAX_LETTERS = 16, 200
"""How much of a query is interpreted; a pasted page is not read to its end."""

_CACHED = 1_024


class Understanding:
    """Query understanding over a catalogue. Safe for threads; `refresh` takes in what changed."""

    def __init__(
        self, catalog: Catalog, *, synonyms: Synonyms | None = None, evidence: SenseEvidence | None = None
    ) -> None:
        """Read the catalogue's names (about 2 s for 28,000 tracks). ``evidence``: clicks on earlier readings."""
        self._catalog = catalog
        self._synonyms = load_synonyms() if synonyms is None else synonyms
        self._evidence = evidence or NoClicks()
        self.lexicon = Lexicon(catalog.store)
        self._teach()
        self._renew()

    @property
    def synonyms(self) -> Synonyms:
        """The table in use."""
        return self._synonyms

    def refresh(self) -> None:
        """Take in what the catalogue's snapshot and store have new, and what clicks have said since."""
        changed = self.lexicon.refresh() > 0 or self._catalog.columns is not self._columns
        if changed or self._evidence.version != self._heard:
            self._renew()

    def use(self, synonyms: Synonyms) -> None:
        """Read queries by another table from now on."""
        self._synonyms = synonyms
        self._teach()
        self._renew()

    def interpret(self, normalized: str) -> Interpretation:
        """The readings of a normalised query."""
        return self._interpret(normalized)

    def _teach(self) -> None:
        """Let spelling know the table's words."""
        vocabulary = self.lexicon.vocabulary
        phrases = dict.fromkeys((*self._synonyms.meanings, *self._synonyms.equals))
        for word in dict.fromkeys(word for phrase in phrases for word in phrase.split()):
            if not vocabulary.weight(word):
                vocabulary.add(word, 1.0)
        vocabulary.index()

    def _renew(self) -> None:
        self._heard = self._evidence.version
        self._columns = self._catalog.columns
        lexicon = self.lexicon
        priors = Priors.of(self._columns, artists=lexicon.artists.popularity, words=lexicon.vocabulary.total)
        finder = SenseFinder(lexicon, self._columns, self._synonyms, priors, self._evidence)
        self._interpret = lru_cache(_CACHED)(_interpreter(finder, lexicon, priors))


def _interpreter(finder: SenseFinder, lexicon: Lexicon, priors: Priors) -> Callable[[str], Interpretation]:
    def interpret(normalized: str) -> Interpretation:
        words = finder.words(normalized[:MAX_LETTERS])[:MAX_WORDS]
        readings = weighed(best_readings(words, finder.find(words)), lexicon, priors) if words else ()
        return Interpretation(normalized=normalized, words=tuple(words), readings=readings)

    return interpret
