"""The retrievers of a home: over its own files, or over a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bandstand.app.storage import Storage
from bandstand.catalog.columns import Catalog
from bandstand.memory_index.memory import Memory
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.first_round import FirstRound
from bandstand.opensearch.indices import serving
from bandstand.opensearch.retrievers import OpenSearchDense, OpenSearchLexical, OpenSearchTrigram, text_searches
from bandstand.opensearch.text_index import TEXT
from bandstand.opensearch.vector_index import vector_schema
from bandstand.retrievers.alike import AlikeRetriever
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.corrected import CorrectedRetriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.fresh import FreshRetriever
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.trigram import TrigramRetriever, TrigramSettings
from bandstand.retrievers.vector_index import DenseIndex, DenseSettings
from bandstand.understanding.understanding import Understanding


class RetrieverSet(Protocol):
    """Every retriever of one process, and how far in the catalogue's changes they find entities."""

    @property
    def retrievers(self) -> Mapping[str, Retriever]:
        """By name, one for each of `bandstand.types.ARMS`."""
        ...

    @property
    def seq(self) -> int:
        """The catalogue change up to which every index finds entities."""
        ...

    def refresh(self) -> None:
        """Take in what was indexed and learned since."""
        ...

    def close(self) -> None:
        """Close what was opened for them."""
        ...


class EmbeddedRetrievers:
    """The retrievers over a home folder's indexes.

    Raises:
        Unavailable: there is no index yet; the message says how to make one.
    """

    def __init__(self, storage: Storage, catalog: Catalog, encoder: Encoder, understanding: Understanding) -> None:
        self._text = TextIndex.open(storage.paths.text, writable=False)
        self._dense = DenseIndex(storage.vectors, settings=DenseSettings(exact_limit=storage.settings.exact_up_to))
        self._rephrase = RephraseRetriever(storage.memory, encoder, catalog)
        self.retrievers: Mapping[str, Retriever] = _named(
            *_learned(storage.memory, catalog, self._rephrase),
            CorrectedRetriever(LexicalRetriever(self._text, catalog), typed=False),
            StructuredRetriever(understanding, catalog),
            CorrectedRetriever(TrigramRetriever(self._text, catalog), typed=True),
            DenseRetriever(encoder, self._dense, catalog),
        )

    @property
    def seq(self) -> int:
        """See `RetrieverSet`."""
        return min(self._text.seq, self._dense.seq)

    def refresh(self) -> None:
        """See `RetrieverSet`."""
        self._text.refresh()
        self._dense.refresh()
        self._rephrase.refresh()

    def close(self) -> None:
        """See `RetrieverSet`."""
        self._text.close()


class ClusterRetrievers:
    """The retrievers over a cluster's indexes, and over this machine's copy of the memory.

    Raises:
        Unavailable: there is no index yet, or none of this encoder; the message says how to make one.
    """

    def __init__(
        self, cluster: Cluster, storage: Storage, catalog: Catalog, encoder: Encoder, understanding: Understanding
    ) -> None:
        self._cluster = cluster
        self._schemas = (TEXT, vector_schema(encoder.fingerprint, encoder.dim))
        text, vectors = (cluster.index(schema.part) for schema in self._schemas)
        deadline_s = storage.settings.deadline_ms / 1e3
        first = FirstRound(cluster, text, text_searches(deadline_s=deadline_s), deadline_s=deadline_s)
        self._rephrase = RephraseRetriever(storage.memory, encoder, catalog)
        self.retrievers: Mapping[str, Retriever] = _named(
            *_learned(storage.memory, catalog, self._rephrase),
            CorrectedRetriever(OpenSearchLexical(first, catalog), typed=False),
            StructuredRetriever(understanding, catalog),
            CorrectedRetriever(OpenSearchTrigram(first, catalog, TrigramSettings()), typed=True),
            OpenSearchDense(cluster, vectors, encoder, catalog, deadline_s=deadline_s),
        )
        self._seq = self._served()

    @property
    def seq(self) -> int:
        """See `RetrieverSet`."""
        return self._seq

    def refresh(self) -> None:
        """See `RetrieverSet`."""
        self._rephrase.refresh()
        self._seq = self._served()

    def close(self) -> None:
        """Nothing was opened for them."""

    def _served(self) -> int:
        return min(serving(self._cluster, schema)[1] for schema in self._schemas)


def open_retrievers(storage: Storage, catalog: Catalog, encoder: Encoder, understanding: Understanding) -> RetrieverSet:
    """The retrievers that belong to a storage's backend."""
    if storage.cluster is None:
        return EmbeddedRetrievers(storage, catalog, encoder, understanding)
    return ClusterRetrievers(storage.cluster, storage, catalog, encoder, understanding)


def _learned(memory: Memory, catalog: Catalog, rephrase: RephraseRetriever) -> tuple[Retriever, ...]:
    """The arms that read nothing but this machine's memory and columns."""
    return (
        MemoryRetriever(memory, catalog),
        AlikeRetriever(memory, catalog),
        PersonalRetriever(memory, catalog),
        FreshRetriever(memory, catalog),
        rephrase,
    )


def _named(*retrievers: Retriever) -> dict[str, Retriever]:
    return {retriever.name: retriever for retriever in retrievers}
