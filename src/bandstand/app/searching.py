"""The searching side of a home: every part is built from its files and follows what others write there."""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Callable, Mapping

from bandstand.app.encoders import open_encoder
from bandstand.app.retrieval import RetrieverSet
from bandstand.app.serving import ModelFollower
from bandstand.app.storage import Storage, synonym_file
from bandstand.bandit.experiment import Assignment, Split
from bandstand.bandit.selective import SelectiveSettings, parse_thresholds
from bandstand.bandit.vw import BanditSettings
from bandstand.catalog.columns import Catalog
from bandstand.engine.ablation import Ablator, OfferingLog, Records
from bandstand.engine.related import Relater
from bandstand.engine.request import Reader
from bandstand.engine.retrieval import Retrieval
from bandstand.engine.runner import Load, RetrieverRunner, Runner
from bandstand.engine.search import Engine
from bandstand.engine.speculation import Speculation
from bandstand.engine.suggest import DenyList, Suggester
from bandstand.learner.experiment import running_experiment
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder import Encoder
from bandstand.types import Impression
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding


class Understood:
    """Understanding and speller over one catalogue; `refresh` is for one thread, everything else for any number."""

    def __init__(self, storage: Storage, catalog: Catalog) -> None:
        """Read the catalogue's names (about 3 s for 28,000 tracks and their artists)."""
        self._memory = storage.memory
        self.understanding = Understanding(catalog, evidence=storage.memory.senses)
        self.speller = Speller(self.understanding.lexicon)
        self.synonyms = synonym_file(storage.settings)
        self._learned = 0

    def refresh(self) -> None:
        """Take in what is new: in the catalogue, in the operator's synonyms, and among queries that led somewhere."""
        synonyms = self.synonyms.changed()
        if synonyms is not None:
            self.understanding.use(synonyms)
        self.understanding.refresh()
        self._learned, queries = self._memory.successful(self._learned)
        for text, clicks in queries:
            self.speller.learn(text, clicks)


class SearchingSide:
    """The searching side of a home: reads everything, writes only the log. Safe for threads and several processes.

    ``encoder`` is for who has opened it already; by default the home opens its own.

    Raises:
        Unavailable: the home was not indexed yet; the message says how.
        StorageError, ModelError: a part cannot be read.
    """

    def __init__(
        self, storage: Storage, *, new_id: Callable[[], str] | None = None, encoder: Encoder | None = None
    ) -> None:
        self.settings = settings = storage.settings
        self.clock = storage.clock
        self._refreshing = threading.Lock()
        self.store, self.log, self.memory, self.models = storage.store, storage.log, storage.memory, storage.models
        self.catalog = Catalog(self.store, warm=storage.backend.remote)
        self.suggester = Suggester(self.catalog, self.memory, denied=DenyList(settings.deny_list), clock=self.clock)
        self._understood = understood = Understood(storage, self.catalog)
        self.synonyms = understood.synonyms
        self.reader = Reader(understood.understanding, understood.speller, self.memory.has_learned)
        encoder = encoder or open_encoder(settings, storage.paths)
        self._arms = RetrieverSet(storage, self.catalog, encoder, understood.understanding)
        self.serving = ModelFollower(
            self.models,
            BanditSettings(epsilon=settings.epsilon),
            SelectiveSettings(
                cost_weight=settings.cost_weight, thresholds=parse_thresholds(settings.selective_thresholds)
            ),
        )
        self.relater = Relater(self.catalog, self.memory, self._arms.retrievers["dense"], clock=self.clock)
        self._runner = self._running(self._retrievers())
        load = Load(settings.threads)
        places = settings.threads if settings.speculate else 0
        self.speculation = Speculation(self._runner, load, places=places)
        self.engine = Engine(
            catalog=self.catalog,
            reader=self.reader,
            retrieval=Retrieval(
                self._runner,
                has_history=self.memory.knows,
                seed=settings.seed,
                deadline_ms=settings.deadline_ms,
                speculation=self.speculation,
            ),
            serving=self.serving,
            log=OfferingLog(self.log, self._offer),
            clock=self.clock,
            new_id=new_id or (lambda: uuid.uuid4().hex),
            curation=self.memory.curation,
            load=load,
            mix_kinds=settings.mix_kinds,
        )
        self.ablator = Ablator(
            self.engine,
            Records(append=self.log.append_events, impression=self.log.impression),
            load=load,
            clock=self.clock,
            share=settings.ablation_share,
            seed=settings.seed,
        )
        self._split: Split | None = None
        self.refresh()

    def assignment(self, actor: str | None) -> Assignment | None:
        """The policy that the running experiment gives this visitor; None without one, and for nobody in particular."""
        return self._split.assign(actor) if actor and self._split else None

    def refresh(self) -> None:
        """Take in what other threads and processes have written since: entities, memories, models, experiments."""
        with self._refreshing:
            self.catalog.refresh()
            self.memory.follow()
            self._understood.refresh()
            self._arms.refresh()
            self.models.follow()
            self.serving.refresh()
            running = running_experiment(self.memory.state)
            self._split = running.split if running is not None else None
            self.suggester.refresh()
            self.relater.follow()

    def freeze(self) -> None:
        """Take what is loaded out of the garbage collector's rounds; for a process that will go on serving this home.

        A catalogue is a great many objects that live as long as the process: looking through all of them again and
        again makes the longest pauses of a search.
        """
        self.suggester.warm()
        gc.collect()
        gc.freeze()

    @property
    def searchable(self) -> int:
        """The catalogue change up to which this process finds entities by every index."""
        return min(self.catalog.seq, self._arms.seq)

    def close(self) -> None:
        """End the retrievers; the storage is closed by who opened it."""
        self.ablator.close()
        self._runner.close()
        self._arms.close()

    def _offer(self, impression: Impression) -> None:
        """What was just answered may be made again with and without each expensive arm."""
        self.ablator.offer(impression)

    def _running(self, retrievers: Mapping[str, Retriever]) -> Runner:
        """What runs the arms of a search."""
        return RetrieverRunner(retrievers, threads=self.settings.threads)

    def _retrievers(self) -> dict[str, Retriever]:
        """What there is to run, by arm."""
        return dict(self._arms.retrievers)
