"""The records that cross between parts: small, frozen, columnar where a search handles hundreds of candidates.

An *ordinal* is the int32 number that the catalogue store gives an entity for life (never reused); an *arm* is a
retriever as the bandit sees it; a *depth* is how many candidates an arm may bring, 0 meaning that it is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["track", "artist", "album", "playlist", "station", "podcast"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Ordinals = NDArray[np.int32]
Scores = NDArray[np.float32]
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]


def actor_of(user_id: str | None, session_id: str | None) -> str | None:
    """The key under which behaviour is remembered: users by id, anonymous visitors by session."""
    if user_id:
        return user_id
    return f"session:{session_id}" if session_id else None


Clock = Callable[[], float]
"""Seconds since 1970 (UTC). Passed in, never read from the system by a part."""

DEPTHS: tuple[int, ...] = (0, 10, 50, 200)
"""The depths between which the bandit chooses, ascending; 0 skips the retriever."""

ARMS: tuple[str, ...] = (
    "memory",
    "lexical",
    "structured",
    "personal",
    "fresh",
    "alike",
    "trigram",
    "rephrase",
    "dense",
)
"""Every retriever: the order in which decisions are taken and features are laid out. Those that read nothing but this
process's memory, and the words of the query, come before the expensive ones."""

ArmStatus = Literal["ok", "skipped", "late", "failed", "rescue"]
"""`rescue`: not chosen, but asked because the chosen ones found nothing."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One descriptive fact about an entity, e.g. ``genre=jazz``, held with confidence in (0, 1]."""

    name: str
    value: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something that can be found.

    ``popularity`` is in [0, 1]. ``released`` is an ISO date, possibly only its year or year-month.
    ``members`` are ids of the entities that a playlist or an album holds, in order; they are not indexed as text.
    """

    id: str
    kind: Kind
    title: str
    artists: tuple[str, ...] = ()
    album: str | None = None
    aliases: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    popularity: float = 0.0
    released: str | None = None
    members: tuple[str, ...] = ()

    @property
    def year(self) -> int | None:
        """The year of release, or None when unknown."""
        return int(self.released[:4]) if self.released else None


@dataclass(frozen=True, slots=True)
class Slot:
    """What a part of the query may mean, e.g. ("mood", "happy", 0.9), and the normalised words that may mean it.

    ``confidence`` is the probability of that meaning, in (0, 1], over all readings of the query.
    """

    name: str
    value: str
    confidence: float = 1.0
    phrase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What may have been meant by a query; both texts are normalised.

    ``mode`` is "showing" when the corrected words are searched for ("showing results for ``text``; search instead for
    ``typed``") and "suggest" when the typed ones are ("did you mean ``text``?"). ``edits`` counts changed letters;
    ``confidence`` is the corrected words' share of the likelihood, in (0, 1].
    """

    typed: str
    text: str
    mode: Literal["showing", "suggest"]
    edits: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Hard conditions: every named attribute must have one of its values; years are inclusive bounds."""

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    year_gte: int | None = None
    year_lte: int | None = None

    def __bool__(self) -> bool:
        return bool(self.values) or self.year_gte is not None or self.year_lte is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One search request after normalisation.

    ``allowed`` is None when every live entity may be returned, else a boolean mask over ordinals, shape
    (n_ordinals,), that already combines kinds, filters and liveness: a retriever returns only ordinals that are
    inside the mask and True in it. ``literal``: nothing typed is taken for a slip of the keyboard.
    """

    id: str
    text: str
    normalized: str
    k: int = 10
    offset: int = 0
    kinds: tuple[Kind, ...] = ()
    filters: Filters = Filters()
    user_id: str | None = None
    session_id: str | None = None
    locale: str | None = None
    time: float = 0.0
    slots: tuple[Slot, ...] = ()
    correction: Correction | None = None
    literal: bool = False
    allowed: Mask | None = field(default=None, compare=False, repr=False)

    @property
    def actor(self) -> str | None:
        """Whose behaviour this is: the user, else a stand-in made of the session, else nobody's."""
        return actor_of(self.user_id, self.session_id)

    @property
    def meant(self) -> str:
        """The normalised text to look words up by: the corrected one where results are shown for that."""
        corrected = self.correction is not None and self.correction.mode == "showing"
        return self.correction.text if self.correction is not None and corrected else self.normalized


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """One retriever's answer, best first: ordinals int32 (n,) without repeats, scores float32 (n,) descending.

    ``columns`` holds further float32 (n,) facts by name (``clicks``, ``recency``, ...) that the ranker reads as
    features of this retriever; NaN where unknown. ``corrected`` is the query that was answered instead of the
    typed one, when that is what happened. ``shared_ms`` corrects what the call cost where retrievers share a request:
    this one's share of its milliseconds, less those that the call itself waited for it.
    """

    retriever: str
    ordinals: Ordinals
    scores: Scores
    columns: Mapping[str, Scores] = field(default_factory=dict)
    shared_ms: float = 0.0
    corrected: str | None = None

    def __len__(self) -> int:
        return len(self.ordinals)

    @classmethod
    def empty(cls, retriever: str) -> Candidates:
        """The answer of a retriever that found nothing."""
        return cls(retriever=retriever, ordinals=np.empty(0, np.int32), scores=np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDecision:
    """How deep one arm may go, and how that was chosen.

    ``propensity`` is the probability, in (0, 1], with which ``depth`` was chosen; ``probabilities`` is the whole
    distribution over `DEPTHS` (empty for policies that do not choose). ``context`` holds the named numbers that
    the policy saw, exactly as it saw them: learning reads these and never recomputes them.
    """

    arm: str
    depth: int
    propensity: float = 1.0
    probabilities: tuple[float, ...] = ()
    context: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutcome:
    """What came of an arm: candidates brought, milliseconds taken, and how it ended."""

    arm: str
    candidates: int = 0
    took_ms: float = 0.0
    status: ArmStatus = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The joint choice of one search; the joint propensity, given the policy, is the product over arms.

    ``experiment`` names the online experiment that chose the policy for this visitor, with probability ``assigned``;
    it is empty where somebody asked for the policy, or the server is set to it.
    """

    policy: str
    version: str
    arms: tuple[ArmDecision, ...] = ()
    experiment: str = ""
    assigned: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateSet:
    """The union of the arms' answers.

    ``ordinals`` int32 (m,) ascending; ``ranks`` and ``scores`` float32 (m, len(arms)), rank from 1, NaN where
    the arm did not bring the candidate; ``columns`` maps "arm.name" to float32 (m,), NaN where absent.
    """

    arms: tuple[str, ...]
    ordinals: Ordinals
    ranks: Matrix
    scores: Matrix
    columns: Mapping[str, Scores] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ordinals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a hit came from: the arm, its rank there (from 1) and its score there."""

    arm: str
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

    ``ordinals`` int32 (n,), ``scores`` float32 (n,) and ``features`` float32 (n, f) are the ranking's head, best
    first and duplicates folded, n <= `LOGGED_DEPTH`; ``shown`` of them (from ``query.offset``) were on the page.
    ``features`` columns are named by ``feature_names``. ``models`` maps "ranker" and "bandit" to versions.
    """

    query: Query
    decision: Decision
    outcomes: tuple[ArmOutcome, ...]
    entity_ids: tuple[str, ...]
    ordinals: Ordinals
    scores: Scores
    features: Matrix
    feature_names: tuple[str, ...]
    shown: int
    models: Mapping[str, str] = field(default_factory=dict)
    corrected: str | None = None
    took_ms: float = 0.0


LOGGED_DEPTH = 100
"""How much of a ranking is logged, and so how far a caller may page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One user action, the part of a UBI 1.3 event that learning reads.

    ``id`` is the caller's event id or a hash of the content. ``time`` is seconds since 1970. ``object_id`` is the
    entity's id, ``position`` its ordinal on the page (from 1), ``play_seconds`` how long it played. ``payload`` is
    the whole UBI event as JSON text, as it was accepted.
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

    @property
    def actor(self) -> str | None:
        """Whose behaviour this is: the user, else a stand-in made of the session or the client, else nobody's."""
        return actor_of(self.user_id, self.session_id or self.client_id)


ARM_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "memory": ("clicks", "plays", "impressions", "predicted", "own", "distance", "share"),
    "personal": ("times", "days", "like_query", "past", "alike", "peers", "mates"),
    "fresh": ("trend", "age_days"),
    "trigram": ("similarity",),
    "alike": ("clicks", "likeness"),
    "rephrase": ("similarity", "clicks"),
}
"""The further float32 columns that each arm's `Candidates.columns` carries, in feature order; NaN where unknown."""
