"""The files of a home folder, opened once in a process and shared by its searching and its writing side."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path

from bandstand.catalog.store import CatalogStore
from bandstand.errors import StorageError
from bandstand.feedback.log import Log
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models import ModelRegistry
from bandstand.retrievers.encoder import Encoder, OnnxEncoder
from bandstand.retrievers.encoder_hashing import HashingEncoder
from bandstand.retrievers.vectors import VectorStore
from bandstand.settings import Settings
from bandstand.types import Clock


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
        self.lock = home / "learner.lock"
        self.rejects = home / "rejects.ndjson"
        self.resume = home / "ingest.json"

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
    """The memory's share of the settings."""
    return MemorySettings(
        half_life_days=settings.half_life_days,
        agree_users=settings.agree_users,
        max_queries=settings.max_queries,
    )


def open_encoder(settings: Settings, paths: Paths) -> Encoder:
    """The encoder that the settings name, exported before by `bandstand index`.

    Raises:
        ModelError: it was not exported yet, or is damaged.
    """
    return HashingEncoder() if settings.encoder == "hashing" else OnnxEncoder(paths.encoder)


class Storage:
    """Catalogue, log, memory, vectors and models of a home; created where they are missing. Safe for threads.

    Raises:
        StorageError: a file cannot be opened.
    """

    def __init__(self, settings: Settings, *, clock: Clock = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.paths = paths = Paths(settings.home)
        paths.create()
        with ExitStack() as opened:  # closes what is open already when a later file cannot be opened
            self.store = opened.enter_context(closing(CatalogStore(paths.catalog, clock=clock)))
            self.memory = opened.enter_context(closing(Memory(paths.memory, settings=memory_settings(settings))))
            self.vectors = opened.enter_context(closing(VectorStore(paths.vectors)))
            self.log = opened.enter_context(closing(Log(paths.log, clock=clock)))
            self.models = ModelRegistry(paths.models, clock)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Write what is queued and close every file, also when one of them fails to.

        Raises:
            StorageError: something could not be written.
        """
        self._opened.close()
