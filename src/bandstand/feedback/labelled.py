"""Searches recorded with and without each expensive retriever of which it is known what was wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bandstand.feedback.ablation import Ablation, Verdict, ablation_of
from bandstand.feedback.joined import Joined
from bandstand.feedback.sessions import relabel_share
from bandstand.types import Query

_WAITING = 1_000
"""Failed searches whose session may still tell what was wanted; a session is over long before there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSearch:
    """A logged search whose want is known: its record, what was wanted, and how sure that is, in (0, 1]."""

    query: Query
    ablation: Ablation
    wanted: frozenset[str]
    weight: float

    def verdicts(self, among: Sequence[str] | None = None) -> dict[str, Verdict]:
        """What each expensive retriever did for it, see `Ablation.verdicts`."""
        return self.ablation.verdicts(self.wanted, among)


def labelled(searches: Iterable[Joined]) -> Iterator[LabelledSearch]:
    """The recorded searches whose want is known, from searches in the order of the log.

    What was wanted is what satisfied best on the page. Where nothing did, it is what satisfied on the next searches of
    the same session for the same need (`relabel_share`, which is then the weight): without these, a retriever that was
    left out could never be seen to have been missed.
    """
    waiting: OrderedDict[str, list[tuple[Query, Ablation]]] = OrderedDict()
    for search in searches:
        query, wanted = search.impression.query, _wanted(search)
        record = next((found for event in search.events if (found := ablation_of(event)) is not None), None)
        if wanted and record is not None:
            yield LabelledSearch(query=query, ablation=record, wanted=wanted, weight=1.0)
        if query.session_id is None:
            continue
        if wanted:
            for earlier, failed in waiting.pop(query.session_id, []):
                if share := relabel_share(earlier, query):
                    yield LabelledSearch(query=earlier, ablation=failed, wanted=wanted, weight=share)
        elif record is not None:
            waiting.setdefault(query.session_id, []).append((query, record))
            while len(waiting) > _WAITING:
                waiting.popitem(last=False)


def _wanted(search: Joined) -> frozenset[str]:
    """The entities that satisfied best; empty where nothing did."""
    outcome = search.outcome()
    grades = dict(zip(search.impression.entity_ids, outcome.grades.tolist(), strict=True)) | dict(outcome.outside)
    best = max(grades.values(), default=0.0)
    return frozenset(entity for entity, grade in grades.items() if best > 0 and grade == best)
