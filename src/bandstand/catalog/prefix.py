"""As-you-type completion: titles, artists and "artist title" that begin with what was typed, popular ones first."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.text import normalize, romanize
from bandstand.types import Entity, Mask, Ordinals

TYPO_FROM = 4
"""Letters that must have been typed before a typo is allowed for: below, everything would be near everything."""

_LAST = "\U0010ffff"
_LETTERS = 64
"""How many letters are tried in the place of one; alphabets have fewer."""

Ranges = Callable[[Sequence[str], str], list[slice]]
"""Disjoint ascending ranges of sorted texts for what was typed."""


def under(texts: Sequence[str], typed: str) -> list[slice]:
    """The range of ``texts``, ascending, that begin with ``typed``; [] where none does."""
    low, high = _range(texts, typed, 0, len(texts))
    return [slice(low, high)] if low < high else []


def one_typo(texts: Sequence[str], typed: str) -> list[slice]:
    """The ranges of ``texts``, ascending, of which a beginning is exactly one edit from ``typed``.

    A letter too many, one missing, another one, or two swapped (optimal string alignment). The first letter is taken as
    meant unless it is one too many or swapped; digits never typo: 2024 is not 2025. Texts that begin with ``typed``
    itself are left out. At each letter only those are tried that come next in some text, so that the cost is a few
    bisections a letter, whatever the script.
    """
    if len(typed) < TYPO_FROM:
        return []
    found: list[slice] = []
    for at in range(len(typed)):
        low, high = _range(texts, typed[:at], 0, len(texts))
        if low == high:
            break  # nothing begins so: a typo further on does not help
        mistyped = _variants(texts, typed, at, low, high)
        found += [slice(*_range(texts, beginning, 0, len(texts))) for beginning in mistyped]
    return _without(_merged(found), under(texts, typed))


def _variants(texts: Sequence[str], typed: str, at: int, low: int, high: int) -> Iterator[str]:
    """The beginnings that give ``typed`` by one typo at a letter; texts from ``low`` to ``high`` begin as it does."""
    head, letter, tail = typed[:at], typed[at], typed[at + 1 :]
    if not letter.isdigit() and head + tail:
        yield head + tail
    if tail and not (letter.isdigit() or tail[0].isdigit()):
        yield head + tail[0] + letter + tail[1:]
    if at == 0:
        return
    for other in islice(_next_letters(texts, at, low, high), _LETTERS):
        if not other.isdigit():
            yield head + other + letter + tail
            if not letter.isdigit():
                yield head + other + tail


def _next_letters(texts: Sequence[str], at: int, low: int, high: int) -> Iterator[str]:
    """The distinct letters at a place of texts that are equal before it."""
    while low < high:
        text = texts[low]
        if len(text) <= at:
            low += 1
            continue
        yield text[at]
        low = bisect_left(texts, text[: at + 1] + _LAST, low, high)


def _range(texts: Sequence[str], beginning: str, low: int, high: int) -> tuple[int, int]:
    return bisect_left(texts, beginning, low, high), bisect_left(texts, beginning + _LAST, low, high)


def _merged(ranges: list[slice]) -> list[slice]:
    """Overlapping and touching ranges joined, ascending."""
    joined: list[slice] = []
    for one in sorted((each for each in ranges if each.start < each.stop), key=lambda each: each.start):
        if joined and one.start <= joined[-1].stop:
            joined[-1] = slice(joined[-1].start, max(joined[-1].stop, one.stop))
        else:
            joined.append(one)
    return joined


def _without(ranges: list[slice], taken: list[slice]) -> list[slice]:
    """Disjoint ranges less at most one other."""
    if not taken:
        return ranges
    (gone,) = taken
    before = ((one.start, min(one.stop, gone.start)) for one in ranges)
    after = ((max(one.start, gone.stop), one.stop) for one in ranges)
    return [slice(low, high) for low, high in sorted([*before, *after]) if low < high]


_TITLE, _ARTIST, _NAME = range(3)
_REBUILD_SHARE = 0.05
_REBUILD_LEAST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Segment:
    """Sorted normalised (and romanised) texts with, for each, its ordinal and which text of the entity it is."""

    texts: list[str]
    ordinals: Ordinals
    forms: NDArray[np.int8]

    def entries(self, typed: str, ranges: Ranges) -> tuple[Ordinals, NDArray[np.int8]]:
        """Ordinals and forms of the texts that ``ranges`` finds for what was typed."""
        found = ranges(self.texts, typed)
        if not found:
            return self.ordinals[:0], self.forms[:0]
        parts = [self.ordinals[each] for each in found], [self.forms[each] for each in found]
        return np.concatenate(parts[0]), np.concatenate(parts[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _State:
    """``built`` is the snapshot behind ``main``; ``recent`` holds the rows whose text is new or other since then."""

    built: Columns
    current: Columns
    main: _Segment
    recent: _Segment
    outdated: Mask


class PrefixIndex:
    """Completion over a catalogue; built on first use, and brought up to date when the catalogue has moved on.

    Small changes go to a second small segment; once they are many the whole is built again (about 0.2 s for 28,000
    tracks). Popularity and deletions always count as of the newest snapshot.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._state: _State | None = None
        self._lock = threading.Lock()

    def complete(
        self, prefix: str, k: int = 10, *, ranges: Ranges = under, allowed: Mask | None = None
    ) -> list[tuple[int, str]]:
        """Return at most ``k`` (ordinal, text as written), texts distinct, by popularity; [] for a blank prefix.

        ``ranges`` says which texts count as begun so: those that are `under` the prefix, or `one_typo` from it.
        ``allowed``, bool over ordinals, is what may be named; None for all that lives.
        """
        typed = normalize(prefix)
        if not typed or k <= 0:
            return []
        state = self.refresh()
        ordinals, forms = _best(state, typed, ranges, 4 * k + 16, allowed)
        distinct: dict[str, tuple[int, int]] = {}
        for ordinal, form in zip(ordinals.tolist(), forms.tolist(), strict=True):
            distinct.setdefault(_normalized(state.current, ordinal, form), (ordinal, form))
        best = list(distinct.values())[:k]  # only these are read, which takes longer than all the rest
        entities = self._catalog.entities(np.array([ordinal for ordinal, _ in best], np.int32))
        return [(ordinal, _written(entity, form)) for (ordinal, form), entity in zip(best, entities, strict=True)]

    def follow(self) -> None:
        """Bring the index up to date if it was ever used."""
        if self._state is not None:
            self.refresh()

    def refresh(self) -> _State:
        """Bring the index up to the catalogue's snapshot; nothing to do when it has not changed."""
        columns, state = self._catalog.columns, self._state
        if state is not None and state.current is columns:
            return state
        with self._lock:
            self._state = state = _follow(self._state, columns)
            return state


