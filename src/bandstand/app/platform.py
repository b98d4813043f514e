"""One way to open a home: storage, searching and learning side, each at its first use, and closed together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Self

from bandstand.app.learning import LearningSide
from bandstand.app.options import Options, with_plugins
from bandstand.app.searching import SearchingSide, Understood
from bandstand.app.storage import Intake, Storage, open_backend
from bandstand.errors import Conflict
from bandstand.settings import Settings


class Platform:
    """A home, opened part by part. Safe for threads; what failed to open is tried again at its next use.

    Opening waits: who must not wait asks from a thread of its own, as `bandstand.api.service` does.
    """

    def __init__(self, settings: Settings, options: Options = Options()) -> None:
        self.settings, self.options = settings, with_plugins(options)
        self._opening = threading.RLock()
        self._opened = ExitStack()
        self._intake: Intake | None = None
        self._storage: Storage | None = None
        self._understood: Understood | None = None
        self._searching: SearchingSide | None = None
        self._learning: LearningSide | None = None
        self._leading = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def intake(self) -> Intake:
        """What accepts feedback: opens without a catalogue, and without a cluster that is away.

        Raises:
            StorageError: the log cannot be opened.
        """
        with self._opening:
            if self._intake is None:
                intake = Intake(self.settings, clock=self.options.clock, durable=self.options.durable)
                self._intake = self._opened.enter_context(closing(intake))
            return self._intake

    @property
    def storage(self) -> Storage:
        """Catalogue, log, memory, vectors and models.

        Raises:
            StorageError: a file cannot be opened.
            Unavailable: the cluster cannot be reached.
        """
        with self._opening:
            if self._storage is None:
                options, intake = self.options, self.intake
                storage = Storage(
                    self.settings,
                    clock=options.clock,
                    durable=options.durable,
                    intake=intake,
                    encoder=options.encoder,
                )
                self._storage = self._opened.enter_context(closing(storage))
            return self._storage

    @property
    def searching(self) -> SearchingSide:
        """What answers searches.

        Raises:
            Unavailable: the home was not indexed yet; the message says how.
            StorageError, ModelError: a part cannot be read.
        """
        with self._opening:
            if self._searching is None:
                self._understood = self._understood or Understood(self.storage)
                self._searching = SearchingSide(self.storage, self.options, self._understood)
                self._understood = None
            return self._searching

    @property
    def learning(self) -> LearningSide:
        """What indexes, learns and trains; held from the first use on, until `close` or `stop_learning`.

        Raises:
            Conflict: another process has it, here or, of a cluster, anywhere.
        """
        with self._opening:
            if self._learning is None:
                with ExitStack() as taken:
                    taken.enter_context(self.storage.backend.leading())
                    self._learning = taken.enter_context(closing(LearningSide(self.storage, self.options)))
                    self._leading = taken.pop_all()
            return self._learning

    def learning_if_free(self) -> LearningSide | None:
        """The same; None where another process has it, such as a running server."""
        try:
            return self.learning
        except Conflict:
            return None

    @property
    def opened_searching(self) -> SearchingSide | None:
        """The searching side, if somebody has asked for it."""
        return self._searching

    def stop_searching(self) -> None:
        """Close the searching side; the next use opens it anew."""
        with self._opening:
            searching, self._searching = self._searching, None
            if searching is not None:
                searching.close()

    def stop_learning(self) -> None:
        """Let another process index and learn."""
        with self._opening:
            self._learning = None
            self._leading.close()

    def lead(self, work: Callable[[LearningSide, threading.Event], None], stop: threading.Event) -> None:
        """Run ``work`` with the learning side until ``stop``; on a cluster, whenever this machine is its learner.

        ``work`` gets an event that is set when it has to end.

        Raises:
            Conflict: another process of this machine has the learning side.
        """

        def led(ends: threading.Event) -> None:
            with closing(LearningSide(self.storage, self.options)) as learning:
                work(learning, ends)

        self.storage.backend.lead(led, stop)

    def rebuild_catalogue(self) -> None:
        """Copy a cluster's catalogue into an index as this version makes it; nothing to do for a home folder.

        It opens nothing of this platform: a catalogue of another version of the program could not be opened.
        """
        self.stop_searching()
        with closing(open_backend(self.settings, clock=self.options.clock)) as backend:
            backend.rebuild_catalogue()

    def prepare_encoder(self) -> None:
        """Have an encoder to search with: that of the vectors that serve; else the one that the settings name.

        This one is made where it is missing (MiniLM: some ten seconds).
        """
        self.storage.encoders.ready(self.storage.backend.encoder())

    def close(self) -> None:
        """Close what was opened, the last first, also when one of the parts fails to; safe to call twice.

        Raises:
            StorageError: something could not be written.
        """
        with self._opening, ExitStack() as ending:
            ending.callback(self._opened.close)
            ending.callback(self.stop_learning)
            ending.callback(self.stop_searching)
            self._intake = self._storage = self._understood = None
