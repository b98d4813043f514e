"""What is shown and logged: hits, impressions, and what people did with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bandstand.types.arrays import Matrix, Ordinals, Scores
from bandstand.types.entities import Entity
from bandstand.types.features import FeatureLayout, FeatureRows
from bandstand.types.queries import Query, actor_of
from bandstand.types.retrieval import Decision, RetrieverOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a hit came from: the retriever, its rank there (from 1) and its score there."""

    retriever: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One shown result. ``position`` counts from 1 over all pages of the search."""

    entity: Entity
    position: int
    score: float
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Impression:
    """What a search logged: enough to page, to learn and to evaluate without recomputing anything.

    ``ordinals`` int32 (n,) and ``scores`` float32 (n,) are the ranking's head, best first and duplicates folded,
    n <= `LOGGED_DEPTH`; ``shown`` of them (from ``query.offset``) were on the page. Of the first m <= n the log keeps
    more: ``entity_ids`` (m,) and ``features`` float32 (m, f), whose columns are named by ``feature_names``;
    ``feature_versions`` has, by name, the versions of those whose meaning is not the first. ``models`` maps "ranker"
    and "bandit" to versions.
    """

    query: Query
    decision: Decision
    outcomes: tuple[RetrieverOutcome, ...]
    entity_ids: tuple[str, ...]
    ordinals: Ordinals
    scores: Scores
    features: Matrix
    feature_names: tuple[str, ...]
    shown: int
    models: Mapping[str, str] = field(default_factory=dict)
    corrected: str | None = None
    took_ms: float = 0.0
    feature_versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> FeatureRows:
        """The logged features with what their columns mean."""
        return FeatureRows(FeatureLayout.of(self.feature_names, self.feature_versions), self.features)

    def placed(self, ordinals_of: Callable[[Sequence[str]], Ordinals]) -> Ordinals:
        """The ordinals that its entities have where ``ordinals_of`` says it: -1 for none, and where no id was kept."""
        ordinals = np.full(len(self.ordinals), -1, np.int32)
        ordinals[: len(self.entity_ids)] = ordinals_of(self.entity_ids)
        return ordinals


LOGGED_DEPTH = 100
"""How much of a ranking is logged, and so how far a caller may page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One user action, the part of a UBI 1.3 event that learning reads.

    ``id`` is the caller's event id or a hash of the content. ``time`` is seconds since 1970. ``object_id`` is the
    entity's id, ``position`` its ordinal on the page (from 1), ``play_seconds`` how long it played. ``payload`` is
    the whole UBI event as JSON text, as it was accepted. ``claimant`` is set where nobody vouches for it: it counts as
    far as the log bears it out. It stands for the key and the network that it came from, see `Caller.claimant`.
    """

    id: str
    action: str
    time: float
    query_id: str | None = None
    user_query: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    client_id: str | None = None
    object_id: str | None = None
    position: int | None = None
    play_seconds: float | None = None
    payload: str = "{}"
    claimant: str | None = None

    @property
    def actor(self) -> str | None:
        """Whose behaviour this is: the user, else a stand-in made of the session or the client, else nobody's."""
        return actor_of(self.user_id, self.session_id or self.client_id)
