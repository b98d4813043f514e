"""The one thing that others use: interprets queries against the catalogue's current state."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from bandstand.catalog.columns import Catalog
from bandstand.understanding.evidence import NoClicks, SenseEvidence
from bandstand.understanding.lexicon import Lexicon
from bandstand.understanding.priors import Priors
from bandstand.understanding.readings import best_readings, weighed
from bandstand.understanding.records import Interpretation
from bandstand.understanding.senses import SenseFinder
from bandstand.understanding.synonyms import Synonyms, load_synonyms

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
        words = normalized[:MAX_LETTERS].split()[:MAX_WORDS]
        readings = weighed(best_readings(words, finder.find(words)), lexicon, priors) if words else ()
        return Interpretation(normalized=normalized, words=tuple(words), readings=readings)

    return interpret
