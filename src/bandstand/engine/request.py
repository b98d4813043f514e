"""What a caller asks of the engine, what comes back, and how a request becomes a `Query`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from bandstand.bandit.experiment import Assignment
from bandstand.catalog.bounds import narrowed
from bandstand.catalog.columns import OF_ALL, Columns
from bandstand.catalog.conditions import allowed, filtered
from bandstand.catalog.facets import FacetCount
from bandstand.catalog.text import beginning, normalize
from bandstand.engine.layout import Section
from bandstand.errors import BadInput, BandstandError
from bandstand.types import (
    KINDS,
    LOGGED_DEPTH,
    UNBOUNDED,
    Boundary,
    Correction,
    Filters,
    Hit,
    Impression,
    Kind,
    Query,
    actor_of,
)
from bandstand.types.answers import Answer
from bandstand.understanding.records import Interpretation
from bandstand.understanding.spelling import Speller
from bandstand.understanding.syntax import parse
from bandstand.understanding.understanding import Understanding

Learned = Callable[[str, str | None], bool]
"""Whether a normalised query has led somebody, or this actor, to something."""


class Reader:
    """Reads queries and corrects them. Safe for threads."""

    def __init__(self, understanding: Understanding, speller: Speller, learned: Learned) -> None:
        self._understanding = understanding
        self._speller = speller
        self._learned = learned

    def interpret(self, normalized: str) -> Interpretation:
        """Every way to read a normalised query."""
        return self._understanding.interpret(normalized)

    def correct(self, normalized: str, actor: str | None) -> Correction | None:
        """What may have been meant; None where the query is right as it is, or was used with success as it is."""
        correction = self._speller.correct(normalized)
        return None if correction is None or self._known(normalized, actor) else correction

    def _known(self, normalized: str, actor: str | None) -> bool:
        """Whether the memory has learned something on the query; where it cannot be read, its retriever will say so."""
        try:
            return self._learned(normalized, actor)
        except BandstandError:
            return False


MAX_QUERY_CHARS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search as asked for. With ``query_id`` it is a further page of that search.

    A ``preview`` is answered and not logged: half a word that somebody is still typing is no search to learn from, and
    no typo to correct. Unless it is to ``correct``, it is answered by what was typed alone.
    ``facets`` are counted over what was found, on the first page. An ``assignment`` is the policy that an online
    experiment chose for this visitor, in place of ``policy``.
    Whatever is asked for, nothing is answered that is not ``within`` the caller's boundary. ``claimant`` is who asks
    where nobody vouches for them, see `Event`.
    ``mix`` says whether kinds are mixed by likelihood (None: as the server is set), ``sections`` whether the page is
    laid out by kind; ``sort`` puts the hits in the order of a field ("popularity:desc"), see `Sorting`.
    """

    query: str
    k: int = 10
    offset: int = 0
    query_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    kinds: tuple[Kind, ...] = ()
    filters: Filters = Filters()
    policy: str | None = None
    assignment: Assignment | None = None
    explain: bool = False
    facets: tuple[str, ...] = ()
    preview: bool = False
    correct: bool = True
    mix: bool | None = None
    sections: bool = False
    sort: str | None = None
    locale: str | None = None
    within: Boundary = UNBOUNDED
    claimant: str | None = None


class HitExplanation(Answer):
    """Feature values (null: missing) and what each added to the score; `bias` is the constant part.

    Without contributions, and with a bias of null, where another ranker serves by now than made the page.
    """

    features: Mapping[str, float | None]
    contributions: Mapping[str, float]
    bias: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchResult:
    """The answered page, the impression that was logged for it, and, where asked for, how it was read and sections.

    ``explanations`` are one for each hit, or none.
    """

    impression: Impression
    hits: tuple[Hit, ...]
    took_ms: float = 0.0
    explanations: tuple[HitExplanation, ...] = ()
    reading: Interpretation | None = None
    facets: Mapping[str, tuple[FacetCount, ...]] = field(default_factory=dict)
    sections: tuple[Section, ...] | None = None

    @property
    def reasons(self) -> Mapping[str, HitExplanation]:
        """The explanations by entity id; empty where none were asked for."""
        return {hit.entity.id: why for hit, why in zip(self.hits, self.explanations, strict=False)}


def check_request(request: SearchRequest) -> None:
    """Refuse what cannot be answered.

    Raises:
        BadInput: naming the field.
    """
    if not 1 <= request.k <= LOGGED_DEPTH:
        raise BadInput(f"k must be from 1 to {LOGGED_DEPTH}", field="k")
    if request.offset < 0 or request.offset + request.k > LOGGED_DEPTH:
        raise BadInput(
            f"offset + k must be from 0 to {LOGGED_DEPTH}: narrow the query instead of paging on", field="offset"
        )
    if len(request.query) > MAX_QUERY_CHARS:
        raise BadInput(f"query is longer than {MAX_QUERY_CHARS} characters", field="query")
    for name in ("query", "user_id", "session_id"):
        _check_unicode(getattr(request, name) or "", name)


def _check_unicode(text: str, field: str) -> None:
    """JSON can carry halves of characters; no log or index can."""
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise BadInput(f"{field} is not valid Unicode: {cause.reason}", field=field) from cause


def known_kinds(names: Collection[str]) -> tuple[Kind, ...]:
    """Names as kinds.

    Raises:
        BadInput: one is no kind.
    """
    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise BadInput(f"unknown kinds {', '.join(unknown)}: use some of {', '.join(KINDS)}", field="kinds")
    return tuple(kind for kind in KINDS if kind in names)


def build_query(request: SearchRequest, *, query_id: str, now: float, columns: Columns, reader: Reader) -> Query:
    """Normalise, read, correct, and turn kinds, filters and typed conditions into one mask over ordinals."""
    text = beginning(request.query)
    syntax = parse(text, lambda name: name not in OF_ALL and columns.has_field(name))
    normalized, conditions = beginning(normalize(syntax.words)), syntax.conditions
    kinds, filters = request.kinds or syntax.kinds, filtered(request.filters, conditions)
    sought_kinds, sought_filters = narrowed(kinds, filters, request.within)
    actor, correct = actor_of(request.user_id, request.session_id), request.correct and not syntax.exact
    query = Query(
        id=query_id,
        text=text,
        normalized=normalized,
        k=request.k,
        offset=request.offset,
        kinds=sought_kinds,
        filters=sought_filters,
        conditions=conditions,
        user_id=request.user_id,
        session_id=request.session_id,
        locale=request.locale,
        time=now,
        slots=reader.interpret(normalized).slots(),
        correction=reader.correct(normalized, actor) if correct and not request.preview else None,
        literal=not correct,
        claimant=request.claimant,
        allowed=allowed(columns, kinds, filters, conditions, request.within),
    )
    sought = query.meant if query.literal else reader.interpret(query.meant).sought()
    return query if sought == query.meant else replace(query, sought=sought)
