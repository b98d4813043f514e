"""The engine: one search from the request to the logged page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import structlog

from bandstand.bandit.policy import Policy, Unfinished
from bandstand.catalog.bounds import bounded
from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.conditions import check_filters
from bandstand.catalog.facets import FacetCount, check_facets, facet_counts
from bandstand.engine.answers import explain
from bandstand.engine.layout import AS_RANKED, Layout, Sorting, TitleGuard, grouped
from bandstand.engine.request import Reader, SearchRequest, SearchResult, build_query, check_request
from bandstand.engine.retrieval import Retrieval, Retrieved
from bandstand.engine.runner import Load
from bandstand.engine.serving import ServingModels
from bandstand.errors import BadInput, StorageError, Unavailable
from bandstand.feedback.reduced import reduced
from bandstand.memory_index.curation import Curation
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.first_cut import FirstCut
from bandstand.ranker.page import Ranking, Rows, rank, union
from bandstand.ranker.scorers import Scorer
from bandstand.retrievers.base import inside
from bandstand.types import CandidateSet, Clock, Hit, Impression, Ordinals, Query, Source
from bandstand.types.features import RANK, SCORE


class ImpressionLog(Protocol):
    """Where impressions go and come from; the platform's `Log`, or a list in a simulation."""

    def append_impression(self, impression: Impression) -> None:
        """Queue an impression for the disk, ahead of events that come later; does not wait."""

    def impression(self, query_id: str) -> Impression:
        """The logged impression, or `NotFound`."""


