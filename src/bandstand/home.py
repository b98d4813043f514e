"""A home folder opened for searching: every part is built from its files and follows what others write there."""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bandstand.bandit.vw_policy import BanditSettings
from bandstand.brains import BrainsKeeper
from bandstand.catalog.columns import Catalog
from bandstand.catalog.prefix import PrefixIndex
from bandstand.catalog.slots import Vocabulary
from bandstand.catalog.text import normalize
from bandstand.engine.retrieval import Retrieval
from bandstand.engine.runner import ArmRunner
from bandstand.engine.search import Engine
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.dense_index import DenseIndex, DenseSettings
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.fresh import FreshRetriever
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.storage import Storage, open_encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One completion; ``entity_id`` where it names an entity rather than a past query."""

    text: str
    entity_id: str | None = None


class Home:
    """The searching side of a home: reads everything, writes only the log. Safe for threads and several processes.

    Raises:
        Unavailable: the home was not indexed yet; the message says how.
        StorageError, ModelError: a part cannot be read.
    """

    def __init__(self, storage: Storage, *, new_id: Callable[[], str] | None = None) -> None:
        self.settings = settings = storage.settings
        self.clock = storage.clock
        self._refreshing = threading.Lock()
        self.store, self.log, self.memory, self.models = storage.store, storage.log, storage.memory, storage.models
        self.catalog = Catalog(self.store)
        self.brains = BrainsKeeper(self.models, BanditSettings(floor=settings.exploration))
        self.prefixes = PrefixIndex(self.catalog)
        self._vocabulary = Vocabulary().updated(self.catalog.columns)
        self._text = TextIndex.open(storage.paths.text, writable=False)
        self._dense = DenseIndex(storage.vectors, settings=DenseSettings(exact_limit=settings.exact_up_to))
        encoder = open_encoder(settings, storage.paths)
        self._rephrase = RephraseRetriever(self.memory, encoder, self.catalog)
        self._runner = ArmRunner(self._retrievers(encoder), threads=settings.search_threads)
        self.engine = Engine(
            catalog=self.catalog,
            vocabulary=lambda: self._vocabulary,
            retrieval=Retrieval(
                self._runner, has_history=self.memory.knows, seed=settings.seed, deadline_ms=settings.deadline_ms
            ),
            brains=self.brains,
            log=self.log,
            clock=self.clock,
            new_id=new_id or (lambda: uuid.uuid4().hex),
        )
        self.refresh()

    def refresh(self) -> None:
        """Take in what other threads and processes have written since: entities, vectors, memories, models."""
        with self._refreshing:
            self.catalog.refresh()
            self._vocabulary = self._vocabulary.updated(self.catalog.columns)
            self._text.refresh()
            self._dense.refresh()
            self._rephrase.refresh()
            self.brains.refresh()

    def freeze(self) -> None:
        """Take what is loaded out of the garbage collector's rounds; for a process that will go on serving this home.

        A catalogue is a great many objects that live as long as the process: looking through all of them again and
        again makes the longest pauses of a search.
        """
        gc.collect()
        gc.freeze()

    def suggest(self, prefix: str, k: int) -> list[Suggestion]:
        """Completions of what is being typed: queries that several people made, then names by popularity."""
        typed = normalize(prefix)
        past = [Suggestion(text=text) for text in self.memory.popular_queries(typed, k)] if typed else []
        named = [
            Suggestion(text=text, entity_id=str(self.catalog.columns.ids[ordinal]))
            for ordinal, text in self.prefixes.complete(prefix, k + len(past))
        ]
        distinct: dict[str, Suggestion] = {}
        for item in (*past, *named):
            distinct.setdefault(normalize(item.text), item)
        return list(distinct.values())[:k]

    @property
    def searchable(self) -> int:
        """The catalogue change up to which this process finds entities by every index."""
        return min(self.catalog.seq, self._text.seq, self._dense.seq)

    def close(self) -> None:
        """End the retrievers; the storage is closed by who opened it."""
        self._runner.close()
        self._text.close()

    def _retrievers(self, encoder: Encoder) -> dict[str, Retriever]:
        found: tuple[Retriever, ...] = (
            MemoryRetriever(self.memory, self.catalog),
            LexicalRetriever(self._text, self.catalog),
            PersonalRetriever(self.memory, self.catalog),
            FreshRetriever(self.memory, self.catalog),
            TrigramRetriever(self._text, self.catalog),
            self._rephrase,
            DenseRetriever(encoder, self._dense, self.catalog),
        )
        return {retriever.name: retriever for retriever in found}
