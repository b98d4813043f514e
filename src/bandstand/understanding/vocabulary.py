"""The words that the catalogue and past queries are made of, how common each is, and which are near a misspelt one."""

from __future__ import annotations

from typing import NamedTuple

from bandstand.understanding.deletions import DeletionIndex

_REINDEX_SHARE, _REINDEX_LEAST = 0.05, 2_000


class Near(NamedTuple):
    """A known word, how many edits it is from the asked one, and how common it is."""

    word: str
    edits: int
    weight: float


class _Index(NamedTuple):
    """Near spellings of the first ``main_size`` words, and of the others up to ``size``."""

    main: DeletionIndex
    main_size: int
    recent: DeletionIndex
    size: int


class Vocabulary:
    """Words with their weight: the popularity of what holds them, summed; words are added and never taken away.

    Words that came since the large index of spellings was built are in a small one. One thread adds; others may read.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []
        self._weights: list[float] = []
        self._index = _Index(DeletionIndex(()), 0, DeletionIndex(()), 0)
        self.total = 0.0

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str, weight: float) -> None:
        """One more use of a word; near spellings find a new one after `index`."""
        number = self._numbers.get(word)
        if number is None:
            number = len(self._words)
            self._weights.append(0.0)
            self._words.append(word)
            self._numbers[word] = number  # last: readers come by the number
        self._weights[number] += weight
        self.total += weight

    def weight(self, word: str) -> float:
        """How common a word is, 0 for an unknown one."""
        number = self._numbers.get(word)
        return 0.0 if number is None else self._weights[number]

    def near(self, word: str) -> list[Near]:
        """Known words within the forgiven edits, fewest edits first, then the most common; not the word itself."""
        index = self._index
        found = index.main.near(word)
        found += [(index.main_size + number, edits) for number, edits in index.recent.near(word)]
        near = [Near(self._words[number], edits, self._weights[number]) for number, edits in found if edits]
        return sorted(near, key=lambda other: (other.edits, -other.weight, other.word))

    def index(self) -> None:
        """Make near spellings of everything known findable."""
        size, index = len(self._words), self._index
        if size - index.main_size > max(_REINDEX_LEAST, _REINDEX_SHARE * index.main_size):
            self._index = _Index(DeletionIndex(self._words[:size]), size, DeletionIndex(()), size)
        elif size > index.size:
            self._index = index._replace(recent=DeletionIndex(self._words[index.main_size : size]), size=size)