DEFAULT_POLICY = "bandit"
"""The policy of a request that names none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """A ranked query before it becomes a page: also what self-play and replay work with.

    ``columns`` and ``scorer`` are the catalogue snapshot and the ranker that made it; newer ones may serve by now.
    """

    query: Query
    retrieved: Retrieved
    candidates: CandidateSet
    head: Ranking
    impression: Impression
    columns: Columns
    scorer: Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """What one search goes through, in this order; ``curation`` gives what operators decided on a normalised query.

    ``titles`` keeps exact titles before what few people chose.
    """

    catalog: Catalog
    reader: Reader
    retrieval: Retrieval
    features: FeatureSet
    serving: Callable[[], ServingModels]
    log: ImpressionLog
    curation: Callable[[str], Curation] = lambda _: Curation()
    titles: TitleGuard | None = None


class Engine:
    """Searches. Safe for any number of threads; holds nothing that is not rebuilt from catalogue, log and models."""

    def __init__(
        self, parts: EngineParts, *, load: Load, clock: Clock, new_id: Callable[[], str], mix_kinds: bool = True
    ) -> None:
        self._catalog, self._reader, self._retrieval = parts.catalog, parts.reader, parts.retrieval
        self._features, self._cut = parts.features, FirstCut(parts.features)
        self._serving, self._log, self._curation, self._titles = parts.serving, parts.log, parts.curation, parts.titles
        self._load, self._clock, self._new_id, self._mix_kinds = load, clock, new_id, mix_kinds
        self.unlogged = 0

    def search(self, request: SearchRequest) -> SearchResult:
        """Answer and log a search, or a further page of one.

        Raises:
            BadInput: a value cannot be used; names the field.
            NotFound: ``query_id`` was never logged.
        """
        check_request(request)
        check_facets(self._catalog.columns, request.facets)
        check_filters(self._catalog.columns, request.filters)
        with self._load.search():
            return self._searched(request, time.perf_counter())

    def _searched(self, request: SearchRequest, started: float) -> SearchResult:
        counts: Mapping[str, tuple[FacetCount, ...]] = {}
        if request.query_id is not None:
            impression = self._log.impression(request.query_id)
        else:
            answer = self._answered(request, started)
            impression, counts = answer.impression, self._facets(request, answer)
            if not request.preview:
                self._write(impression)
        hits = self._hits(impression, request)
        result = SearchResult(
            impression=impression,
            hits=hits,
            facets=counts,
            sections=grouped(impression, hits, self._catalog.columns) if request.sections else None,
        )
        result = self.explained(result) if request.explain else result
        return replace(result, took_ms=(time.perf_counter() - started) * 1e3)

    def _write(self, impression: Impression) -> None:
        """Log a search; where the log takes no more, such as on a full disk, it is answered and not learned from."""
        try:
            self._log.append_impression(reduced(impression))
        except (StorageError, Unavailable) as error:
            if not self.unlogged:
                structlog.get_logger("engine").error("searches_not_logged", reason=str(error))
            self.unlogged += 1

    def explained(self, result: SearchResult) -> SearchResult:
        """The same result with how its query was read, and why each hit stands where it stands."""
        impression = result.impression
        return replace(
            result,
            explanations=explain(impression, result.hits, self._serving().scorer),
            reading=self._reader.interpret(impression.query.normalized),
        )

    def _facets(self, request: SearchRequest, answer: Answer) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts over all candidates, and over everything that kinds and filters allow."""
        if not request.facets:
            return {}
        found, allowed = answer.candidates.ordinals, answer.query.allowed
        found = found[found < self._catalog.columns.n]
        return facet_counts(self._catalog.columns, found, request.facets, allowed=allowed)

    def _answered(self, request: SearchRequest, started: float) -> Answer:
        """A new search, by the policy that was asked for, or that an experiment assigned."""
        assigned = request.assignment
        policy = self.policy(assigned.policy if assigned else request.policy or DEFAULT_POLICY)
        if request.preview and policy.sequential:  # a fixed policy was asked for because of its retrievers
            policy = Unfinished(policy)
        mix = self._mix_kinds if request.mix is None else request.mix
        sorting = Sorting.read(request.sort, self._catalog.columns) if request.sort else None
        layout = Layout(titles=self._titles, mix=mix, sections=request.sections, sorting=sorting)
        answer = self.answer(self.query(request), policy, started=started, layout=layout)
        if assigned is None:
            return answer
        decision = replace(answer.impression.decision, experiment=assigned.experiment, assigned=assigned.probability)
        return replace(answer, impression=replace(answer.impression, decision=decision))

    def query(self, request: SearchRequest) -> Query:
        """The request as a `Query` with an id of its own."""
        return build_query(
            request,
            query_id=self._new_id(),
            now=self._clock(),
            columns=self._catalog.columns,
            reader=self._reader,
        )

    def policy(self, name: str) -> Policy:
        """The policy of a name.

        Raises:
            BadInput: there is none.
        """
        policies = self._serving().policies
        if name not in policies:
            raise BadInput(f"unknown policy {name!r}: use one of {', '.join(policies)}", field="policy")
        return policies[name]

    def answer(
        self,
        query: Query,
        policy: Policy,
        *,
        started: float | None = None,
        layout: Layout = AS_RANKED,
        whole: bool = False,
    ) -> Answer:
        """Retrieve and rank under a policy; nothing is logged.

        ``whole`` is for who looks beyond the page, or ranks the candidates again in other ways: none is cut.
        """
        started = time.perf_counter() if started is None else started
        columns, serving = self._catalog.columns, self._serving()
        retrieved = self._retrieval.run(query, policy, columns, serving)
        candidates = union(retrieved.candidates(), self._features.roster)
        cut = None if whole else self._cut
        head = rank(query, candidates, columns, self._features, serving.scorer, cut=cut)
        head = layout.applied(head, columns, query, self._curation(query.normalized))
        impression = Impression(
            query=query,
            decision=retrieved.decision(policy),
            outcomes=tuple(retrieved.outcomes.values()),
            entity_ids=tuple(columns.ids[head.ordinals].tolist()),
            ordinals=head.ordinals,
            scores=head.scores,
            features=head.features,
            feature_names=self._features.names,
            feature_versions=dict(self._features.layout.versions),
            shown=max(min(query.k, len(head.ordinals) - query.offset), 0),
            models={"ranker": serving.scorer.version, "bandit": serving.bandit_version},
            corrected=retrieved.corrected,
            took_ms=(time.perf_counter() - started) * 1e3,
        )
        return Answer(
            query=query,
            retrieved=retrieved,
            candidates=candidates,
            head=head,
            impression=impression,
            columns=columns,
            scorer=serving.scorer,
        )

    def _hits(self, impression: Impression, request: SearchRequest) -> tuple[Hit, ...]:
        """The page without what was deleted since it was ranked; the other hits keep their positions.

        Whoever pages on in a search need not be who asked for it: their boundary holds again.
        """
        columns = self._catalog.columns
        page = self._placed(impression)[request.offset : request.offset + request.k]
        bound = bounded(columns, request.within)
        if bound is None:
            shown = page >= columns.n  # ranked by another process, which is a moment ahead
            shown[~shown] = columns.live[page[~shown]] & (page[~shown] >= 0)
        else:
            shown = inside(page, bound)
        rows = request.offset + np.flatnonzero(shown)
        entities = self._catalog.entities(page[shown])
        return tuple(
            Hit(
                entity=entity,
                position=row + 1,
                score=float(impression.scores[row]),
                sources=sources,
            )
            for row, entity, sources in zip(rows.tolist(), entities, _sources(impression, rows), strict=True)
        )

    def _placed(self, impression: Impression) -> Ordinals:
        """The ordinals that logged entities have now, -1: none. What is logged may be of another catalogue."""
        columns, names = self._catalog.columns, np.array(impression.entity_ids, np.object_)
        logged = impression.ordinals[: len(names)]
        known = logged < columns.n  # else ranked by another process, which is a moment ahead
        if (columns.ids[logged[known]] == names[known]).all():
            return impression.ordinals
        return impression.placed(self._catalog.store.ordinals)


def _sources(impression: Impression, rows: Rows) -> list[tuple[Source, ...]]:
    """For each of the rows which retrievers brought it, as far down as the log says so.

    `RANK` is 1 / rank, NaN where one did not bring it.
    """
    columns = {name: column for column, name in enumerate(impression.feature_names)}
    named = [outcome.retriever for outcome in impression.outcomes]
    page = impression.features[rows[rows < len(impression.features)]]
    shares, scores = (page[:, [columns[f"{name}.{fact}"] for name in named]].tolist() for fact in (RANK, SCORE))
    found = [
        tuple(
            Source(retriever=name, rank=round(1 / share), score=score)
            for name, share, score in zip(named, *facts, strict=True)
            if not math.isnan(share)
        )
        for facts in zip(shares, scores, strict=True)
    ]
    return [*found, *(() for _ in range(len(rows) - len(found)))]