def _follow(state: _State | None, columns: Columns) -> _State:
    if state is not None and columns.n >= state.built.n:
        built, n = state.built, state.built.n
        outdated = (columns.names[:n] != built.names[:n]) | (columns.titles[:n] != built.titles[:n])
        gone = built.live & ~columns.live[:n]
        recent = np.concatenate([np.flatnonzero(outdated | (columns.live[:n] & ~built.live)), np.arange(n, columns.n)])
        if len(recent) + gone.sum() <= max(_REBUILD_LEAST, _REBUILD_SHARE * n):
            segment = _segment(columns, recent.tolist())
            return _State(built=built, current=columns, main=state.main, recent=segment, outdated=outdated)
    main = _segment(columns, range(columns.n))
    outdated = np.zeros(columns.n, np.bool_)
    return _State(built=columns, current=columns, main=main, recent=_segment(columns, ()), outdated=outdated)


def _segment(columns: Columns, ordinals: Iterable[int]) -> _Segment:
    entries = sorted(_entries(columns, ordinals))
    return _Segment(
        texts=[text for text, _, _ in entries],
        ordinals=np.fromiter((ordinal for _, ordinal, _ in entries), np.int32, len(entries)),
        forms=np.fromiter((form for _, _, form in entries), np.int8, len(entries)),
    )


