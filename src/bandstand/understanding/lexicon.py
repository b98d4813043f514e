"""Every name and word of the catalogue, found by phrase, by word and by near spelling; follows the change feed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.base import Store
from bandstand.catalog.store import Change
from bandstand.types import KINDS, Entity, Ordinals, Scores
from bandstand.understanding import naming
from bandstand.understanding.artists import Artists
from bandstand.understanding.postings import NO_OWNER, Layers, Postings, Row, key_of
from bandstand.understanding.vocabulary import Vocabulary

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
            for text, share in naming.names(written, inner=True):
                yield key_of(text), NO_OWNER, number, ARTIST, share

    def _word_rows(self, ordinal: int, entity: Entity) -> Iterator[Row]:
        for word, weight in naming.words(entity).items():
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
        for text, share in naming.names(entity.title, entity.aliases, inner=False):
            yield key_of(text), ordinal, ordinal, slot, share
        return
    number = int(artists.of(np.array([ordinal], np.int32))[0])
    for text, share in naming.names(entity.title, entity.aliases, inner=True):
        yield key_of(text), ordinal, number, slot, share
