"""How well each entity has what one sense of a query asks for: confidences, sparse over ordinals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.text import terms
from bandstand.types import KINDS, Ordinals, Scores
from bandstand.understanding.lexicon import ARTIST, Lexicon
from bandstand.understanding.naming import TITLE
from bandstand.understanding.periods import bounds
from bandstand.understanding.records import NAMED, TEXT, Sense

WORDS = 0.5
"""What the words of a name count against the name itself, for an entity that holds them all."""

NEAR_YEARS = 2.0
"""Years outside a period after which the evidence has fallen to 1/e."""

UNKNOWN_YEAR = 0.3
NEW_YEARS = 3.0
_LONGEST_NAME = 8
_SEEDS = 3


class Evidence(NamedTuple):
    """Ordinals (m,) and confidences (m,) in (0, 1]; ``broad`` evidence orders what others found, it finds nothing."""

    ordinals: Ordinals
    confidences: Scores
    broad: bool = False


NOTHING = Evidence(np.empty(0, np.int32), np.empty(0, np.float32))


class EvidenceFinder:
    """Looks evidence up in one snapshot of the catalogue; ``now`` is the year of the search."""

    def __init__(self, lexicon: Lexicon, catalog: Catalog, columns: Columns, *, now: float) -> None:
        self._lexicon = lexicon
        self._catalog = catalog
        self._columns = columns
        self._now = now

    def of(self, sense: Sense) -> Evidence:
        """The evidence for a sense."""
        if sense.slot == TEXT:
            return self._words(terms(sense.value), 1.0)
        if sense.slot in NAMED:
            return self._named(sense)
        match sense.slot:
            case "kind":
                return self._everything(
                    (self._columns.kind == [*KINDS, sense.value].index(sense.value)).astype(np.float32)
                )
            case "year":
                return self._everything(_in_period(self._columns.year, *bounds(sense.value)))
            case "intent":
                return self._intent(sense.value)
        having = Evidence(*self._columns.having(sense.slot, sense.value))
        return _best([having, self._titled(sense.value)]) if sense.slot == "version" else having

    def like(self, seeds: Sequence[Sense]) -> list[Evidence]:
        """What resembles the entities that senses name: one evidence for each attribute value that a seed has."""
        columns = self._columns
        ordinals = [self._seeds(sense) for sense in seeds]
        chosen = np.concatenate(ordinals)[:_SEEDS] if ordinals else np.empty(0, np.int32)
        shared = {(a.name, a.value): a.confidence for e in self._catalog.entities(chosen) for a in e.attributes}
        found = []
        for (name, value), weight in shared.items():
            having, confidences = columns.having(name, value)
            others = ~np.isin(having, chosen)  # what is named is not like itself
            found.append(Evidence(having[others], confidences[others] * np.float32(weight)))
        return found

    def _seeds(self, sense: Sense) -> Ordinals:
        if sense.slot == "artist":
            return self._by_artist(sense)[:1]
        return np.array([target for target in sense.targets if target < self._columns.n], np.int32)

    def _named(self, sense: Sense) -> Evidence:
        words = self._words(sense.value.split()[:_LONGEST_NAME], WORDS)
        if sense.slot == "artist":
            own = self._by_artist(sense)
            return _best([Evidence(own, np.ones(len(own), np.float32)), words])
        targets = np.array(sense.targets, np.int32)
        whole = Evidence(targets, np.ones(len(targets), np.float32))
        return _best([whole, Evidence(*self._lexicon.named(sense.value, KINDS.index(sense.slot))), words])

    def _by_artist(self, sense: Sense) -> Ordinals:
        """Everything of an artist, the artist first."""
        columns = self._columns
        own = np.flatnonzero(columns.artist_key == self._lexicon.artists.keys[sense.targets[0]])
        return own[np.argsort(columns.kind[own] != ARTIST, kind="stable")].astype(np.int32)

    def _words(self, words: Sequence[str], most: float) -> Evidence:
        """``most`` times the share of the words, by how rare each is, that an entity holds."""
        found = self._lexicon.holding(list(dict.fromkeys(words)))
        weights = [np.log1p(self._columns.n / (1 + len(ordinals))) if len(ordinals) else 0.0 for ordinals, _ in found]
        if not any(weights):
            return NOTHING
        ordinals, at = np.unique(np.concatenate([ordinals for ordinals, _ in found]), return_inverse=True)
        parts = [places * (weight / sum(weights)) for (_, places), weight in zip(found, weights, strict=True)]
        shares = np.bincount(at, np.concatenate(parts), len(ordinals))
        return Evidence(ordinals, (most * shares).astype(np.float32))

    def _titled(self, value: str) -> Evidence:
        """Entities with all words of a value in their names."""
        words = value.split()
        ordinals, confidences, _ = self._words(words, TITLE)
        complete = confidences > (TITLE - 1e-3)
        return Evidence(ordinals[complete], confidences[complete])

    def _intent(self, value: str) -> Evidence:
        if value == "best":
            return self._everything(self._columns.popularity)
        if value == "new":
            age = np.maximum(self._now - self._columns.year, 0)
            return self._everything(np.nan_to_num(np.exp(-age / NEW_YEARS)).astype(np.float32))
        return NOTHING

    def _everything(self, confidences: Scores) -> Evidence:
        ordinals = np.flatnonzero(confidences > np.float32(1e-3)).astype(np.int32)
        return Evidence(ordinals, np.asarray(confidences[ordinals], np.float32), broad=True)


def _in_period(years: Scores, first: int, last: int) -> Scores:
    """1 within, falling off outside, `UNKNOWN_YEAR` where the year is unknown; (n,)."""
    outside = np.maximum(np.maximum(first - years, years - last), 0)
    return np.nan_to_num(np.exp(-outside / NEAR_YEARS), nan=UNKNOWN_YEAR).astype(np.float32)


def _best(parts: Sequence[Evidence]) -> Evidence:
    """The highest confidence of each entity."""
    ordinals, at = np.unique(np.concatenate([part.ordinals for part in parts]), return_inverse=True)
    confidences = np.zeros(len(ordinals), np.float32)
    np.maximum.at(confidences, at, np.concatenate([part.confidences for part in parts]))
    return Evidence(ordinals, confidences)
