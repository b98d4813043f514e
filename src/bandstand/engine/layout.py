"""How a ranking becomes a page: kinds mixed, an operator's decisions applied, sections by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Columns
from bandstand.errors import BadInput, nearest
from bandstand.memory_index.curation import Curation
from bandstand.ranker.page import Kinds, Ranking, kind_likelihoods, mixed_order
from bandstand.types import KINDS, Hit, Impression, Kind, Ordinals, Query, Scores


def curated(head: Ranking, curation: Curation) -> Ranking:
    """The ranking as it is shown and logged: pins in their order, then everything else but what is blocked.

    A pin that no retriever brought is not among the candidates: the memory brings it wherever it may play. Scores stay
    those of the ranker, so that what they say of each hit stays true.
    """
    places = {ordinal: place for place, ordinal in enumerate(curation.pinned)}
    rank = np.array([places.get(ordinal, len(places)) for ordinal in head.ordinals.tolist()], np.int64)
    order = np.argsort(rank, kind="stable")
    order = order[~np.isin(head.ordinals[order], list(curation.blocked))]
    return head.taken(order)


@dataclass(frozen=True, slots=True)
class TitleGuard:
    """What is called exactly as it was asked for stands before what few people chose instead.

    Else two who agree could take its name from a song. ``people`` says how many users chose each entity (n,) under a
    normalised query; from ``needed`` on they are believed. What the asking user chose before, and what stands before
    it by other reasons than choices, stays there.
    """

    names: tuple[str, ...]
    people: Callable[[str, Ordinals], NDArray[np.int64]]
    needed: int

    def applied(self, head: Ranking, query: Query) -> Ranking:
        """The ranking with its best exact title before what too few chose."""
        exact = np.flatnonzero(self._feature(head, "title_exact") == 1)
        if not len(exact) or not exact[0] or not self.needed:
            return head
        before = head.taken(np.arange(exact[0]))
        chosen = np.nansum([self._feature(before, "memory.clicks"), self._feature(before, "memory.plays")], axis=0)
        rows = np.flatnonzero((chosen > 0) & (self._feature(before, "memory.own") != 1))
        rows = rows[self.people(query.normalized, head.ordinals[rows]) < self.needed] if len(rows) else rows
        if not len(rows):
            return head
        others = np.delete(np.arange(len(head)), exact[0])
        return head.taken(np.insert(others, rows[0], exact[0]))

    def _feature(self, head: Ranking, name: str) -> Scores:
        """A column of a ranking's features (n,); NaN where there is no such feature."""
        if name not in self.names:
            return np.full(len(head), np.nan, np.float32)
        return head.features[:, self.names.index(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The hits of one kind on a page, best first, and how likely the kind is what was meant, in [0, 1]."""

    kind: Kind
    likelihood: float
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Sorting:
    """An order by a field in place of relevance; equal hits stay by relevance, those without a value come last."""

    field: str
    descending: bool

    @classmethod
    def read(cls, text: str, columns: Columns) -> Sorting:
        """Of "popularity:desc", "title" or the like.

        Raises:
            BadInput: there is no such field or direction, or nothing to put in order.
        """
        name, _, direction = text.partition(":")

        def sortable(field: str) -> bool:
            return field not in _UNORDERED and columns.field(field) is not None

        if name.casefold() != TITLE and not sortable(name.casefold()):
            known = [TITLE, *filter(sortable, columns.field_names())]
            remedy = nearest(name, known) or f"; known are {', '.join(known)}"
            raise BadInput(f"there is no field {name!r} to sort by{remedy}", field="sort")
        if direction not in ("", "asc", "desc"):
            raise BadInput(f"sort is FIELD:asc or FIELD:desc, not {text!r}", field="sort")
        return cls(name.casefold(), direction == "desc")

    def applied(self, head: Ranking, columns: Columns) -> Ranking:
        """The ranking in this order; the scores stay those of the ranker."""
        column = columns.field(self.field)
        if column is None:
            places = np.unique(columns.titles[head.ordinals].astype(str), return_inverse=True)[1].astype(np.float64)
        else:
            places = column.places(head.ordinals)
        return head.taken(np.argsort(-places if self.descending else places, kind="stable"))


TITLE = "title"
_UNORDERED = frozenset(("url", "image"))
"""Fields of which it is known whether there is one, and not which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is done to a ranking before it is shown; by default what operators decided, and nothing else.

    First exact titles are guarded, then kinds mixed. The order that results is the one that is logged and learned from.
    """

    titles: TitleGuard | None = None
    mix: bool = False
    sections: bool = False
    sorting: Sorting | None = None

    def applied(self, head: Ranking, columns: Columns, query: Query, curation: Curation) -> Ranking:
        """The ranking as it is shown. A sorting goes before pins and the mix; what is blocked stays out."""
        kinds = columns.kind
        if self.titles is not None:
            head = self.titles.applied(head, query)
        if self.mix:
            head = head.taken(mixed_order(head.scores, kinds[head.ordinals]))
        if curation:
            head = curated(head, curation)
        if self.sorting is not None:
            head = self.sorting.applied(head, columns)
        if self.sections:
            head = _sectioned(head, kinds[head.ordinals], slice(query.offset, query.offset + query.k))
        return head


def _sectioned(head: Ranking, kinds: Kinds, page: slice) -> Ranking:
    """The page's hits kind by kind, the likeliest kind first; what comes after the page stays where it is."""
    order = np.arange(len(head))
    ranks = np.argsort(np.argsort(-kind_likelihoods(head.scores, kinds), kind="stable"))
    order[page] = order[page][np.argsort(ranks[kinds[page]], kind="stable")]
    return head.taken(order)


def grouped(impression: Impression, hits: Sequence[Hit], columns: Columns) -> tuple[Section, ...]:
    """A page's hits by kind, the likeliest kind first."""
    known = impression.ordinals < columns.n
    likelihoods = kind_likelihoods(impression.scores[known], columns.kind[impression.ordinals[known]])
    found = {kind: tuple(hit for hit in hits if hit.entity.kind == kind) for kind in KINDS}
    sections = (
        Section(kind=kind, likelihood=float(likelihood), hits=found[kind])
        for kind, likelihood in zip(KINDS, likelihoods, strict=True)
        if found[kind]
    )
    return tuple(sorted(sections, key=lambda section: -section.likelihood))


AS_RANKED = Layout()
"""What self-play and replays use: they judge rankings, not pages."""
