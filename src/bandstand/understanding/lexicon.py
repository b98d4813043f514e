"""Every name and word of the catalogue, found by phrase, by word and by near spelling; follows the change feed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.columns import artist_key_of
from bandstand.catalog.spoken import numeral_headings, spoken
from bandstand.catalog.store import Change, Store
from bandstand.catalog.text import fold_title, index_terms, normalize, romanize, spell_umlauts, words_apart
from bandstand.types import KINDS, Entity, Ordinals, Scores
from bandstand.understanding.vocabulary import Vocabulary

FULL, FOLDED, OTHER_SCRIPT, ALIAS, PART = 1.0, 0.9, 0.9, 0.8, 0.4
"""P(phrase | name) relative to the full name; a part counts `PART` times the share of the name that it is."""

LONGEST = 8
"""Words of the longest phrase that is looked for as one: longer names are met by their parts and their words."""

_FILLERS = re.compile(
    r"(?:(?:a|an|and|at|by|da|das|de|del|der|die|el|for|from|in|is|it|la|las|le|les|los|mc|of|on|or|the|to)(?: |$))+"
)
_RUN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]{3,}")

TITLE, OTHER, ALBUM = 1.0, 0.8, 0.5
"""How much a word says about an entity, by where it stands: title and artists, aliases, album."""


class Phrase(NamedTuple):
    """A normalised phrase and P(phrase | name) relative to the full name, in (0, 1]."""

    text: str
    share: float


def names_of(text: str, aliases: tuple[str, ...] = (), *, inner: bool) -> list[Phrase]:
    """Return the phrases of a name, each once with its largest share; ``inner`` parts are those of artists' names."""
    found: dict[str, float] = {}
    for phrase, share in _whole(text, aliases):
        _raise(found, phrase, share)
    for phrase, share in list(found.items()):
        for part, of in _parts(phrase, inner=inner):
            _raise(found, part, share * PART * of)
    return [Phrase(phrase, share) for phrase, share in found.items() if phrase.count(" ") < LONGEST]


def _raise(found: dict[str, float], phrase: str, share: float) -> None:
    if phrase and found.get(phrase, 0.0) < share:
        found[phrase] = share