def _entries(columns: Columns, ordinals: Iterable[int]) -> Iterator[tuple[str, int, int]]:
    """Yield (text, ordinal, form) of live rows; an artist once, by its most popular row."""
    artists: dict[str, int] = {}
    live, popularity = columns.live.tolist(), columns.popularity.tolist()
    for ordinal in ordinals:
        if not live[ordinal]:
            continue
        title, name = columns.titles[ordinal], columns.names[ordinal]
        yield from _spellings(title, ordinal, _TITLE)
        if len(name) > len(title):
            yield from _spellings(name, ordinal, _NAME)
            artist = name[: -len(title) - 1]
            if artist not in artists or popularity[ordinal] > popularity[artists[artist]]:
                artists[artist] = ordinal
    for artist, ordinal in artists.items():
        yield from _spellings(artist, ordinal, _ARTIST)


def _spellings(text: str, ordinal: int, form: int) -> Iterator[tuple[str, int, int]]:
    yield text, ordinal, form
    if not text.isascii():
        yield romanize(text), ordinal, form


def _best(
    state: _State, typed: str, ranges: Ranges, depth: int, allowed: Mask | None
) -> tuple[Ordinals, NDArray[np.int8]]:
    """Return the ``depth`` most popular live entries under a prefix that are allowed, ties by ordinal."""
    (old, old_forms), (new, new_forms) = state.main.entries(typed, ranges), state.recent.entries(typed, ranges)
    kept = ~state.outdated[old]
    ordinals, forms = np.concatenate([old[kept], new]), np.concatenate([old_forms[kept], new_forms])
    live = state.current.live[ordinals]
    ordinals, forms = ordinals[live], forms[live]
    if allowed is not None:
        ordinals, forms = _permitted(state.current, ordinals, forms, allowed[: state.current.n], depth)
    popularity = state.current.popularity[ordinals]
    if len(ordinals) > depth:
        top = np.argpartition(-popularity, depth)[:depth]
        ordinals, forms, popularity = ordinals[top], forms[top], popularity[top]
    order = np.lexsort((forms, ordinals, -popularity))
    return ordinals[order], forms[order]


def _permitted(
    columns: Columns, ordinals: Ordinals, forms: NDArray[np.int8], allowed: Mask, depth: int
) -> tuple[Ordinals, NDArray[np.int8]]:
    """The entries that are allowed; artists, who stand there by their best known row, by the best allowed one."""
    every = np.zeros(columns.n, np.bool_)
    every[: len(allowed)] = allowed & columns.live[: len(allowed)]
    kept = every[ordinals]
    lost = ordinals[~kept & (forms == _ARTIST)]
    lost = lost[np.argsort(-columns.popularity[lost], kind="stable")[:depth]]
    instead = _instead(columns, lost, every) if len(lost) else lost
    return np.append(ordinals[kept], instead), np.append(forms[kept], np.full(len(instead), _ARTIST, np.int8))


def _instead(columns: Columns, lost: Ordinals, allowed: Mask) -> Ordinals:
    """The most popular allowed rows of the same artists as those of the rows, int32 (m,); none of who has none."""
    wanted = {_normalized(columns, ordinal, _ARTIST) for ordinal in lost.tolist()}
    theirs = np.flatnonzero(allowed & np.isin(columns.artist_key, columns.artist_key[lost]))
    best = dict[str, int]()
    for ordinal in theirs[np.argsort(-columns.popularity[theirs], kind="stable")].tolist():
        artist = _normalized(columns, ordinal, _ARTIST)
        if artist in wanted:
            best.setdefault(artist, ordinal)
    return np.array(list(best.values()), np.int32)


def _normalized(columns: Columns, ordinal: int, form: int) -> str:
    """What is written for an entry, normalised."""
    title, name = str(columns.titles[ordinal]), str(columns.names[ordinal])
    if form == _TITLE:
        return title
    return name[: -len(title) - 1] if form == _ARTIST else name


def _written(entity: Entity, form: int) -> str:
    artists = ", ".join(entity.artists)
    if form == _TITLE:
        return entity.title
    return artists if form == _ARTIST else f"{artists} {entity.title}"
