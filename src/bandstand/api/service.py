"""What one process runs: the log, the home (loaded in the background), its refresher, the learner where it has one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from bandstand.api.readiness import Readiness
from bandstand.app.learning import LearningSide
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Intake
from bandstand.errors import BandstandError, Unavailable
from bandstand.settings import Settings

T = TypeVar("T")

_RETRY_S = 0.5
_JOIN_S = 30.0


class Service:
    """Opens the home without blocking the server: until it is there, every use of it raises `Unavailable`.

    The log opens first and by itself: events are accepted also while the catalogue loads or the cluster is away.
    Searches run on a pool of their own with a bounded queue; what does not fit is refused at once rather than
    kept waiting. ``learn`` says whether this process also indexes and learns, or another one does.
    """

    def __init__(self, settings: Settings, *, learn: bool, readiness: Readiness | None = None) -> None:
        self.settings = settings
        self._learn = learn
        self._readiness = readiness
        self._platform = Platform(settings)
        self._intake: Intake | None = None
        self._home: SearchingSide | None = None
        self._loaded = threading.Event()
        self._prepared = threading.Event()
        self._leading = False
        self._failure = "still loading the catalogue and its indexes"
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._searches = ThreadPoolExecutor(max_workers=settings.threads, thread_name_prefix="search")
        self._waiting = 0

    @property
    def home(self) -> SearchingSide:
        """The opened home.

        Raises:
            Unavailable: it is still loading, or could not be loaded yet; says why.
        """
        if self._home is None:
            raise Unavailable(self._failure, retry_after=2)
        return self._home

    @property
    def ready(self) -> SearchingSide:
        """The opened home, once every worker of the server has opened its own.

        Raises:
            Unavailable: this worker or another one is still loading; says why.
        """
        if self._readiness is not None and not self._readiness.complete():
            raise Unavailable(self._failure if self._home is None else "another worker is still loading", retry_after=2)
        return self.home

    @property
    def intake(self) -> Intake:
        """What accepts events, with or without a home.

        Raises:
            Unavailable: the log is not open yet; says why.
        """
        if self._intake is None:
            raise Unavailable(self._failure, retry_after=2)
        return self._intake

    def learned(self, seq: int) -> bool:
        """Whether the memory that is searched here has learned from the log up to ``seq``; not before there is one."""
        return self._home is not None and self._home.log.reached(self._home.memory.position(), seq)

    def start(self) -> None:
        """Begin loading."""
        self._run("loader", self._load)

    def stop(self) -> None:
        """End the threads and close the files."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=_JOIN_S)
        self._searches.shutdown(wait=True, cancel_futures=True)
        if any(thread.is_alive() for thread in self._threads):
            return  # the process ends without it; files closed under its feet might end it worse
        self._platform.close()

    async def search(self, work: Callable[[SearchingSide], T]) -> T:
        """Run a search off the event loop.

        Raises:
            Unavailable: still loading, or too many searches are waiting already.
        """
        home = self.home
        if self._waiting >= self.settings.threads + self.settings.search_queue:
            raise Unavailable("too many searches at once", retry_after=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._searches, work, home)
        finally:
            self._waiting -= 1

    async def until(self, reached: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Wait until something that another thread or process does has happened; False when it takes too long."""
        clock, pause = asyncio.get_running_loop().time, 0.002
        deadline = clock() + seconds
        while not await asyncio.to_thread(reached):
            if clock() >= deadline or self._stop.is_set():
                return False
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, 0.05)
        return True

    def _load(self) -> None:
        """Open what is not open yet: a failure is tried again from where it happened."""
        platform = self._platform
        self._intake = platform.intake
        platform.prepare_encoder()
        if self._learn:
            if not self._leading:
                self._leading = True
                self._run("leader", lambda: platform.lead(self._learn_beside, self._stop))
            self._prepared.wait(_RETRY_S)  # a first index is made in a moment; on a cluster perhaps by another machine
        home = platform.searching
        home.freeze()
        self._home = home
        self._loaded.set()
        if self._readiness is not None:
            self._readiness.announce()
        self._run("refresher", self._refresh)
        if platform.storage.backend.remote:  # every machine needs the encoder whose vectors one of them is making
            self._run("encoder", self._make_encoder)

    def _learn_beside(self, learning: LearningSide, ends: threading.Event) -> None:
        """Index and learn, until ``ends``."""
        if not self._platform.storage.backend.encoder():
            learning.prepare()  # else searches go on by what there is while another encoder is made
        self._prepared.set()
        while not ends.is_set() and not self._loaded.wait(_RETRY_S):
            pass  # the home opens once the indexes are there, which the lines above have seen to
        if not ends.is_set():
            learning.run(self.home, ends)

    def _make_encoder(self) -> None:
        self._platform.storage.encoders.wanted()

    def _refresh(self) -> None:
        while not self._stop.wait(self.settings.refresh_ms / 1e3):
            self.home.refresh()

    def _run(self, name: str, work: Callable[[], None]) -> None:
        """Do the work in a thread; as long as it fails and nobody stops the service, do it again."""
        thread = threading.Thread(target=self._insist, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _insist(self, name: str, work: Callable[[], None]) -> None:
        log = structlog.get_logger("service")
        reported = ""
        while not self._stop.is_set():
            try:
                work()
            except Exception as error:  # a thread that died silently would serve stale answers for ever
                self._failure = str(error) if isinstance(error, BandstandError) else "loading failed: see the log"
                if str(error) != reported:  # the same failure every half second is one piece of news
                    unexpected = None if isinstance(error, BandstandError) else error
                    log.error("thread_failed", thread=name, reason=str(error), exc_info=unexpected)
                reported = str(error)
                self._stop.wait(_RETRY_S)
            else:
                return