def _whole(text: str, aliases: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for name, share in ((text, FULL), *((alias, ALIAS) for alias in aliases)):
        normalized = normalize(name)
        yield normalized, share
        yield fold_title(name), share * FOLDED
        if not name.isascii():
            yield romanize(normalized), share * OTHER_SCRIPT
            yield normalize(spell_umlauts(name)), share * OTHER_SCRIPT
        if " and " in normalized or normalized.startswith("the "):
            yield normalized.removeprefix("the ").replace(" and ", " "), share * FOLDED
        yield spoken(normalize(numeral_headings(name))), share * FOLDED
        if (apart := words_apart(name)) != name:
            yield normalize(apart), share * FOLDED
            yield spoken(normalize(apart)), share * FOLDED


def _parts(phrase: str, *, inner: bool) -> Iterator[tuple[str, float]]:
    """Beginnings of two words or more; for ``inner`` any run of words; beginnings of a name in an unspaced script."""
    words = phrase.split()
    if inner and 1 < len(words) <= LONGEST:
        for start in range(len(words)):
            for end in range(start + 1, len(words) + 1):
                part = " ".join(words[start:end])
                if not _FILLERS.fullmatch(part):
                    yield part, len(part) / len(phrase)
    elif not inner:
        for end in range(2, min(len(words) - 1, LONGEST) + 1):
            part = " ".join(words[:end])
            yield part, len(part) / len(phrase)
    if len(words) == 1 and (run := _RUN.match(phrase)):
        for end in range(2, len(run[0])):
            yield phrase[:end], end / len(phrase)


def words_of(entity: Entity) -> dict[str, float]:
    """Return the index terms of an entity, each with the weight of the best place where it stands."""
    found = dict.fromkeys(_terms(entity.album), ALBUM) if entity.album else {}
    for alias in entity.aliases:
        found |= dict.fromkeys(_terms(alias), OTHER)
    for artist in entity.artists:
        found |= dict.fromkeys(_terms(artist), TITLE)
    return found | dict.fromkeys(index_terms(entity.title), TITLE)


@lru_cache(maxsize=65_536)
def _terms(text: str) -> tuple[str, ...]:
    return tuple(index_terms(text))


Keys = NDArray[np.int64]
Row = tuple[int, int, int, int, float]
"""Key, owner, target, slot, share: see `Postings`."""

NO_OWNER = -1
_DTYPES = (np.int64, np.int32, np.int32, np.int8, np.float32)
_MERGE_SHARE, _MERGE_LEAST = 0.05, 20_000


def key_of(text: str) -> int:
    """A text's 64-bit key; of this process only, never to be stored."""
    return hash(text)


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Rows of one or many keys, 21 bytes each, all arrays of shape (n,).

    ``keys`` int64, ``owners`` int32 (the entity that the row goes with, `NO_OWNER` for none), ``targets`` int32 (what
    the key means), ``slots`` int8 (in which sense), ``shares`` float32 (how completely).
    """

    keys: Keys
    owners: NDArray[np.int32]
    targets: NDArray[np.int32]
    slots: NDArray[np.int8]
    shares: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Rows as columns."""
        columns = list(zip(*rows, strict=True)) or [()] * len(_DTYPES)
        return cls(*(np.array(column, dtype) for column, dtype in zip(columns, _DTYPES, strict=True)))

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Postings:
        """Some of the rows."""
        return Postings(self.keys[rows], self.owners[rows], self.targets[rows], self.slots[rows], self.shares[rows])

    def then(self, other: Postings) -> Postings:
        """These rows, then the other's."""
        return Postings(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.owners, other.owners]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.slots, other.slots]),
            np.concatenate([self.shares, other.shares]),
        )

    def by_key(self, ranks: NDArray[np.float32]) -> Postings:
        """Sorted by key, under one key by falling rank (n,)."""
        return self.at(np.lexsort((-ranks, self.keys)))

    def find(self, keys: Keys) -> list[slice]:
        """Where the rows of each key are, in postings sorted by key."""
        starts = np.searchsorted(self.keys, keys).tolist()
        ends = np.searchsorted(self.keys, keys, side="right").tolist()
        return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


Ranking = Callable[[Postings], NDArray[np.float32]]
"""The ranks (n,) by which rows of one key are ordered."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """``main`` without the rows of ``stale`` owners, and ``recent``; never changed, replaced as a whole.

    ``stale`` is bool over owners, with one False at the end that stands for `NO_OWNER`.
    """

    main: Postings
    recent: Postings
    stale: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> Layers:
        """No rows."""
        nothing = Postings.of(())
        return cls(nothing, nothing, np.zeros(1, np.bool_))

    def changed(self, owners: Sequence[int], rows: Sequence[Row], rank: Ranking) -> Layers:
        """These layers after all rows of ``owners`` were replaced by ``rows``.

        Once the recent layer holds more than a twentieth of all rows both are sorted into one (45 ms for 500,000 rows).
        """
        outdated = np.asarray(owners, np.int32)
        stale = np.zeros(max(len(self.stale), int(outdated.max(initial=0)) + 2), np.bool_)
        stale[: len(self.stale)] = self.stale
        stale[outdated] = True
        recent = self.recent.at(~np.isin(self.recent.owners, outdated)).then(Postings.of(rows))
        if len(recent) <= max(_MERGE_LEAST, _MERGE_SHARE * len(self.main)):
            return Layers(self.main, recent.by_key(rank(recent)), stale)
        merged = self.main.at(_fresh(self.main.owners, stale)).then(recent)
        return Layers(merged.by_key(rank(merged)), Postings.of(()), np.zeros(1, np.bool_))

    def find(self, keys: Keys) -> list[Postings | None]:
        """The rows of each key: main ones first, None where there are none."""
        olds, news = self.main.find(keys), self.recent.find(keys)
        return [self._rows(old, new) for old, new in zip(olds, news, strict=True)]

    def _rows(self, old: slice, new: slice) -> Postings | None:
        found = self.main.at(old) if old.stop > old.start else None
        if found is not None and len(self.stale) > 1:
            found = found.at(_fresh(found.owners, self.stale))
        if new.stop > new.start:
            recent = self.recent.at(new)
            found = recent if found is None else recent.then(found)
        return found if found is not None and len(found) else None


def _fresh(owners: NDArray[np.int32], stale: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which owners are not stale; those past the end are not, nor is `NO_OWNER`, which is the end."""
    fresh: NDArray[np.bool_] = ~stale[np.minimum(owners, len(stale) - 1)]
    return fresh


