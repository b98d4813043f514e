"""The indexes that a learning side keeps up with the catalogue: those of the home folder, or those of a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Protocol

from bandstand.app.storage import Storage
from bandstand.catalog.store import Change, Store
from bandstand.learner.indexer import Follower
from bandstand.opensearch import text_index as opensearch_text
from bandstand.opensearch import vector_index as opensearch_vectors
from bandstand.opensearch.connection import Cluster
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.vector_store import VectorStore


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


class Indexes(Protocol):
    """What searches read and a learning side writes: texts and vectors."""

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """Texts and vectors as followers of the catalogue."""
        ...

    def reset(self) -> None:
        """Let the next followers build everything anew."""
        ...

    def close(self) -> None:
        """Let another writer in; safe to call twice."""
        ...


class EmbeddedIndexes:
    """The indexes of a home folder.

    Raises:
        Conflict: another process writes to them.
        StorageError: the files cannot be used.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._text = TextIndex.open(storage.paths.text, writable=True)

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """See `Indexes`."""
        return TextFollower(self._text), VectorFollower(self._storage.vectors, encoder)

    def reset(self) -> None:
        """See `Indexes`."""
        self._text.close()
        shutil.rmtree(self._storage.paths.text, ignore_errors=True)
        self._text = TextIndex.open(self._storage.paths.text, writable=True)
        self._storage.vectors.clear()

    def close(self) -> None:
        """See `Indexes`."""
        self._text.close()


class ClusterIndexes:
    """The indexes of a cluster; what is built anew serves when it is complete, and the old one until then."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store
        self._anew = False

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """See `Indexes`."""
        text = opensearch_text.TextFollower(self._cluster, head=self._store.head)
        vectors = opensearch_vectors.VectorFollower(self._cluster, encoder, head=self._store.head)
        if self._anew:
            self._anew = False
            text.rebuild()
            vectors.rebuild()
        return text, vectors

    def reset(self) -> None:
        """See `Indexes`."""
        self._anew = True

    def close(self) -> None:
        """Nothing is held open."""


def open_indexes(storage: Storage) -> Indexes:
    """The indexes that belong to a storage's backend."""
    return EmbeddedIndexes(storage) if storage.cluster is None else ClusterIndexes(storage.cluster, storage.store)
