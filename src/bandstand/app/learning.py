"""The learning side of a home: indexes, memory and models are made here, by one process at a time."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO

from bandstand.app.health import tell_threads
from bandstand.app.options import Options
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Storage
from bandstand.app.training import TrainingPlan, new_models, prediction_of, weights_of
from bandstand.backend import Paths
from bandstand.bandit.reward import Scorer as ScoreCall
from bandstand.errors import BandstandError, Conflict, ModelError, NotFound, StorageError
from bandstand.feedback.attribution import Attribution
from bandstand.learner.apply_settings import ApplySettings
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.learner.follow import Learner, LearnerSettings
from bandstand.learner.indexer import Indexer
from bandstand.learner.orders import is_paused
from bandstand.learner.retention import Retention
from bandstand.learner.standing import settle
from bandstand.learner.train_ranker import TrainingReport
from bandstand.memory_index.predicted import PredictedQueries
from bandstand.ranker.scorers import LambdaMartScorer, PlainScorer
from bandstand.retrievers.encoder import Encoder
from bandstand.supervision import Stopped, Supervised
from bandstand.types import Progress
from bandstand.types.times import HOUR_S


def stopper(stop: threading.Event) -> Progress:
    """Progress that nobody reads, but that ends the work when it is to stop."""

    def progress(job: str, done: int, of: int) -> None:  # noqa: ARG001 - as progress is told
        if stop.is_set():
            raise Stopped

    return progress


_POLL_S = 0.05
_DISTIL_S = 60.0
"""Between two looks at whether the token vectors are out of date."""
_LEARN_S = 0.2
"""How often the learner looks for something to learn: the fewer transactions, the less of each click goes into them."""


class LearningSide:
    """The writing side of a home, which holds its lock. Safe for threads.

    Indexing, learning and training go on side by side; two threads that want the same take turns.

    Raises:
        Conflict: another process writes to this home.
    """

    def __init__(self, storage: Storage, options: Options = Options()) -> None:
        self.settings = storage.settings
        self.paths = storage.paths
        self._storage = storage
        self._features = options.feature_set
        self._preparing, self._indexing, self._training = threading.RLock(), threading.Lock(), threading.Lock()
        self._opening, self._distilling = threading.Lock(), threading.Lock()
        self._lock = _locked(self.paths)
        try:
            settle(storage.log, storage.memory, storage.store, storage.clock)
            self._indexes = storage.backend.open_writer(storage.store, storage.encoders.of)
        except BandstandError:
            self._lock.close()
            raise
        self._indexer: Indexer | None = None
        self._learner: Learner | None = None
        self._scorers: dict[str, ScoreCall] = {}

    def prepare(self, *, progress: Progress | None = None) -> None:
        """Make ready to index, indexes made where there are none; done again, it changes nothing.

        The encoder is made when it is missing (once; MiniLM takes some ten seconds).
        """
        with self._preparing:
            if self._indexer is None:
                self._indexer = self._new_indexer(self._storage.encoders.wanted(progress=progress))

    def reset(self) -> None:
        """Let the next `index` build texts and vectors anew from the catalogue."""
        with self._indexing:
            self._indexes.reset()
            self._indexer = None

    @property
    def indexer(self) -> Indexer:
        """Brings the indexes up to date."""
        with self._preparing:
            self.prepare()
            assert self._indexer is not None
            return self._indexer

    @property
    def learner(self) -> Learner:
        """Follows the log."""
        with self._opening:
            if self._learner is None:
                self._learner = self._new_learner()
            return self._learner

    def index(self, *, progress: Progress | None = None) -> int:
        """Bring every index to the catalogue's newest state; returns how many changes were applied."""
        with self._indexing:
            changes = self.indexer.step(progress=progress)
            if changes:
                self._drop_encoders()
            return changes

    def distil(self, *, progress: Progress | None = None) -> bool:
        """Distil token vectors from the encoder where the settings want them and those there are out of date.

        That takes less than a minute of one core, however large the catalogue; searches and indexing go on meanwhile.
        Returns whether it was done.
        """
        if self.settings.query_encoder != "static":
            return False
        with self._distilling:
            return self._indexes.distil(seed=self.settings.seed, progress=progress)

    def train(
        self, searching: SearchingSide, *, plan: TrainingPlan = TrainingPlan(), progress: Progress | None = None
    ) -> TrainingReport:
        """Train the ranker on self-play and on the log; before any click the bandit learns from self-play too.

        Raises:
            BadInput: there is nothing to train on yet.
        """
        with self._training:
            report, examples = new_models(self._storage, searching, plan, progress=progress)
            if self._storage.models.current("bandit") is None:
                self.learner.teach((example.impression, example.feedback()) for example in examples)
                searching.refresh()
            return report

    def run(self, searching: SearchingSide, stop: threading.Event) -> None:
        """Index, learn and train until ``stop``: what `serve` runs beside its searches.

        Each in a thread of its own: encoding new entities takes seconds and training minutes, while a click is to be
        learned within one.
        """
        learner, retention = self.learner, self.retention()
        works: tuple[tuple[str, Callable[[], bool], float], ...] = (
            ("indexer", lambda: self.index(progress=stopper(stop)) > 0, _POLL_S),
            ("learner", lambda: learner.step(patient=True) > 0, _LEARN_S),
            ("distiller", lambda: self.distil(progress=stopper(stop)), _DISTIL_S),
            ("trainer", self._retraining(searching, stop), self.settings.retrain_minutes * 60),
            ("retention", lambda: retention.prune() > 0, HOUR_S),
        )
        threads: list[Supervised] = []
        telling = threading.Lock()

        def told() -> None:
            with telling:  # who tells last knows of all
                tell_threads(self.paths.threads, [thread.fares for thread in threads])

        threads += [Supervised(name, work, stop, pause_s=pause, told=told) for name, work, pause in works if pause]
        told()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def retention(self) -> Retention:
        """Prunes the log as the settings want it."""
        storage, settings = self._storage, self.settings
        return Retention(
            storage.log,
            storage.memory,
            clock=storage.clock,
            days=settings.keep_log_days,
            gigabytes=settings.keep_log_gb,
        )

    def close(self) -> None:
        """Give the locks back; the storage is closed by who opened it."""
        self._indexes.close()
        self._lock.close()

    def _retraining(self, searching: SearchingSide, stop: threading.Event) -> Callable[[], bool]:
        """Train when enough was clicked since the last time; by the schedule, never twice at once."""
        log, trained_on = self._storage.log, self._storage.log.head()

        def retrain() -> bool:
            nonlocal trained_on
            if is_paused(self._storage.memory.state):
                return False
            head = log.head()
            if log.count("event", after=trained_on) >= self.settings.retrain_clicks:
                self.train(searching, progress=stopper(stop))
                trained_on = head
            return False

        return retrain

    def _new_indexer(self, encoder: Encoder) -> Indexer:
        storage = self._storage
        text, vectors = self._indexes.followers(encoder)
        predicted = PredictedQueries(storage.memory, partial(prediction_of, storage))
        if not storage.store.history().holds(predicted.place):
            predicted.begin_anew()
        return Indexer(storage.store, (text, predicted, vectors))

    def _drop_encoders(self) -> None:
        """Delete encoders that are not wanted any more, once no vectors of theirs are left, of queries either."""
        storage = self._storage
        wanted = storage.encoders.wanted().fingerprint
        if storage.backend.encoder() == wanted and storage.memory.encoder() in ("", wanted):
            storage.encoders.drop_others(wanted)

    def _new_learner(self) -> Learner:
        settings = self.settings
        bandit = BanditLearner(self._features, scorer_of=self._scorer_of, cost_weight=settings.cost_weight)
        return Learner(
            log=self._storage.log,
            memory=self._storage.memory,
            bandit=bandit,
            models=self._storage.models,
            ordinals=self._storage.store.ordinals,
            entities=self._storage.store.recall,
            settings=LearnerSettings(
                publish_every=settings.publish_every,
                keep_models=settings.keep_models,
                reward_model=settings.reward_model == "learned",
                apply=ApplySettings(
                    agree_users=settings.agree_users,
                    attribution=Attribution(window=settings.join_minutes * 60),
                    finalize_seconds=settings.finalize_seconds,
                    weights=weights_of(settings),
                    relabel=settings.relabel,
                ),
            ),
            encoder=self._query_encoder,
            clock=self._storage.clock,
        )

    def _query_encoder(self) -> Encoder | None:
        """What encodes learned queries; None while its vectors are still to come, or it is gone."""
        with suppress(ModelError):
            return self._storage.encoders.of(self._indexes.query_encoder)
        return None

    def _scorer_of(self, version: str) -> ScoreCall:
        """The ranker that served a page; the plain scorer where that version is gone."""
        if version not in self._scorers:
            try:
                model = self._storage.models.get("ranker", version)
                scorer: ScoreCall = LambdaMartScorer(model, self._features.layout).score
            except (NotFound, ModelError):
                scorer = PlainScorer(self._features).score
            self._scorers = {**dict(list(self._scorers.items())[-3:]), version: scorer}
        return self._scorers[version]


def _locked(paths: Paths) -> IO[str]:
    """Hold the home's lock until the file is closed, also by the end of the process."""
    try:
        paths.home.mkdir(parents=True, exist_ok=True)
        lock = paths.lock.open("a")
    except OSError as cause:
        raise StorageError(
            f"nothing can be learned or indexed, as {paths.lock} cannot be written ({cause.strerror}): make the folder"
            " writable; searches go on"
        ) from cause
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        lock.close()
        raise Conflict(
            f"another process learns and indexes in {paths.home} (bandstand serve?): let it, or stop it first"
        ) from cause
    return lock
