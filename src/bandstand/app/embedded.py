"""The backend of one machine: everything in the home folder, in SQLite, LMDB and tantivy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path

from bandstand.backend import Finding, Paths, Work
from bandstand.catalog.columns import Catalog
from bandstand.catalog.store import CatalogStore, Change, Store
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import Log
from bandstand.learner.indexer import Follower
from bandstand.memory_index.environment import Environment
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.registry import ModelRegistry
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.text_index import TextIndex, delete_index
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.retrievers.vector_index import DenseIndex, DenseSettings
from bandstand.retrievers.vector_store import VectorStore
from bandstand.settings import Settings
from bandstand.types import Clock


class EmbeddedBackend:
    """See `Backend`. What need not be ``durable`` survives the end of the process, but no power cut."""

    remote = False

    def __init__(self, settings: Settings, *, clock: Clock, durable: bool = True) -> None:
        self._exact_up_to = settings.exact_up_to
        self._paths = Paths(settings.home)
        self._clock = clock
        self._durable = durable
        self._opening = threading.Lock()
        self._opened = ExitStack()
        self._vectors: VectorStore | None = None

    @property
    def vectors(self) -> VectorStore:
        """The vectors of the home, opened when first asked for."""
        with self._opening:
            if self._vectors is None:
                self._vectors = self._opened.enter_context(closing(VectorStore(self._paths.vectors)))
            return self._vectors

    def open_log(self) -> Log:
        """See `Backend`."""
        return Log(self._paths.log, clock=self._clock, settings=CommitSettings(durable=self._durable))

    def open_store(self) -> Store:
        """See `Backend`."""
        return CatalogStore(self._paths.catalog, clock=self._clock)

    def open_memory(self, settings: MemorySettings) -> Memory:
        """See `Backend`."""
        return Memory(self._paths.memory, settings=settings, open_env=partial(Environment, durable=self._durable))

    def open_models(self) -> ModelRegistry:
        """See `Backend`."""
        return ModelRegistry(self._paths.models, self._clock)

    def open_reader(self, catalog: Catalog, encoder: Encoder) -> EmbeddedReader:
        """See `Backend`."""
        text = TextIndex.open(self._paths.text, writable=False)
        dense = DenseIndex(self.vectors, settings=DenseSettings(exact_limit=self._exact_up_to))
        return EmbeddedReader(text, dense, catalog, encoder)

    def open_writer(self, store: Store) -> EmbeddedWriter:  # noqa: ARG002 - a cluster asks it for the newest change
        """See `Backend`."""
        return EmbeddedWriter(self._paths.text, self.vectors)

    def leading(self) -> AbstractContextManager[None]:
        """See `Backend`: there is no other machine, and other processes are kept out by the home's lock."""
        return nullcontext()

    def lead(self, work: Work, stop: threading.Event) -> None:
        """See `Backend`."""
        work(stop)

    def rebuild_catalogue(self) -> None:
        """See `Backend`."""

    def examine(self) -> Sequence[Finding]:
        """See `Backend`."""
        return ()

    def close(self) -> None:
        """See `Backend`."""
        self._opened.close()


class EmbeddedReader:
    """See `IndexReader`: a tantivy index and the vectors in memory."""

    def __init__(self, text: TextIndex, dense: DenseIndex, catalog: Catalog, encoder: Encoder) -> None:
        self._text, self._dense = text, dense
        self.lexical = LexicalRetriever(text, catalog)
        self.trigram = TrigramRetriever(text, catalog)
        self.dense = DenseRetriever(encoder, dense, catalog)

    @property
    def seq(self) -> int:
        """See `IndexReader`."""
        return min(self._text.seq, self._dense.seq)

    def refresh(self) -> None:
        """See `IndexReader`."""
        self._text.refresh()
        self._dense.refresh()

    def close(self) -> None:
        """See `IndexReader`."""
        self._text.close()


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


class EmbeddedWriter:
    """See `IndexWriter`; the text index is locked until it is closed.

    Raises:
        Conflict: another process writes to it.
        StorageError: its files cannot be used.
    """

    def __init__(self, text: Path, vectors: VectorStore) -> None:
        self._folder = text
        self._text = TextIndex.open(text, writable=True)
        self._vectors = vectors

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """See `IndexWriter`."""
        return TextFollower(self._text), VectorFollower(self._vectors, encoder)

    def reset(self) -> None:
        """See `IndexWriter`."""
        self._text.close()
        try:
            delete_index(self._folder)
        finally:
            self._text = TextIndex.open(self._folder, writable=True)
        self._vectors.clear()

    def close(self) -> None:
        """See `IndexWriter`."""
        self._text.close()
