"""What one process runs: keys, log, the home (loaded in the background), its refresher, the learner if it has one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from bandstand.access.keyring import Keyring
from bandstand.api.readiness import Readiness
from bandstand.app.health import Backlog, Learned, Vigil, learned, told_threads
from bandstand.app.learning import LearningSide
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Intake, open_backend
from bandstand.backend import Paths
from bandstand.errors import BandstandError, TooMany, Unavailable
from bandstand.settings import Settings
from bandstand.subsonic.trail import Trail
from bandstand.supervision import Fares, Supervised

T = TypeVar("T")

_RETRY_S = 0.5
_LONGEST_PAUSE_S = 2.0
"""Until it is tried again to load the home, or to learn, however often that has failed."""

_KEYS_S = 0.5
"""How often keys are looked for: what was revoked opens nothing any more after that."""

FEW = 10
"""Events of one body that are taken however far learning is behind: what one visitor does meanwhile."""

_CAUGHT_UP_S = 10.0
_LOADING = "still loading the catalogue and its indexes"
_END_S = 3.0
"""How long threads may take to end: what they have not written by then is done again."""


class Service:
    """Opens the home without blocking the server: until it is there, every use of it raises `Unavailable`.

    The log opens first and by itself: events are accepted also while the catalogue loads or the cluster is away.
    Searches run on a pool of their own with a bounded queue; what does not fit is refused at once rather than
    kept waiting. ``learn`` says whether this process also indexes and learns, or another one does. Once ``ending`` is
    set, nobody is kept waiting for what others do: requests are to be answered before the process ends.
    """

    def __init__(self, settings: Settings, *, learn: bool, readiness: Readiness | None = None) -> None:
        self.settings = settings
        self._learn = learn
        self._readiness = readiness
        self._platform = Platform(settings)
        self._keeping = open_backend(settings)
        self.keystore = self._keeping.open_keys()
        self.keys = Keyring(admin_key=settings.admin_key, local=settings.local or settings.insecure, clock=time.time)
        with suppress(Unavailable):
            self.keys.follow(self.keystore.recall)
        self._intake: Intake | None = None
        self._trail: Trail | None = None
        self._home: SearchingSide | None = None
        self._loaded = threading.Event()
        self._prepared = threading.Event()
        self._leading = False
        self.ending = threading.Event()
        self._stop = threading.Event()
        self._threads: list[Supervised] = []
        self._vigil = Vigil(settings.learn_within_seconds)
        self._backlog = Backlog(settings.bulk_within_seconds)
        self._searches = ThreadPoolExecutor(max_workers=settings.threads, thread_name_prefix="search")
        self._waiting = 0

    @property
    def home(self) -> SearchingSide:
        """The opened home.

        Raises:
            Unavailable: it is still loading, or could not be loaded yet; says why.
        """
        if self._home is None:
            raise Unavailable(self._why(), retry_after=2)
        return self._home

    @property
    def ready(self) -> SearchingSide:
        """The opened home, once every worker of the server has opened its own and there is something to be found.

        Raises:
            Unavailable: this worker or another one is still loading, or nothing can be found; says why.
            StorageError: the catalogue cannot be read.
        """
        if self._readiness is not None and not self._readiness.complete():
            raise Unavailable(self._why() if self._home is None else "another worker is still loading", retry_after=2)
        home = self.home
        if not home.store.count():
            raise Unavailable("the catalogue is empty: run `bandstand ingest`, or PUT entities", retry_after=2)
        if not home.searchable:
            raise Unavailable("the indexes are still being made of the catalogue", retry_after=2)
        return home

    def threads(self) -> list[Fares]:
        """How the threads of this process fare, and those that learn for the home."""
        return [*(thread.fares for thread in self._threads), *told_threads(Paths(self.settings.home).threads)]

    def learned_so_far(self) -> Learned:
        """How far learning has come.

        Raises:
            Unavailable: it stands still for too long, or the home is still loading; says what to do.
            StorageError: log or memory cannot be read.
        """
        home = self.home
        state, now = learned(home.log, home.memory, home.models, home.clock()), home.clock()
        if complaint := self._vigil.complaint(state, self.threads(), now):
            raise Unavailable(complaint, retry_after=5)
        return state

    def check_bulk(self, events: int) -> None:
        """Let pass a few events, and any number while learning keeps up, or nobody can say whether it does.

        Raises:
            TooMany: send them later, or a few at a time.
        """
        late_s, home = 0.0, self._home
        if events > FEW and home is not None:
            with suppress(BandstandError):
                late_s = self._backlog.late_s(home.log, home.memory, home.clock())
        if late_s:
            raise TooMany(
                f"learning is {late_s:.0f} s behind: send these again later, or up to {FEW} at a time"
                f" (BANDSTAND_BULK_WITHIN_SECONDS is {self.settings.bulk_within_seconds:g})",
                retry_after=_CAUGHT_UP_S,
            )

    @property
    def intake(self) -> Intake:
        """What accepts events, with or without a home.

        Raises:
            Unavailable: the log is not open yet; says why.
        """
        if self._intake is None:
            raise Unavailable(self._why(), retry_after=2)
        return self._intake

    @property
    def trail(self) -> Trail:
        """What the accounts of a Subsonic server were shown, where this server stands before one.

        Raises:
            Unavailable: it is not open yet; says why.
        """
        if self._trail is None:
            raise Unavailable(self._why(), retry_after=2)
        return self._trail

    def forget_shown(self, user_id: str) -> None:
        """Forget what a user was shown, where this server stands before a Subsonic server."""
        if self._trail is not None:
            self._trail.forget(user_id)

    def learned(self, seq: int) -> bool:
        """Whether the memory that is searched here has learned from the log up to ``seq``; not before there is one."""
        return self._home is not None and self._home.log.reached(self._home.memory.position(), seq)

    def start(self) -> None:
        """Begin loading."""
        self._run("keys", self._follow_keys, pause_s=_KEYS_S)
        self._run("loader", self._load)

    def stop(self) -> None:
        """End the threads and close the files; what was accepted is on disk then, also where a thread does not end."""
        self._stop.set()
        until = time.monotonic() + _END_S
        ended = [thread.join(max(until - time.monotonic(), 0.0)) for thread in self._threads]
        self._searches.shutdown(wait=all(ended), cancel_futures=True)
        if all(ended):
            self._platform.close()
            self._keeping.close()
            if self._trail is not None:
                self._trail.close()
        elif self._intake is not None:  # files closed under a thread's feet might end it worse than the process's end
            self._intake.log.flush()

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
            loop, told = asyncio.get_running_loop(), copy_context()  # what is logged there names the request
            return await loop.run_in_executor(self._searches, told.run, work, home)
        finally:
            self._waiting -= 1

    async def until(self, reached: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Wait until something that another thread or process does has happened; False when it takes too long."""
        clock, pause = asyncio.get_running_loop().time, 0.002
        deadline = clock() + seconds
        while not await asyncio.to_thread(reached):
            if clock() >= deadline or self.ending.is_set() or self._stop.is_set():
                return False
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, 0.05)
        return True

    def _load(self) -> None:
        """Open what is not open yet: a failure is tried again from where it happened."""
        platform = self._platform
        self._intake = platform.intake
        if self.settings.subsonic is not None and self._trail is None:
            self._trail = Trail(Paths(self.settings.home).shown)
        self.keys.follow(self.keystore.read)
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
        self._run("refresher", self._refresh, pause_s=self.settings.refresh_ms / 1e3)
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

    def _follow_keys(self) -> bool:
        self.keys.follow(self.keystore.read)
        return False

    def _refresh(self) -> bool:
        self.home.refresh()
        return False

    def _why(self) -> str:
        """Why there is no home yet."""
        failing = [thread.fares for thread in self._threads if thread.fares.failing_since is not None]
        return failing[0].reason if failing else _LOADING

    def _run(self, name: str, work: Callable[[], bool | None], *, pause_s: float = 0.0) -> None:
        """Do the work in a thread; as long as it fails and nobody stops the service, do it again."""
        thread = Supervised(name, work, self._stop, pause_s=pause_s, longest_pause_s=_LONGEST_PAUSE_S)
        self._threads.append(thread)
        thread.start()
