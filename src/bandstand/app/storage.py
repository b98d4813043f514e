"""The parts of a home, opened once in a process and shared by its searching and its learning side."""

from __future__ import annotations

from contextlib import ExitStack, closing

from bandstand.app.encoders import Encoders
from bandstand.backend import Backend, Paths
from bandstand.memory_index.settings import MemorySettings
from bandstand.retrievers.encoder import Encoder
from bandstand.settings import Settings
from bandstand.steady_time import STEADY
from bandstand.types import Clock
from bandstand.understanding.synonym_file import SynonymFile


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


def open_backend(settings: Settings, *, clock: Clock = STEADY, durable: bool = True) -> Backend:
    """The backend that the settings name; nothing is reached yet.

    Where it need not be ``durable``, what is learned and logged in a home folder survives the end of the process, but
    no power cut.
    """
    if settings.backend == "opensearch":
        from bandstand.opensearch.backend import OpenSearchBackend

        return OpenSearchBackend(settings, clock=clock)
    from bandstand.app.embedded import EmbeddedBackend

    return EmbeddedBackend(settings, clock=clock, durable=durable)


class Intake:
    """What accepts feedback: the log, and the backend, which need not be reachable. Safe for threads.

    Raises:
        StorageError: the log cannot be opened.
    """

    def __init__(self, settings: Settings, *, clock: Clock = STEADY, durable: bool = True) -> None:
        self.clock = clock
        Paths(settings.home).create()
        with ExitStack() as opened:
            self.backend = opened.enter_context(closing(open_backend(settings, clock=clock, durable=durable)))
            self.log = opened.enter_context(closing(self.backend.open_log()))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Write what is queued and close the log and the backend.

        Raises:
            StorageError: something could not be written.
        """
        self._opened.close()


class Storage:
    """The backend of a home and its parts, created where they are missing, and its encoders. Safe for threads.

    For ``durable`` see `open_backend`. An ``intake`` that is open already is used, and left to be closed by who opened
    it. An ``encoder`` takes the place of the one that the settings name.

    Raises:
        StorageError: a part cannot be opened.
        Unavailable: the cluster cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = STEADY,
        durable: bool = True,
        intake: Intake | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.paths = Paths(settings.home)
        self.encoders = Encoders(settings, encoder)
        with ExitStack() as opened:  # closes what is open already when a later part cannot be opened
            intake = intake or opened.enter_context(closing(Intake(settings, clock=clock, durable=durable)))
            self.backend, self.log = intake.backend, intake.log
            self.store = opened.enter_context(closing(self.backend.open_store()))
            self.memory = opened.enter_context(closing(self.backend.open_memory(memory_settings(settings), self.store)))
            self.models = self.backend.open_models()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Write what is queued and close every part, also when one of them fails to.

        Raises:
            StorageError: something could not be written.
        """
        self._opened.close()