class Artists:
    """Numbers given to normalised artists' names for the life of the process; ``counts`` of live entities behind each.

    ``keys`` are those of `Columns.artist_key`; ``popularity`` is the largest that was seen, in [0, 1].
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.keys: list[int] = []
        self.popularity: list[float] = []
        self.counts: list[int] = []
        self._numbers: dict[str, int] = {}
        self._of = np.full(0, -1, np.int32)

    def of(self, ordinals: Ordinals) -> Ordinals:
        """Whose the entities are, (n,): numbers, -1 where they are nobody's or unknown."""
        known = ordinals < len(self._of)
        found = np.full(len(ordinals), -1, np.int32)
        found[known] = self._of[ordinals[known]]
        return found

    def assign(self, ordinal: int, entity: Entity | None) -> str | None:
        """Say whose an entity is now, or nobody's when it is gone; return the artist's name as written if new."""
        if ordinal >= len(self._of):
            self._of = np.concatenate([self._of, np.full(ordinal + 1, -1, np.int32)])
        if (before := int(self._of[ordinal])) >= 0:
            self.counts[before] -= 1
            self._of[ordinal] = -1
        written = _owner(entity)
        name = normalize(written) if written else ""
        if entity is None or not name:
            return None
        number, new = self._numbered(name)
        self._of[ordinal] = number
        self.counts[number] += 1
        self.popularity[number] = max(self.popularity[number], entity.popularity)
        return written if new else None

    def _numbered(self, name: str) -> tuple[int, bool]:
        number = self._numbers.setdefault(name, len(self.names))
        new = number == len(self.names)
        if new:
            self.names.append(name)
            self.keys.append(artist_key_of(name))
            self.popularity.append(0.0)
            self.counts.append(0)
        return number, new


def _owner(entity: Entity | None) -> str | None:
    if entity is None:
        return None
    if entity.kind == "artist":
        return entity.title
    return entity.artists[0] if entity.artists else None


ARTIST = KINDS.index("artist")
MEANINGS = 32
"""Rows of one phrase that are looked at, the most popular first: a word may be part of ten thousand names."""

_PAGE = 20_000


class Meaning(NamedTuple):
    """What a phrase names: an entity by ordinal or an artist by number, in which slot, and how completely."""

    slot: int
    target: int
    share: float


