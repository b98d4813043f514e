"""The backend of several machines: everything in OpenSearch, and on each machine copies of what searches read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from bandstand.access.key_file import KeyFile
from bandstand.access.keys import KeyStore
from bandstand.backend import Finding, Paths, Work, refuse_others
from bandstand.catalog.columns import Catalog
from bandstand.catalog.store import Store
from bandstand.feedback.log import Log
from bandstand.learner.indexer import Follower
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import ModelRegistry
from bandstand.opensearch.catalog import OpenSearchStore, rebuild
from bandstand.opensearch.connection import Cluster, ClusterSettings
from bandstand.opensearch.first_round import FirstRound
from bandstand.opensearch.health import examine
from bandstand.opensearch.indices import described, live_index, serving
from bandstand.opensearch.keys import ClusterKeys
from bandstand.opensearch.lease import LEARNER, Lease, lead, leading, new_holder
from bandstand.opensearch.log import OpenSearchLog
from bandstand.opensearch.memory import MemoryJournal, replicated
from bandstand.opensearch.models import MirroredRegistry
from bandstand.opensearch.retrievers import OpenSearchDense, OpenSearchLexical, OpenSearchTrigram, text_searches
from bandstand.opensearch.text_index import TEXT, TextFollower
from bandstand.opensearch.vector_index import VECTORS, LiveVectors, VectorFollower
from bandstand.retrievers.encoder import Encoder, EncoderOf
from bandstand.retrievers.trigram import TrigramSettings
from bandstand.settings import Settings
from bandstand.types import Clock, Place, Progress


def cluster_settings(settings: Settings) -> ClusterSettings:
    """The connection's share of the settings."""
    return ClusterSettings(
        urls=tuple(url.strip() for url in settings.opensearch_url.split(",") if url.strip()),
        user=settings.opensearch_user,
        password=settings.opensearch_password,
        ca_file=settings.opensearch_ca,
        aws_region=settings.opensearch_aws_region,
        aws_service=settings.opensearch_aws_service,
        prefix=settings.opensearch_prefix,
        shards=settings.opensearch_shards,
    )


class OpenSearchBackend:
    """See `bandstand.backend.Backend`; ``cluster`` is the connection, which all parts share."""

    remote = True

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._settings = settings
        self._paths = Paths(settings.home)
        self._clock = clock
        self.cluster = Cluster(cluster_settings(settings))

    def open_log(self) -> Log:
        """See `Backend`."""
        return OpenSearchLog(self._paths.log, self.cluster, clock=self._clock)

    def open_keys(self) -> KeyStore:
        """See `Backend`."""
        return ClusterKeys(self.cluster, KeyFile(self._paths.keys))

    def open_store(self) -> Store:
        """See `Backend`."""
        return OpenSearchStore(self.cluster, clock=self._clock)

    def open_memory(self, settings: MemorySettings, store: Store) -> Memory:
        """See `Backend`."""
        return Memory(
            self._paths.memory,
            settings=settings,
            open_env=replicated(MemoryJournal(self.cluster, clock=self._clock)),
            ordinals=lambda: store.ordinal_history().place,
        )

    def open_models(self) -> ModelRegistry:
        """See `Backend`."""
        return MirroredRegistry(FolderRegistry(self._paths.mirrored, self._clock), self.cluster, clock=self._clock)

    def encoder(self) -> str:
        """See `Backend`."""
        live = live_index(self.cluster, self.cluster.index(VECTORS))
        return "" if live is None else str(described(self.cluster, live).get("encoder", ""))

    def open_reader(self, catalog: Catalog, encoder_of: EncoderOf) -> OpenSearchReader:
        """See `Backend`."""
        return OpenSearchReader(self.cluster, catalog, encoder_of, deadline_s=self._settings.deadline_ms / 1e3)

    def open_writer(self, store: Store, encoder_of: EncoderOf) -> OpenSearchWriter:  # noqa: ARG002 - nobody follows what serves
        """See `Backend`."""
        return OpenSearchWriter(self.cluster, store, serving=self.encoder)

    def leading(self) -> AbstractContextManager[None]:
        """See `Backend`."""
        return leading(self._lease())

    def lead(self, work: Work, stop: threading.Event) -> None:
        """See `Backend`."""
        lead(self._lease(), work, stop)

    def rebuild_catalogue(self) -> None:
        """See `Backend`."""
        rebuild(self.cluster, clock=self._clock)

    def examine(self) -> Iterator[Finding]:
        """See `Backend`."""
        return examine(self.cluster)

    def close(self) -> None:
        """See `Backend`."""
        self.cluster.close()

    def _lease(self) -> Lease:
        return Lease(self.cluster, LEARNER, holder=new_holder(), lasts_s=self._settings.lease_seconds)


class OpenSearchReader:
    """See `bandstand.backend.IndexReader`: lexical and trigram share the first round trip of a query."""

    def __init__(self, cluster: Cluster, catalog: Catalog, encoder_of: EncoderOf, *, deadline_s: float) -> None:
        self._cluster = cluster
        self._live = LiveVectors(cluster)
        first = FirstRound(
            cluster, cluster.index(TEXT.part), text_searches(deadline_s=deadline_s), deadline_s=deadline_s
        )
        self.lexical = OpenSearchLexical(first, catalog)
        self.trigram = OpenSearchTrigram(first, catalog, TrigramSettings())
        self.dense = OpenSearchDense(cluster, self._live, encoder_of, catalog, deadline_s=deadline_s)
        places = self._served()
        refuse_others(catalog.store.history(), places)
        self._seq = min(places.values()).number

    @property
    def seq(self) -> int:
        """See `IndexReader`."""
        return self._seq

    def refresh(self) -> None:
        """See `IndexReader`."""
        self._seq = min(self._served().values()).number

    def close(self) -> None:
        """Nothing was opened for them."""

    def _served(self) -> dict[str, Place]:
        text = serving(self._cluster, TEXT.part, TEXT.format)
        return {"text index": text.place, "vectors": self._live.refresh().place}


class OpenSearchWriter:
    """See `bandstand.backend.IndexWriter`; an index that is built anew serves once it is complete."""

    def __init__(self, cluster: Cluster, store: Store, *, serving: Callable[[], str]) -> None:
        self._cluster = cluster
        self._store = store
        self._serving = serving
        self._anew = False
        self._query_encoder = ""

    @property
    def query_encoder(self) -> str:
        """See `IndexWriter`: the new one at once, as every machine makes it; until it is known, the one that serves."""
        self._query_encoder = self._query_encoder or self._serving()
        return self._query_encoder

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """See `IndexWriter`."""
        self._query_encoder = encoder.fingerprint
        text = TextFollower(self._cluster, head=self._store.head)
        vectors = VectorFollower(self._cluster, encoder, head=self._store.head)
        history, anew, self._anew = self._store.history(), self._anew, False
        for follower in (text, vectors):
            if anew or not history.holds(follower.place):
                follower.rebuild()
        return text, vectors

    def distil(self, *, seed: int, progress: Progress | None = None) -> bool:  # noqa: ARG002 - as the protocol has it
        """See `IndexWriter`: searches of a cluster, which mostly wait for it, have the encoder."""
        return False

    def reset(self) -> None:
        """See `IndexWriter`."""
        self._anew = True

    def close(self) -> None:
        """Nothing is held open."""
