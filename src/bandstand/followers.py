"""The indexes as followers of the catalogue's change feed."""

from __future__ import annotations

from collections.abc import Sequence

from bandstand.catalog.store import Change
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.vectors import VectorStore


class TextFollower:
    """The text index as a follower of the catalogue."""

    name = "text"

    def __init__(self, index: TextIndex) -> None:
        self._index = index

    @property
    def seq(self) -> int:
        """See `Follower`: what was committed, so that changes whose commit failed are applied again."""
        return self._index.seq

    def follow(self, changes: Sequence[Change]) -> None:
        """See `Follower`."""
        self._index.apply(changes)
        self._index.commit()


class VectorFollower:
    """The vector store as a follower of the catalogue."""

    name = "vectors"

    def __init__(self, vectors: VectorStore, encoder: Encoder) -> None:
        vectors.adopt(encoder)
        self._vectors = vectors
        self._encoder = encoder

    @property
    def seq(self) -> int:
        """See `Follower`."""
        return self._vectors.seq

    def follow(self, changes: Sequence[Change]) -> None:
        """See `Follower`."""
        self._vectors.apply(changes, self._encoder)
