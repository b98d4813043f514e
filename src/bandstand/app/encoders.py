"""The encoders of a home: the one that the settings name, and those of vectors that were made before."""

from __future__ import annotations

import threading

from bandstand.errors import ModelError
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.encoder_registry import delete_others, encoder_recipe, reopen
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
