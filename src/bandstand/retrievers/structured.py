"""The structured retriever: every reading of a query as soft constraints on fields, all readings in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.base import finish, inside, permitted
from bandstand.retrievers.structured_evidence import Evidence, EvidenceFinder
from bandstand.types import Candidates, Query, Scores
from bandstand.understanding.records import NAMED, Interpretation, Sense
from bandstand.understanding.understanding import Understanding

_SECONDS_A_YEAR = 365.2425 * 86_400


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


class StructuredRetriever:
    """How much of what the query asks for an entity has, over all readings.

    score(e) = (1 + popularity · p) · Σ_s m_s i_s c_s(e) / Σ_s m_s i_s, over the senses s of all readings: m_s the
    sense's marginal probability, c_s(e) in [0, 1] how surely e has it, and i_s = log(1 + N / (1 + Σ_e c_s(e))) how much
    it tells. A wrong or missing attribute lowers the score and excludes nothing. Since the score is linear in the
    readings' probabilities, one pass over the distinct senses serves all readings.
    """

    name = "structured"

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
        finder = EvidenceFinder(
            self._understanding.lexicon, self._catalog, columns, now=1970 + query.time / _SECONDS_A_YEAR
        )
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
            yield marginal * (0.1 if alike[key] else 1.0), finder.of(sense)

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