class Lexicon:
    """Phrases and words of all live entities. `refresh` follows the change feed; readers never wait for it."""

    def __init__(self, store: Store) -> None:
        """Read everything."""
        self._store = store
        self._refreshing = threading.Lock()
        self._popularity = np.zeros(0, np.float32)
        self._phrases, self._words = Layers.empty(), Layers.empty()
        self.artists = Artists()
        self.vocabulary = Vocabulary()
        self.seq = 0
        self.refresh()

    def refresh(self) -> int:
        """Take in what changed; return how many changes there were."""
        with self._refreshing:
            taken = 0
            while changes := self._store.changes(self.seq, _PAGE):
                self._apply(changes)
                self.seq, taken = changes[-1].seq, taken + len(changes)
            if taken:
                self.vocabulary.index()
            return taken

    def meanings(self, phrases: Sequence[str]) -> list[list[Meaning]]:
        """What each normalised phrase names, at most `MEANINGS`, the most popular first."""
        found = self._phrases.find(np.fromiter(map(key_of, phrases), np.int64, len(phrases)))
        return [[] if rows is None else self._alive(rows.at(slice(0, MEANINGS))) for rows in found]

    def named(self, phrase: str, slot: int) -> tuple[Ordinals, Scores]:
        """All entities that a phrase names in a slot, (n,), and how completely, (n,) in (0, 1]."""
        (rows,) = self._phrases.find(np.array([key_of(phrase)], np.int64))
        if rows is None:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        rows = rows.at((rows.slots == slot) & (rows.owners != NO_OWNER))
        return rows.owners, rows.shares

    def holding(self, words: Sequence[str]) -> list[tuple[Ordinals, Scores]]:
        """The entities that hold each word, (n,), and the weight of the place where it stands, (n,) in (0, 1]."""
        found = self._words.find(np.fromiter(map(key_of, words), np.int64, len(words)))
        nothing = np.empty(0, np.int32), np.empty(0, np.float32)
        return [nothing if rows is None else (rows.owners, rows.shares) for rows in found]

    def _alive(self, rows: Postings) -> list[Meaning]:
        counts = self.artists.counts
        triples = zip(rows.slots.tolist(), rows.targets.tolist(), rows.shares.tolist(), strict=True)
        return [Meaning(*triple) for triple in triples if triple[0] != ARTIST or counts[triple[1]]]

    def _apply(self, changes: Sequence[Change]) -> None:
        self._make_room(max(change.ordinal for change in changes) + 1)
        phrases, words = list[Row](), list[Row]()
        for change in changes:
            phrases += self._artist_rows(change)
            if change.entity is not None:
                self._popularity[change.ordinal] = change.entity.popularity
                phrases += _phrase_rows(change.ordinal, change.entity, self.artists)
                words += self._word_rows(change.ordinal, change.entity)
        owners = [change.ordinal for change in changes]
        self._phrases = self._phrases.changed(owners, phrases, self._ranks)
        self._words = self._words.changed(owners, words, self._ranks)

    def _make_room(self, n: int) -> None:
        if n > len(self._popularity):
            self._popularity = np.concatenate([self._popularity, np.zeros(n, np.float32)])

    def _artist_rows(self, change: Change) -> Iterator[Row]:
        """The names of an artist that is met for the first time."""
        written = self.artists.assign(change.ordinal, change.entity)
        if written is not None:
            number = len(self.artists.names) - 1
            for text, share in names_of(written, inner=True):
                yield key_of(text), NO_OWNER, number, ARTIST, share

    def _word_rows(self, ordinal: int, entity: Entity) -> Iterator[Row]:
        for word, weight in words_of(entity).items():
            self.vocabulary.add(word, weight * (0.1 + entity.popularity))
            yield key_of(word), ordinal, ordinal, 0, weight

    def _ranks(self, rows: Postings) -> NDArray[np.float32]:
        """Popularity times share."""
        artists = np.array([*self.artists.popularity, 0.0], np.float32)
        is_artist = rows.slots == ARTIST
        popularity = np.where(
            is_artist, artists[np.where(is_artist, rows.targets, -1)], self._popularity[np.maximum(rows.owners, 0)]
        )
        return np.asarray(rows.shares * (popularity + np.float32(0.05)), np.float32)


def _phrase_rows(ordinal: int, entity: Entity, artists: Artists) -> Iterator[Row]:
    slot = KINDS.index(entity.kind)
    if slot != ARTIST:
        for text, share in names_of(entity.title, entity.aliases, inner=False):
            yield key_of(text), ordinal, ordinal, slot, share
        return
    number = int(artists.of(np.array([ordinal], np.int32))[0])
    for text, share in names_of(entity.title, entity.aliases, inner=True):
        yield key_of(text), ordinal, number, slot, share
