"""What is asked: a query after normalisation, with what its words were read as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bandstand.types.arrays import Mask
from bandstand.types.kinds import Kind


def actor_of(user_id: str | None, session_id: str | None) -> str | None:
    """The key under which behaviour is remembered: users by id, anonymous visitors by session."""
    if user_id:
        return user_id
    return f"session:{session_id}" if session_id else None


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
class Clause:
    """What a filter asks of one field: all that is given has to hold, and where ``negated`` not all of it.

    ``values``: one of them (none is ever met by no values); None asks nothing. ``gte``, ``gt``, ``lte``, ``lt`` are
    bounds: numbers, or texts such as dates, of which one that is given in part ("2020-03") stands for all that begins
    so. ``exists``: whether there is a value at all.
    """

    field: str
    values: tuple[str, ...] | None = None
    gte: float | str | None = None
    gt: float | str | None = None
    lte: float | str | None = None
    lt: float | str | None = None
    exists: bool | None = None
    negated: bool = False

    @property
    def bounds(self) -> dict[str, float | str]:
        """The bounds that are given, by name."""
        found = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        return {name: bound for name, bound in found.items() if bound is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Hard conditions, all of which must hold; with ``&`` those of two.

    Every named attribute (or other field) must have one of its values; years are inclusive bounds; ``clauses`` are
    whatever else is asked of fields.
    """

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    year_gte: int | None = None
    year_lte: int | None = None
    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.clauses) or self.year_gte is not None or self.year_lte is not None

    def __and__(self, other: Filters) -> Filters:
        since = [year for year in (self.year_gte, other.year_gte) if year is not None]
        until = [year for year in (self.year_lte, other.year_lte) if year is not None]
        return Filters(
            values=self.values + other.values,
            year_gte=max(since, default=None),
            year_lte=min(until, default=None),
            clauses=self.clauses + other.clauses,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are asked about, each once; ``year`` of the bounds is left out, as everybody knows it."""
        return tuple(dict.fromkeys((*(name for name, _ in self.values), *(each.field for each in self.clauses))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """What a caller can see of the catalogue at most, whatever is asked for: what passes ``filters``, of ``kinds``.

    Without ``kinds`` it may be of any kind.
    """

    kinds: tuple[Kind, ...] = ()
    filters: Filters = Filters()

    def __bool__(self) -> bool:
        return bool(self.kinds or self.filters)


UNBOUNDED = Boundary()
"""The boundary that shuts nothing out."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A hard condition that was typed: the ``field`` must hold, or where ``negated`` must not hold, the value.

    The field is `EXACT` (all fields), title, artist, album, kind, year, or the case-folded name of an attribute.
    """

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        """As it is typed."""
        field = "" if self.field == EXACT else f"{self.field}:"
        return f'{"-" * self.negated}{field}"{self.value}"'


EXACT = "words"
"""The field of a condition on words, in whichever name or value of an entity they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One search request after normalisation.

    ``text`` is what was typed, ``normalized`` its words without the ``conditions`` that it was read to hold.
    ``allowed`` is None when every live entity may be returned, else a boolean mask over ordinals, shape
    (n_ordinals,), that already combines kinds, filters, conditions and liveness: a retriever returns only ordinals
    that are inside the mask and True in it. ``literal``: nothing typed is taken for a typo of the keyboard. ``sought``
    are the words of `meant` that say what is looked for ("play some ... songs from the 80s" left out), "" where none
    does; None for all of them. ``claimant`` is as in `Event`.
    """

    id: str
    text: str
    normalized: str
    k: int = 10
    offset: int = 0
    kinds: tuple[Kind, ...] = ()
    filters: Filters = Filters()
    conditions: tuple[Condition, ...] = ()
    user_id: str | None = None
    session_id: str | None = None
    locale: str | None = None
    time: float = 0.0
    slots: tuple[Slot, ...] = ()
    correction: Correction | None = None
    literal: bool = False
    sought: str | None = field(default=None, compare=False)
    claimant: str | None = None
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

    @property
    def named(self) -> str:
        """The normalised words to look names up by: what is `sought` of what was `meant`; may be ""."""
        return self.meant if self.sought is None else self.sought
