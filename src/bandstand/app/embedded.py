"""The backend of one machine: everything in the home folder, in SQLite, LMDB and tantivy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from functools import partial
from pathlib import Path

import structlog

from bandstand.access.key_file import KeyFile
from bandstand.access.keys import KeyStore
from bandstand.backend import Finding, Paths, Work, refuse_others
from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.store import Change, Store
from bandstand.errors import MissingDependency, ModelError, StorageError
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import Log
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.learner.indexer import Follower
from bandstand.memory_index.environment import LmdbEnvironment
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import ModelRegistry
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.distil import distilled
from bandstand.retrievers.encoder import Encoder, EncoderOf, OnnxEncoder
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.text_index import TextIndex, damaged_files, delete_index
from bandstand.retrievers.token_table import TableFacts, TokenTable
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.retrievers.vector_index import DenseIndex, DenseSettings
from bandstand.retrievers.vector_store import VectorBatch, VectorFollower, VectorStores
from bandstand.settings import Settings
from bandstand.types import Clock, History, Progress


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
        self._vectors: VectorStores | None = None

    @property
    def vectors(self) -> VectorStores:
        """The vectors of the home, opened when first asked for."""
        with self._opening:
            if self._vectors is None:
                self._vectors = self._opened.enter_context(closing(VectorStores(self._paths.home)))
            return self._vectors

    def open_log(self) -> Log:
        """See `Backend`."""
        return SqliteLog(self._paths.log, clock=self._clock, settings=CommitSettings(durable=self._durable))

    def open_keys(self) -> KeyStore:
        """See `Backend`."""
        return KeyFile(self._paths.keys)

    def open_store(self) -> Store:
        """See `Backend`."""
        return SqliteStore(self._paths.catalog, clock=self._clock)

    def open_memory(self, settings: MemorySettings, store: Store) -> Memory:
        """See `Backend`."""
        return Memory(
            self._paths.memory,
            settings=settings,
            open_env=partial(LmdbEnvironment, durable=self._durable),
            ordinals=lambda: store.ordinal_history().place,
        )

    def open_models(self) -> ModelRegistry:
        """See `Backend`."""
        return FolderRegistry(self._paths.models, self._clock)

    def encoder(self) -> str:
        """See `Backend`."""
        return self.vectors.fingerprint

    def open_reader(self, catalog: Catalog, encoder_of: EncoderOf) -> EmbeddedReader:
        """See `Backend`."""
        text = TextIndex(self._paths.text, writable=False)
        refuse_others(catalog.store.history(), {"text index": text.place, "vectors": self.vectors.place})
        dense = DenseSettings(exact_up_to=self._exact_up_to)
        return EmbeddedReader(text, self.vectors, dense, catalog, encoder_of)

    def open_writer(self, store: Store, encoder_of: EncoderOf) -> EmbeddedWriter:
        """See `Backend`."""
        return EmbeddedWriter(self._paths, self.vectors, store, encoder_of)

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

    def __init__(
        self, text: TextIndex, vectors: VectorStores, settings: DenseSettings, catalog: Catalog, encoder_of: EncoderOf
    ) -> None:
        self._text, self._vectors, self._encoder_of = text, vectors, encoder_of
        encoder = self._open_encoder()
        self._dense = DenseIndex(vectors, settings=settings)
        self.lexical = LexicalRetriever(text, catalog)
        self.trigram = TrigramRetriever(text, catalog)
        self.dense = DenseRetriever(encoder_of, self._dense, catalog, inline=isinstance(encoder, StaticEncoder))

    @property
    def seq(self) -> int:
        """See `IndexReader`."""
        return min(self._text.seq, self._dense.view.seq)

    def refresh(self) -> None:
        """See `IndexReader`."""
        self._text.refresh()
        self._open_encoder()
        self._dense.refresh()

    def close(self) -> None:
        """See `IndexReader`."""
        self._text.close()

    def _open_encoder(self) -> Encoder | None:
        """Have the encoder at hand before its vectors serve; without it dense searches fail, and say why."""
        with suppress(ModelError, MissingDependency):
            return self._encoder_of(self._vectors.fingerprint)
        return None


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


def _suits(facts: TableFacts, now: VectorBatch) -> bool:
    """Whether a table is still good for the vectors that serve."""
    same = (facts.encoder, facts.origin) == (now.fingerprint, now.origin)
    return same and now.seq - facts.seq <= _OUTDATED * facts.entities


_OUTDATED = 0.1
"""Changes of vectors, as a share of the entities that a table was made for, after which it is made anew."""


def _opened_or_anew(path: Path) -> TextIndex:
    """The text index for writing; one whose files are not what was written is begun anew, as it can be made again."""
    try:
        return TextIndex(path, writable=True)
    except StorageError as error:
        if not any(damaged_files(path)):
            raise
        structlog.get_logger("indexer").error("text_index_made_anew", reason=str(error))
        delete_index(path)
        return TextIndex(path, writable=True)


class EmbeddedWriter:
    """See `IndexWriter`; the text index is locked until it is closed.

    Raises:
        Conflict: another process writes to it.
        StorageError: its files cannot be used.
    """

    def __init__(self, paths: Paths, vectors: VectorStores, store: Store, encoder_of: EncoderOf) -> None:
        self._folder = paths.text
        self._table = paths.token_table
        self._store = store
        self._encoder_of = encoder_of
        self._anew = False
        self._text = _opened_or_anew(paths.text)
        self._vectors = vectors
        self._start_over(store.history())

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """See `IndexWriter`."""
        anew, self._anew = self._anew, False
        vectors = VectorFollower(self._vectors, encoder, self._encoder_of, head=self._store.head, anew=anew)
        return TextFollower(self._text), vectors

    @property
    def query_encoder(self) -> str:
        """See `IndexWriter`: that of the vectors that serve, which are others once those are complete."""
        return self._vectors.fingerprint

    def distil(self, *, seed: int, progress: Progress | None = None) -> bool:
        """See `IndexWriter`: of an encoder that is a graph; nothing to be done for another one, or without vectors.

        A table suits other vectors of its encoder while those have changed little: words of new entities are not in it.
        """
        now = self._vectors.since(self._vectors.serving.seq)
        with suppress(ModelError):  # a damaged one is made again
            if (table := TokenTable.read(self._table)) is not None and _suits(table.facts, now):
                return False
        with suppress(ModelError, MissingDependency):
            if now.fingerprint and isinstance(encoder := self._encoder_of(now.fingerprint), OnnxEncoder):
                every = self._vectors.since(0)
                distilled(encoder, self._store, every, seed=seed, progress=progress).write(self._table)
                return True
        return False

    def reset(self) -> None:
        """See `IndexWriter`."""
        self._empty_text()
        self._anew = True

    def close(self) -> None:
        """See `IndexWriter`."""
        self._text.close()

    def _start_over(self, history: History) -> None:
        """Empty what belongs to another history of the catalogue; the next followers fill it."""
        if not history.holds(self._text.place):
            self._empty_text()
        self._vectors.follow(history)

    def _empty_text(self) -> None:
        self._text.close()
        try:
            delete_index(self._folder)
        finally:
            self._text = TextIndex(self._folder, writable=True)
