"""The files of a home folder, opened once in a process and shared by its searching and its writing side."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from bandstand.catalog.store import CatalogStore, Store
from bandstand.errors import StorageError
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.log import Log
from bandstand.memory_index.environment import Environment
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.registry import ModelRegistry
from bandstand.opensearch.catalog import OpenSearchStore, rebuild
from bandstand.opensearch.connection import Cluster, ClusterSettings
from bandstand.opensearch.log import ClusterLog
from bandstand.opensearch.memory import MemoryJournal, ReplicatedEnvironment
from bandstand.opensearch.models import ClusterModels
from bandstand.retrievers.vector_store import VectorStore
from bandstand.settings import Settings
from bandstand.types import Clock
from bandstand.understanding.synonym_file import SynonymFile


class Paths:
    """Where the parts of a home lie."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.catalog = home / "catalog.sqlite"
        self.text = home / "text"
        self.vectors = home / "vectors.sqlite"
        self.encoder = home / "encoder"
        self.memory = home / "memory"
        self.log = home / "log.sqlite"
        self.models = home / "models"
        self.mirrored = home / "models" / "mirror"
        self.training = home / "training"
        self.lock = home / "learner.lock"
        self.minutes = home / "minutes.sqlite"
        self.estimates = home / "estimates.json"
        self.rejects = home / "rejects.ndjson"
        self.resume = home / "ingest.json"
        self.synonyms = home / "synonyms.txt"

    def create(self) -> None:
        """Make the home folder.

        Raises:
            StorageError: it cannot be made or is not a folder.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise StorageError(
                f"{self.home} cannot be used as a home folder: {cause.strerror}; set BANDSTAND_HOME"
            ) from cause


def memory_settings(settings: Settings) -> MemorySettings:
    """The memory's share of the settings; tastes last three times as long as meanings, trends a quarter."""
    return MemorySettings(
        half_life_days=settings.half_life_days,
        history_half_life_days=3 * settings.half_life_days,
        trend_half_life_days=7 / 30 * settings.half_life_days,
        agree_users=settings.agree_users,
        max_queries=settings.max_queries,
    )


def synonym_file(settings: Settings) -> SynonymFile:
    """The operator's synonyms: those of the home, or the file that the settings name."""
    return SynonymFile(settings.synonyms or Paths(settings.home).synonyms)


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


def renew_catalogue(settings: Settings, *, clock: Clock = time.time) -> None:
    """Copy a cluster's catalogue into an index as this version makes it; nothing to do for a home folder.

    Raises:
        StorageError, Unavailable: see `Cluster`.
    """
    if settings.backend == "opensearch":
        with closing(Cluster(cluster_settings(settings))) as cluster:
            rebuild(cluster, clock=clock)


def _connected(settings: Settings, opened: ExitStack) -> Cluster | None:
    """The connection that the settings ask for."""
    if settings.backend == "embedded":
        return None
    return opened.enter_context(closing(Cluster(cluster_settings(settings))))


class Intake:
    """What accepts feedback: the log, and the connection to the cluster, which need not be there. Safe for threads.

    Where it need not be ``durable``, what was logged survives the end of the process, but no power cut.

    Raises:
        StorageError: the log cannot be opened.
    """

    def __init__(self, settings: Settings, *, clock: Clock = time.time, durable: bool = True) -> None:
        self.clock = clock
        paths = Paths(settings.home)
        paths.create()
        with ExitStack() as opened:
            self.cluster = _connected(settings, opened)
            self.log = opened.enter_context(closing(self._open_log(paths, CommitSettings(durable=durable))))
            self._opened = opened.pop_all()

    def _open_log(self, paths: Paths, settings: CommitSettings) -> Log:
        if self.cluster is None:
            return Log(paths.log, clock=self.clock, settings=settings)
        return ClusterLog(paths.log, self.cluster, clock=self.clock)

    def close(self) -> None:
        """Write what is queued and close the log and the connection.

        Raises:
            StorageError: something could not be written.
        """
        self._opened.close()


class Storage:
    """Catalogue, log, memory, vectors and models of a home; created where they are missing. Safe for threads.

    ``cluster`` is the connection to OpenSearch, None where everything is in the home folder. Where it need not be
    ``durable``, what is learned and logged survives the end of the process, but no power cut. An ``intake`` that is
    open already is used, and left to be closed by who opened it.

    Raises:
        StorageError: a file cannot be opened.
        Unavailable: the cluster cannot be reached.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock = time.time, durable: bool = True, intake: Intake | None = None
    ) -> None:
        self.settings = settings
        self._durable = durable
        self.clock = clock
        self.paths = Paths(settings.home)
        self._opening = threading.Lock()
        self._vectors: VectorStore | None = None
        with ExitStack() as opened:  # closes what is open already when a later file cannot be opened
            intake = intake or opened.enter_context(closing(Intake(settings, clock=clock, durable=durable)))
            self.cluster, self.log = intake.cluster, intake.log
            self.store: Store = opened.enter_context(closing(self._open_store()))
            self.memory = opened.enter_context(closing(self._open_memory()))
            self.models = self._open_models()
            self._opened = opened.pop_all()

    @property
    def vectors(self) -> VectorStore:
        """The vectors of the home's own index, opened when first asked for: a cluster has its own."""
        with self._opening:
            if self._vectors is None:
                self._vectors = self._opened.enter_context(closing(VectorStore(self.paths.vectors)))
            return self._vectors

    def _open_store(self) -> Store:
        if self.cluster is None:
            return CatalogStore(self.paths.catalog, clock=self.clock)
        return OpenSearchStore(self.cluster, clock=self.clock)

    def _open_memory(self) -> Memory:
        settings = memory_settings(self.settings)
        if self.cluster is None:
            open_env = partial(Environment, durable=self._durable)
            return Memory(self.paths.memory, settings=settings, open_env=open_env)
        journal = MemoryJournal(self.cluster, clock=self.clock)
        return Memory(self.paths.memory, settings=settings, open_env=partial(ReplicatedEnvironment, journal=journal))

    def _open_models(self) -> ModelRegistry:
        if self.cluster is None:
            return ModelRegistry(self.paths.models, self.clock)
        return ClusterModels(self.paths.mirrored, self.clock, self.cluster)

    def close(self) -> None:
        """Write what is queued and close every file, also when one of them fails to.

        Raises:
            StorageError: something could not be written.
        """
        self._opened.close()
