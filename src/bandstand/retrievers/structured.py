"""The structured retriever: every reading of a query as soft constraints on fields, all readings in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.text import terms
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.base import Retriever, finish, inside, permitted
from bandstand.types import (
    KINDS,
    Candidates,
    Colour,
    ContextFeature,
    Ordinals,
    Query,
    RetrieverSpec,
    Scores,
    Slot,
    best_score,
)
from bandstand.types.times import YEAR_S
from bandstand.understanding.lexicon import ARTIST, TITLE, Lexicon
from bandstand.understanding.records import NAMED, TEXT, Interpretation, Sense
from bandstand.understanding.senses import bounds
from bandstand.understanding.slots import held
from bandstand.understanding.understanding import Understanding

WORDS = 0.5
"""What the words of a name count against the name itself, for an entity that holds them all."""

NEAR_YEARS = 2.0
"""Years outside a period after which the evidence has fallen to 1/e."""

SEED, KIND = 0.1, 0.3
"""What two senses count against others: the named of "like X", and a kind, which gives way to a name and to a time."""

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
                return self._everything(held(Slot("kind", sense.value), self._columns))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredSettings:
    """Bounds and weights of the structured retriever.

    ``least``: senses of less marginal probability are left out. ``popularity``: what a popularity of 1 adds, as a
    share of the score. ``head``: the most candidates that can be returned. ``constraints``: senses that are looked up.
    """

    least: float = 0.02
    popularity: float = 0.1
    head: int = 512
    constraints: int = 48


class StructuredRetriever(Retriever):
    """How much of what the query asks for an entity has, over all readings.

    score(e) = (1 + popularity · p) · Σ_s m_s i_s c_s(e) / Σ_s m_s i_s, over the senses s of all readings: m_s the
    sense's marginal probability, c_s(e) in [0, 1] how surely e has it, and i_s = log(1 + N / (1 + Σ_e c_s(e))) how much
    it tells. A wrong or missing attribute lowers the score and excludes nothing. Since the score is linear in the
    readings' probabilities, one pass over the distinct senses serves all readings.
    """

    spec = RetrieverSpec(
        "structured",
        title="what the words are read as: names, genres, years",
        colour=Colour("#00636b", "#5fd0d8"),
        cost_ms=0.7,
        bounded=True,
        inline=True,
        weight=1.0,
        weights={"score": 0.5},
        context=(ContextFeature("top", best_score),),
    )

    def __init__(
        self, understanding: Understanding, catalog: Catalog, settings: StructuredSettings | None = None
    ) -> None:
        self._understanding = understanding
        self._catalog = catalog
        self._settings = settings or StructuredSettings()

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; never more than ``settings.head`` candidates."""
        if depth <= 0 or not query.normalized:
            return Candidates.empty(self.name)
        columns, settings = self._catalog.columns, self._settings
        finder = EvidenceFinder(self._understanding.lexicon, self._catalog, columns, now=1970 + query.time / YEAR_S)
        try:
            constraints = list(self._constraints(self._understanding.interpret(query.normalized), finder))
        except BandstandError as error:
            raise RetrievalError(f"the query's constraints cannot be looked up: {error}") from error
        evidence = _scores(constraints, columns.n)
        found = np.flatnonzero(evidence > 0)
        found = found[inside(found, permitted(query, columns.live))]
        scores = evidence[found] * (1 + np.float32(settings.popularity) * columns.popularity[found])
        head = _head(scores, settings.head)
        return finish(self.name, found[head], scores[head], mask=None, depth=depth)

    def _constraints(self, interpretation: Interpretation, finder: EvidenceFinder) -> Iterator[tuple[float, Evidence]]:
        """Each sense's marginal probability with its evidence; the named of "like X" gives way to what resembles it."""
        alike = dict[tuple[str, str], bool]()
        for sense, marginal in self._marginals(interpretation):
            key = sense.slot, sense.value
            if key not in alike:
                alike[key] = _is_seed(sense, interpretation)
            if alike[key]:
                yield from ((marginal, evidence) for evidence in finder.like([sense]))
            weight = SEED if alike[key] else KIND if sense.slot == "kind" else 1.0
            yield marginal * weight, finder.of(sense)

    def _marginals(self, interpretation: Interpretation) -> Sequence[tuple[Sense, float]]:
        """The likeliest senses with P(sense) = Σ P(reading) over the readings that hold it."""
        found = dict[tuple[str, str], tuple[Sense, float]]()
        for reading in interpretation.readings:
            for key, sense in {(sense.slot, sense.value): sense for sense in reading.senses}.items():
                first, before = found.get(key, (sense, 0.0))
                found[key] = first, before + reading.probability
        kept = [item for item in found.values() if item[1] >= self._settings.least]
        return sorted(kept, key=lambda item: -item[1])[: self._settings.constraints]


def _is_seed(sense: Sense, interpretation: Interpretation) -> bool:
    """Whether the likeliest reading that holds a name asks for what is like it."""
    if sense.slot not in NAMED:
        return False
    for reading in interpretation.readings:
        keys = {(other.slot, other.value) for other in reading.senses}
        if (sense.slot, sense.value) in keys:
            return ("intent", "like") in keys
    return False


def _scores(constraints: Sequence[tuple[float, Evidence]], n: int) -> Scores:
    """The weighted mean of the evidence, float32 (n,); 0 where only broad evidence speaks, unless there is no other."""
    scores, total = np.zeros(n, np.float32), 0.0
    narrow = np.zeros(n, np.bool_)
    for marginal, evidence in constraints:
        known = evidence.ordinals < n
        ordinals, confidences = evidence.ordinals[known], evidence.confidences[known]
        if len(ordinals):
            weight = marginal * float(np.log1p(n / (1 + confidences.sum(dtype=np.float64))))
            scores[ordinals] += np.float32(weight) * confidences
            total += weight
            if not evidence.broad:
                narrow[ordinals] = True
    if narrow.any():
        scores *= narrow
    return scores / np.float32(total or 1.0)


def _head(scores: Scores, size: int) -> NDArray[np.intp]:
    """Where the ``size`` best scores are, with all that tie with the last of them."""
    if len(scores) <= size:
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - size)[len(scores) - size]
    return np.flatnonzero(scores >= least)
