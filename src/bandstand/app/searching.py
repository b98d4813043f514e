"""The searching side of a home: built from its files, it follows what others write there and writes only the log."""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack, closing
from dataclasses import replace

import structlog

from bandstand.app.options import Options
from bandstand.app.retrieval import RetrieverSet, refresh_all
from bandstand.app.serving import ModelFollower
from bandstand.app.storage import Storage, synonym_file
from bandstand.backend import refuse_others
from bandstand.bandit.experiment import Assignment, Split
from bandstand.bandit.selective import SelectiveSettings, parse_thresholds, unused_thresholds
from bandstand.bandit.vw import BanditSettings
from bandstand.catalog.columns import Catalog
from bandstand.engine.ablation import Ablator, Records
from bandstand.engine.layout import TitleGuard
from bandstand.engine.related import Relater
from bandstand.engine.request import Reader, SearchRequest, SearchResult
from bandstand.engine.retrieval import Retrieval
from bandstand.engine.runner import Load, Runner
from bandstand.engine.search import Engine, EngineParts
from bandstand.engine.speculation import Speculation
from bandstand.engine.suggest import DenyList, Suggester
from bandstand.learner.experiment import running_experiment
from bandstand.ranker.features import FeatureSet
from bandstand.types import Roster, actor_of
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding


class Understood:
    """The catalogue in memory, understanding and speller; `refresh` is for one thread, all else for any number."""

    def __init__(self, storage: Storage) -> None:
        """Read the catalogue and its names (about 3 s for 28,000 tracks and their artists)."""
        self._memory = storage.memory
        self.catalog = Catalog(storage.store, warm=storage.backend.remote)
        self.understanding = Understanding(self.catalog, evidence=storage.memory.senses)
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
        for text in self._memory.withdrawn(self.speller.learned):
            self.speller.unlearn(text)


class SearchingSide:
    """Answers searches. Safe for threads, and for several processes over one home.

    ``understood`` is for who tries again after a failure: what was read then need not be read again.

    Raises:
        Unavailable: the home was not indexed yet; the message says how.
        StorageError, ModelError: a part cannot be read.
    """

    def __init__(self, storage: Storage, options: Options = Options(), understood: Understood | None = None) -> None:
        settings = storage.settings
        refuse_others(storage.store.ordinal_history(), {"memory": storage.memory.place})
        understood = understood or Understood(storage)
        catalog = understood.catalog
        features = options.feature_set
        serving = _serving(storage, options, features)
        load = Load(settings.threads)
        with ExitStack() as opened:  # closes what is open already when a later part cannot be opened
            found = RetrieverSet(storage, catalog, understood.understanding, options.retrievers)
            opened.enter_context(closing(found))
            runner = opened.enter_context(closing(options.runner(found.retrievers, settings)))
            speculation = Speculation(runner, load, places=settings.threads if settings.speculate else 0)
            parts = EngineParts(
                catalog=catalog,
                reader=Reader(understood.understanding, understood.speller, storage.memory.has_learned),
                retrieval=_retrieval(storage, runner, features.roster, speculation),
                features=features,
                serving=serving,
                log=storage.log,
                curation=storage.memory.curation,
                titles=TitleGuard(features.names, storage.memory.people, settings.title_users),
            )
            engine = Engine(parts, load=load, clock=storage.clock, new_id=options.new_id, mix_kinds=settings.mix_kinds)
            ablator = opened.enter_context(closing(_ablator(storage, engine, load)))
            self.settings, self.clock = settings, storage.clock
            self.store, self.log, self.memory, self.models = storage.store, storage.log, storage.memory, storage.models
            self.catalog, self.understood, self.retrievers, self.serving = catalog, understood, found, serving
            self.features = features
            self.runner, self.speculation, self.engine, self.ablator = runner, speculation, engine, ablator
            self.synonyms, self.reader = understood.synonyms, parts.reader
            denied = DenyList(settings.deny_list)
            self.suggester = Suggester(catalog, storage.memory, denied=denied, clock=storage.clock)
            self.relater = Relater(catalog, storage.memory, found.retrievers["dense"], clock=storage.clock)
            self._refreshing = threading.Lock()
            self._split: Split | None = None
            self.refresh()
            self._opened = opened.pop_all()

    def search(self, request: SearchRequest) -> SearchResult:
        """Answer and log a search, or a further page of one.

        A request that names no policy gets the one that a running experiment gives this visitor, else the default. What
        was answered may afterwards be made again with and without each expensive retriever, see `Ablator`.

        Raises:
            BadInput: a value cannot be used; names the field.
            NotFound: ``query_id`` was never logged.
        """
        if request.policy is None:
            assigned = self.assignment(actor_of(request.user_id, request.session_id))
            request = replace(request, policy=self.settings.default_policy, assignment=assigned)
        result = self.engine.search(request)
        if request.query_id is None and not request.preview:
            self.ablator.offer(result.impression)
        return result

    def assignment(self, actor: str | None) -> Assignment | None:
        """The policy that the running experiment gives this visitor; None without one, and for nobody in particular."""
        return self._split.assign(actor) if actor and self._split else None

    def refresh(self) -> None:
        """Take in what other threads and processes have written since: entities, memories, models, experiments.

        A part that fails keeps no other from it; the first failure is raised once every part had its turn.
        """
        with self._refreshing:
            refresh_all(
                self.catalog.refresh,
                self.memory.follow,
                self.understood.refresh,
                self.retrievers.refresh,
                self.models.follow,
                self.serving.refresh,
                self._follow_experiment,
                self.suggester.refresh,
                self.relater.follow,
            )

    def _follow_experiment(self) -> None:
        running = running_experiment(self.memory.state)
        self._split = running.split if running is not None else None

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
        return min(self.catalog.seq, self.retrievers.seq)

    def close(self) -> None:
        """End the retrievers; the storage is closed by who opened it."""
        self._opened.close()


def _serving(storage: Storage, options: Options, features: FeatureSet) -> ModelFollower:
    settings = storage.settings
    thresholds = parse_thresholds(settings.selective_thresholds, features.roster)
    if unused := unused_thresholds(thresholds, features.roster):
        structlog.get_logger("settings").warning("thresholds_unused", reason=unused)
    return ModelFollower(
        storage.models,
        features,
        BanditSettings(epsilon=settings.epsilon),
        SelectiveSettings(cost_weight=settings.cost_weight, thresholds=thresholds),
        policies=options.policies,
    )


def _retrieval(storage: Storage, runner: Runner, roster: Roster, speculation: Speculation) -> Retrieval:
    settings = storage.settings
    return Retrieval(
        runner,
        roster,
        has_history=storage.memory.knows,
        seed=settings.seed,
        deadline_ms=settings.deadline_ms,
        speculation=speculation,
    )


def _ablator(storage: Storage, engine: Engine, load: Load) -> Ablator:
    log, settings = storage.log, storage.settings
    return Ablator(
        engine,
        Records(append=log.append_events, impression=log.impression),
        load=load,
        clock=storage.clock,
        share=settings.ablation_share,
        seed=settings.seed,
    )
