"""What a platform is kept in: the seam between a home folder and a cluster, and where the parts of a home lie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bandstand.access.keys import KeyStore
from bandstand.catalog.columns import Catalog
from bandstand.catalog.store import Store
from bandstand.errors import StorageError, Unavailable
from bandstand.feedback.log import Log
from bandstand.learner.indexer import Follower
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.registry import ModelRegistry
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder import Encoder, EncoderOf
from bandstand.types import History, Place, Progress

Work = Callable[[threading.Event], None]
"""Indexing and learning, until the event is set."""


class Paths:
    """Where the parts of a home lie."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.catalog = home / "catalog.sqlite"
        self.text = home / "text"
        self.memory = home / "memory"
        self.log = home / "log.sqlite"
        self.models = home / "models"
        self.mirrored = home / "models" / "mirror"
        self.training = home / "training"
        self.lock = home / "learner.lock"
        self.threads = home / "threads.json"
        self.minutes = home / "minutes.sqlite"
        self.estimates = home / "estimates.json"
        self.token_table = home / "tokens.table"
        self.rejects = home / "rejects.ndjson"
        self.resume = home / "ingest.json"
        self.imported = home / "import.json"
        self.sources = home / "sources.sqlite"
        self.shown = home / "shown.sqlite"
        self.synonyms = home / "synonyms.txt"
        self.keys = home / "keys.json"

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


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``says`` is the remedy where it is not ``ok``."""

    what: str
    ok: bool
    says: str


def refuse_others(history: History, places: Mapping[str, Place]) -> None:
    """Raise where an index or the memory stands at a place of another catalogue, or of what was taken back of this."""
    for what, place in places.items():
        if not history.holds(place):
            raise Unavailable(
                f"the {what} belongs to another catalogue, or this one was set back to a backup: run `bandstand index`"
                " or start the server, which make it anew"
            )


class IndexReader(Protocol):
    """The retrievers over a backend's text and vector indexes. `refresh` is for one thread, the rest for any number."""

    @property
    def lexical(self) -> Retriever:
        """BM25 over words."""
        ...

    @property
    def trigram(self) -> Retriever:
        """Names that are spelt alike."""
        ...

    @property
    def dense(self) -> Retriever:
        """Nearest vectors."""
        ...

    @property
    def seq(self) -> int:
        """The catalogue change up to which every index finds entities."""
        ...

    def refresh(self) -> None:
        """Take in what was indexed since."""
        ...

    def close(self) -> None:
        """Close what was opened for them."""
        ...


class IndexWriter(Protocol):
    """Keeps a backend's text and vector indexes up with the catalogue; for one process at a time."""

    def followers(self, encoder: Encoder) -> tuple[Follower, Follower]:
        """Texts and vectors as followers of the catalogue.

        Vectors of another encoder serve until this one's are complete.
        """
        ...

    @property
    def query_encoder(self) -> str:
        """The fingerprint of the encoder for queries that searches are to find again; "" while there is none."""
        ...

    def distil(self, *, seed: int, progress: Progress | None = None) -> bool:
        """Make the table of token vectors anew where it no longer suits the vectors that serve; whether it was."""
        ...

    def reset(self) -> None:
        """Let the next followers build everything anew."""
        ...

    def close(self) -> None:
        """Let another writer in; safe to call twice."""
        ...


class Backend(Protocol):
    """Opens the parts of a platform where they are kept: in a home folder, or in a cluster.

    Who opens a part closes it, and the backend after all of its parts. A backend itself is made without reaching
    anything, so that `open_log`, `open_keys` and `examine` work while a cluster is away. Safe for threads.

    Raises:
        StorageError: from what opens a part, when it cannot be opened, read or written.
        Unavailable: likewise, while a cluster cannot be reached.
    """

    @property
    def remote(self) -> bool:
        """Whether entities are read over a network, so that it pays to hold those that changes bring."""
        ...

    def open_log(self) -> Log:
        """The log of searches and events, which accepts both also while a cluster is away."""
        ...

    def open_keys(self) -> KeyStore:
        """The keys of those who may ask over HTTP."""
        ...

    def open_store(self) -> Store:
        """The catalogue."""
        ...

    def open_memory(self, settings: MemorySettings, store: Store) -> Memory:
        """What queries led to, by the ordinals of a catalogue."""
        ...

    def open_models(self) -> ModelRegistry:
        """The published models."""
        ...

    def encoder(self) -> str:
        """The fingerprint of the encoder whose vectors serve; "" while there are none."""
        ...

    def open_reader(self, catalog: Catalog, encoder_of: EncoderOf) -> IndexReader:
        """The indexes for searching; ``encoder_of`` opens the encoder of the vectors that serve, whichever that is.

        Raises:
            Unavailable: there is no index yet; the message says how to make one.
        """
        ...

    def open_writer(self, store: Store, encoder_of: EncoderOf) -> IndexWriter:
        """The indexes for writing.

        Raises:
            Conflict: another process writes to them.
        """
        ...

    def leading(self) -> AbstractContextManager[None]:
        """Being, while the block runs, the one machine that indexes and learns.

        Raises:
            Conflict: another machine is.
        """
        ...

    def lead(self, work: Work, stop: threading.Event) -> None:
        """Run ``work`` whenever this machine is the one that indexes and learns, until ``stop``.

        Raises:
            BandstandError: whatever ``work`` raises; another machine may take over then.
        """
        ...

    def rebuild_catalogue(self) -> None:
        """Copy the catalogue into an index as this version makes it; nothing to do where it is a file."""
        ...

    def examine(self) -> Iterable[Finding]:
        """What a cluster lacks to be used; nothing to look at where everything is in the home folder."""
        ...

    def close(self) -> None:
        """Close what the parts share."""
        ...
