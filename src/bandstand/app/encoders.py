"""The encoders of a home: the one that the settings name, and those of vectors that were made before."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from bandstand.backend import Paths
from bandstand.errors import MissingDependency, ModelError
from bandstand.retrievers.encoder import Encoder, OnnxEncoder
from bandstand.retrievers.encoder_registry import delete_others, encoder_recipe, reopen
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.token_table import TokenTable
from bandstand.settings import Settings
from bandstand.types import Progress


def prepare_encoder(settings: Settings, *, progress: Progress | None = None) -> Encoder:
    """Make the encoder that the settings name where it is missing in the home (MiniLM: some ten seconds); open it.

    Raises:
        BadInput, MissingDependency, Unavailable, ModelError, StorageError: see `export_encoder`.
    """
    recipe = encoder_recipe(settings.encoder)
    if (found := recipe.find(settings.home)) is not None:
        return found
    if progress is not None:
        progress("encoder", 0, 1)
    made = recipe.make(settings.home)
    if progress is not None:
        progress("encoder", 1, 1)
    return made


class Encoders:
    """The encoders of a home, each opened once in a process and shared by its two sides. Safe for threads.

    ``given`` is used in place of the one that the settings name.
    """

    def __init__(self, settings: Settings, given: Encoder | None = None) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._wanted = given
        self._opened: dict[str, Encoder] = {} if given is None else {given.fingerprint: given}
        self._table = Paths(settings.home).token_table
        self._table_stamp: tuple[int, int] | None = None
        self._static: StaticEncoder | None = None

    def wanted(self, *, progress: Progress | None = None) -> Encoder:
        """The encoder that new vectors are made with; made where it is missing, see `prepare_encoder`."""
        with self._making:
            if self._wanted is None:
                made = prepare_encoder(self._settings, progress=progress)
                with self._lock:  # not held meanwhile: searches go on with another one
                    self._wanted = self._opened.setdefault(made.fingerprint, made)
            return self._wanted

    def ready(self, fingerprint: str) -> None:
        """Have the encoder of the vectors that serve; where there are none, or it is gone, the wanted one."""
        try:
            self.of(fingerprint)
        except ModelError:
            self.wanted()

    def for_queries(self, fingerprint: str) -> Encoder:
        """What reads queries to be compared with certain vectors, see `EncoderOf`.

        That is the table of token vectors that was distilled for them, where there is one; else the encoder itself.
        """
        static = self._static
        return static if static is not None and static.fingerprint == fingerprint else self.of(fingerprint)

    def refresh(self) -> None:
        """Take up the table of token vectors where another one was written; of one that cannot be used, say so once."""
        stamp = _stamp(self._table) if self._settings.query_encoder == "static" else None
        if stamp == self._table_stamp:
            return
        self._table_stamp = stamp
        try:
            table = TokenTable.read(self._table) if stamp is not None else None
            model = self.of(table.facts.encoder) if table is not None else None
            self._static = StaticEncoder(model, table) if table and isinstance(model, OnnxEncoder) else None
        except (ModelError, MissingDependency) as error:
            self._static = None
            structlog.get_logger("encoder").warning("token_vectors_refused", reason=str(error))

    def drop_others(self, kept: str) -> None:
        """Forget and delete all encoders but the one with this fingerprint."""
        with self._lock:
            self._opened = {name: each for name, each in self._opened.items() if name == kept}
        delete_others(self._settings.home, kept)

    def of(self, fingerprint: str) -> Encoder:
        """The encoder that made certain vectors, see `EncoderOf`.

        Raises:
            ModelError: the home does not hold it; the message says what to do.
        """
        found = self._opened.get(fingerprint)
        if found is not None:
            return found
        with self._lock:
            if fingerprint not in self._opened:
                self._opened[fingerprint] = reopen(fingerprint, self._settings.home)
            return self._opened[fingerprint]


def _stamp(path: Path) -> tuple[int, int] | None:
    """Another one for each file that appeared under a path; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
