"""Which entities kinds, filters and typed conditions allow, and which filters can be asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.bounds import bounded
from bandstand.catalog.columns import Columns, artist_key_of
from bandstand.catalog.spoken import spoken
from bandstand.catalog.text import normalize, unspaced
from bandstand.errors import BadInput, nearest
from bandstand.types import EXACT, KINDS, UNBOUNDED, Boundary, Condition, Filters, Kind, Mask

_KINDS: Mapping[str, int] = {kind: at for at, kind in enumerate(KINDS)}
_YEARS = re.compile(r"([0-9]{4})?(?:(\.\.|-)([0-9]{4})?)?")


def years_of(text: str) -> tuple[int | None, int | None] | None:
    """First and last year of "1984", "1980..1989", "1980-1989", "1980.." or "..1989"; None where it says no years."""
    match = _YEARS.fullmatch(text)
    if match is None or not (match[1] or match[3]):
        return None
    first, last = (int(year) if year else None for year in (match[1], match[3]))
    return (first, last) if match[2] else (first, first)


def filtered(filters: Filters, conditions: Sequence[Condition]) -> Filters:
    """The filters, narrowed by what the conditions say of years and fields: every backend knows filters."""
    for condition in conditions:
        if condition.negated or condition.field in (*_NAMES, "kind"):
            continue
        if condition.field != "year":
            filters &= Filters(values=((condition.field, (condition.value,)),))
        elif years := years_of(condition.value):
            filters &= Filters(year_gte=years[0], year_lte=years[1])
    return filters


def check_filters(columns: Columns, filters: Filters) -> None:
    """Let pass filters on fields that some entity has, or that every entity may have.

    Raises:
        BadInput: another name; says which is the nearest.
    """
    for name in filters.names:
        if not columns.has_field(name):
            known = columns.field_names()
            remedy = nearest(name, known) or f"; known are {', '.join(known)}"
            raise BadInput(f"there is no field {name!r} to filter by{remedy}", field="filters")


def allowed(
    columns: Columns,
    kinds: Sequence[Kind],
    filters: Filters,
    conditions: Sequence[Condition] = (),
    bound: Boundary = UNBOUNDED,
) -> Mask | None:
    """Which ordinals are live and pass all of it, bool (n,); None where nothing is asked of them."""
    if not (kinds or filters or conditions or bound):
        return None
    mask = columns.mask(kinds, filters)
    if (inside := bounded(columns, bound)) is not None:
        mask &= inside
    for condition in sorted(
        conditions, key=lambda each: each.field in _NAMES
    ):  # facts first: names are read one by one
        rows = np.flatnonzero(mask)
        mask[rows] = _met(condition, columns, rows) != condition.negated
    return mask


def _met(condition: Condition, columns: Columns, rows: NDArray[np.intp]) -> Mask:
    """Which of the rows (m,) have the value in the field, bool (m,)."""
    if condition.field in _NAMES:
        return _NAMES[condition.field](columns, rows, normalize(condition.value))
    if condition.field == "kind":
        return np.asarray(columns.kind[rows] == _KINDS[condition.value])
    return columns.mask((), filtered(Filters(), (Condition(condition.field, condition.value),)))[rows]


def _said(columns: Columns, rows: NDArray[np.intp], words: str) -> Mask:
    """In a name, or as the value of an attribute."""
    said = spoken(words)
    found = _hold(columns.names[rows], words) | _hold(columns.said_names[rows], said)
    found |= _hold(columns.other_names[rows], said)
    for (_, value), posting in columns.postings.items():
        if value == words:
            found |= np.isin(rows, posting.ordinals)
    return found


def _titled(columns: Columns, rows: NDArray[np.intp], words: str) -> Mask:
    return _hold(columns.titles[rows], words) | _hold(columns.said_titles[rows], spoken(words))


def _on_album(columns: Columns, rows: NDArray[np.intp], words: str) -> Mask:
    """Albums of this title, and tracks on them."""
    kind = columns.kind[rows]
    tracks: Mask = (kind == _KINDS["track"]) & _hold(columns.other_names[rows], spoken(words))
    albums: Mask = (kind == _KINDS["album"]) & _titled(columns, rows, words)
    return tracks | albums


def _by_artist(columns: Columns, rows: NDArray[np.intp], name: str) -> Mask:
    """An artist, and what is theirs, alone or with others; "the" before a name may be left out."""
    keys = [artist_key_of(called) for called in (name, f"the {name}", name.removeprefix("the "))]
    by: Mask = np.isin(columns.artist_key[rows], keys)
    for at in np.flatnonzero(~by & _hold(columns.names[rows], name)):
        row = rows[at]
        artists = columns.names[row].removesuffix(columns.titles[row]).strip()
        several = artist_key_of(artists) != columns.artist_key[row]  # else one artist whose name only has these words
        by[at] = several and f" {name} " in f" {artists} "
    return by


def _hold(texts: NDArray[np.object_], words: str) -> Mask:
    """Which of the normalised texts (m,) have these words, side by side and whole, bool (m,)."""
    found = np.array([words in text for text in texts.tolist()], np.bool_)
    if not unspaced(words):
        found[found] = [f" {words} " in f" {text} " for text in texts[found]]
    return found


_NAMES = {EXACT: _said, "title": _titled, "album": _on_album, "artist": _by_artist}
"""What checks the fields that are about names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may be shown, of all that there is: what was asked for, inside the caller's boundary."""

    kinds: tuple[Kind, ...] = ()
    filters: Filters = Filters()
    conditions: tuple[Condition, ...] = ()
    bound: Boundary = UNBOUNDED

    def allowed(self, columns: Columns) -> Mask | None:
        """See `allowed`.

        Raises:
            BadInput: see `check_filters`.
        """
        check_filters(columns, self.filters)
        return allowed(columns, self.kinds, self.filters, self.conditions, self.bound)


EVERYTHING = Scope()
