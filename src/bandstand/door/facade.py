"""`Bandstand`: a platform over one home, for notebooks and scripts, for the command line and for tests."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bandstand.app.learning import LearningSide
from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.app.training import TrainingPlan, new_models
from bandstand.catalog.codec import checked
from bandstand.catalog.columns import Catalog
from bandstand.catalog.conditions import EVERYTHING, Scope
from bandstand.door.background import Background
from bandstand.door.pages import Hit, Origin, Page
from bandstand.engine.filters import filters_of
from bandstand.engine.request import SearchRequest, known_kinds
from bandstand.errors import BadInput
from bandstand.feedback.ubi_events import parse_event
from bandstand.settings import Settings
from bandstand.subsonic.address import is_address, parse_address
from bandstand.types import Entity, Event, Filters, Impression, Kind, Progress, actor_of

if TYPE_CHECKING:
    from bandstand.bandit.policy import Policy
    from bandstand.catalog.ingest import IngestReport
    from bandstand.catalog.sync import SyncPlan
    from bandstand.engine.related import RelatedEntity
    from bandstand.engine.request import SearchResult
    from bandstand.engine.suggest import Suggestion
    from bandstand.learner.train_ranker import TrainingReport
    from bandstand.replay.importing import ImportProgress, ImportReport
    from bandstand.replay.judged import JudgedQuery, JudgedReport
    from bandstand.replay.ope.result import OpeReport
    from bandstand.replay.stream import Dataset

EntityLike = Entity | Mapping[str, object]
"""An entity, or its fields as HTTP and NDJSON have them."""

FiltersLike = Filters | Mapping[str, object] | None
"""Filters, or what `filters_of` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """How many entities can be found now, how many index changes that took, and the first ranker if it was trained."""

    entities: int
    changes: int
    ranker: TrainingReport | None = None


class Bandstand:
    """Music search that learns, over one home folder (or cluster): made by `bandstand.open` or `bandstand.demo`.

    Synchronous, and safe for threads. What is asked for is done when a call returns; what was accepted (entities,
    searches, clicks) is on disk, also if the process is killed. Close it, or use it in a ``with`` block; what nobody
    holds any more is closed by itself. Every error is a `bandstand.BandstandError` whose message names the remedy.

    With ``background``, once something is searched, a thread of this process indexes and learns whenever no other
    process does that for the home; without, `index` and `learn` do it when they are called. ``platform`` holds the
    parts, for who needs one: `platform.storage`, `platform.searching`, `platform.learning`.
    """

    def __init__(self, settings: Settings, options: Options = Options(), *, background: bool = False) -> None:
        self.settings = settings
        self.platform = Platform(settings, options)
        self._background = Background(self.platform) if background else None
        self._closed = weakref.finalize(self, _close, self.platform, self._background)  # at the latest when we exit
        self._followed = time.monotonic()
        self._following = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Bandstand({str(self.settings.home)!r})"

    def close(self) -> None:
        """End the threads and close every file; safe to call twice.

        Raises:
            StorageError: something could not be written.
        """
        self._closed()

    # The catalogue

    def ingest(  # noqa: PLR0913 - what an ingest can be asked for
        self,
        source: str | Path | Iterable[EntityLike],
        *,
        format: str | None = None,  # noqa: A002 - as the command line calls it
        map: Mapping[str, str] | Iterable[str] = (),  # noqa: A002 - likewise
        kind: Kind | None = None,
        unknown: str | None = None,
        query: str | None = None,
        sync: Callable[[SyncPlan], bool] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> IngestReport:
        """Read entities into the catalogue: from a file, a folder, a server, or what yields entities or mappings.

        What cannot be used is set aside: the report counts it, and ``rejects.ndjson`` of the home says why. The same
        source twice changes nothing; an ingest that was interrupted goes on where it stopped. Of a folder of music only
        files that have changed are read again. What such a folder, or a server, no longer holds is taken out.

        Args:
            source: where the entities are; of a Subsonic server ``subsonic://user@host:port`` (``subsonics``: https),
                whose password is a setting; of a database its SQLAlchemy address, with a ``query``.
            format: of a file or folder: ndjson, csv, tsv, json, parquet, spotify-csv, lastfm-hetrec or library; None:
                as its content looks.
            map: where fields stand in a table, by field: ``{"title": "track_name", "popularity": "plays:log"}``; over
                those of ``bandstand.toml``.
            kind: of rows of a table that say none.
            unknown: what becomes of a table's other columns: keep (as free fields, the default), refuse or ignore.
            query: a SELECT, whose answer is the table.
            sync: the source is the truth, and what it does not hold is deleted, if this agrees to the plan.
            progress: is told how many entities were read.

        Raises:
            BadInput: the source is missing, empty, of no known format, or refuses the account; or nobody agrees.
            StorageError: it cannot be stored.
            Unavailable: the server does not answer.
        """
        from bandstand.catalog.ingest import ingest_entities
        from bandstand.catalog.readers.mapping import pairs_of
        from bandstand.door.ingesting import Asked, Ingesting

        storage = self.platform.storage

        def told(report: IngestReport) -> None:
            if progress is not None:
                progress(report.read + report.skipped)

        if not isinstance(source, (str, Path)):
            return ingest_entities(source, storage.store, rejects=storage.paths.rejects, progress=told)
        asked = Asked(map=tuple(pairs_of(map)), kind=kind, unknown=unknown)
        ingesting = Ingesting(storage, asked, sync=sync, progress=told)
        if is_address(str(source)):
            return ingesting.server(parse_address(str(source)))
        if query is not None or "://" in str(source):
            return ingesting.database(str(source), query)
        path = Path(source).expanduser()
        reader = ingesting.reader(path, format)
        return ingesting.library(path) if reader.name == "library" else ingesting.file(reader, path)

    def add(self, *entities: EntityLike) -> int:
        """Store entities, replacing those with the same ids; returns how many are new or other than before.

        Raises:
            BadInput: a field is missing or wrong; then none of them is stored.
        """
        return self.platform.storage.store.upsert([checked(entity) for entity in entities])

    def delete(self, *ids: str) -> int:
        """Take entities out, at once for searches; returns how many there were."""
        count = self.platform.storage.store.delete(ids)
        self._refresh()
        return count

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """One entity.

        Raises:
            NotFound: there is none with this id.
        """
        return self.platform.storage.store.get(id)

    def entities(self, *, kinds: Kind | Sequence[Kind] = (), filters: FiltersLike = None) -> Iterator[Entity]:
        """Every entity that kinds and filters allow, in the order in which they first came in.

        Raises:
            BadInput: a kind or a filter is none.
        """
        store, within = self.platform.storage.store, _scope(kinds, filters)
        if within == EVERYTHING:
            return (entity for _, entity in store.scan())
        mask = within.allowed(Catalog(store).columns)
        assert mask is not None
        return (entity for ordinal, entity in store.scan() if ordinal < len(mask) and mask[ordinal])

    def export_catalogue(
        self,
        path: str | Path,
        *,
        kinds: Kind | Sequence[Kind] = (),
        filters: FiltersLike = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Write entities to a file, from which `ingest` makes the same ones again; returns how many.

        Args:
            path: the file; it ends in .ndjson or .csv (also with .gz) or .parquet.
            kinds: only these, as in `search`.
            filters: only what these allow, as in `search`.
            progress: is told how many entities were written.

        Raises:
            BadInput: the name says no format; or see `entities`.
            StorageError: the file cannot be written.
        """
        from bandstand.catalog.export import export

        return export(_told(self.entities(kinds=kinds, filters=filters), progress), Path(path).expanduser())

    def __len__(self) -> int:
        """How many entities the catalogue holds."""
        return self.platform.storage.store.count()

    def index(self, *, rebuild: bool = False, progress: Progress | None = None) -> IndexReport:
        """Make everything that was ingested searchable; the first time also train the models by self-play.

        Args:
            rebuild: throw the indexes away and build them anew.
            progress: is told what is being done: (job, done, of).

        Raises:
            Conflict: another process indexes this home.
        """
        if rebuild:
            self.platform.rebuild_catalogue()
        learning = self.platform.learning
        if rebuild:
            learning.reset()
        learning.prepare(progress=progress)
        changes = learning.index(progress=progress)
        learning.distil(progress=progress)
        ranker = self._first_ranker(learning, progress)
        self._refresh()
        return IndexReport(entities=len(self), changes=changes, ranker=ranker)

    # Searching

    def search(  # noqa: PLR0913 - what a search can be asked for
        self,
        query: str,
        *,
        k: int = 10,
        user: str | None = None,
        session: str | None = None,
        kinds: Kind | Sequence[Kind] = (),
        filters: FiltersLike = None,
        policy: str | None = None,
        sort: str | None = None,
        explain: bool = False,
        correct: bool = True,
    ) -> Page:
        """Search, and log the search so that clicks can follow.

        Args:
            query: what somebody typed.
            k: how many hits, at most 100.
            user: whose search it is; what they chose before counts for them.
            session: of somebody who is not known by name.
            kinds: only these: track, artist, album, playlist, station, podcast.
            filters: only what these fields allow, as over HTTP: ``{"genre": ["jazz"], "year": {"gte": 1960}}``.
            policy: who decides which retrievers play: bandit, selective, all, random, lexical, ...; None: the policy of
                a running experiment, else the one that the settings name.
            sort: the hits in the order of a field, "popularity:desc"; None: by relevance.
            explain: work the reasons out now, by the models that made the page; else `Page.explain` does it when asked.
            correct: whether a misspelt query may be answered as it was probably meant.

        Raises:
            BadInput: a value cannot be used; names the field.
            Unavailable: nothing was indexed yet.
        """
        within = _scope(kinds, filters)
        request = SearchRequest(
            query=query,
            k=k,
            user_id=user,
            session_id=session,
            kinds=within.kinds,
            filters=within.filters,
            sort=sort,
            policy=policy,
            explain=explain,
            correct=correct,
        )
        return self.page(request)

    def page(self, request: SearchRequest) -> Page:
        """The answer to a request in the engine's own terms: also further pages, facets, previews, sections.

        Raises:
            BadInput, NotFound, Unavailable: see `search`.
        """
        searching = self._searching()
        result = searching.search(request)
        return self._shown(searching, result)

    def suggest(
        self,
        prefix: str,
        *,
        k: int = 10,
        user: str | None = None,
        session: str | None = None,
        kinds: Kind | Sequence[Kind] = (),
        filters: FiltersLike = None,
    ) -> list[Suggestion]:
        """Completions of what is being typed, best first; only of what kinds and filters allow, as in `search`."""
        within = _scope(kinds, filters)
        return self._searching().suggester.suggest(prefix, k, user=actor_of(user, session), within=within)

    def related(
        self,
        to: str | Entity | Hit,
        *,
        k: int = 10,
        kinds: Kind | Sequence[Kind] = (),
        filters: FiltersLike = None,
    ) -> list[RelatedEntity]:
        """Entities that go with one (its id will do), the surest first; only what kinds and filters allow.

        Raises:
            NotFound: there is no such entity.
        """
        entity = to if isinstance(to, str) else to.id
        return self._searching().relater.related(entity, k, within=_scope(kinds, filters))

    # Learning

    def act(
        self,
        query_id: str,
        hit: str | int,
        action: str = "click",
        *,
        seconds: float | None = None,
        user: str | None = None,
    ) -> Event:
        """Log what was done with a hit of any logged search; `Hit.click` and its like do it for a page at hand.

        Args:
            query_id: the search, as `Page.query_id` or HTTP named it.
            hit: the entity's id, or its position from 1.
            action: click, play, save, skip, or a name of your own.
            seconds: how long it was played.
            user: who did it; None: whose search it was.

        Raises:
            NotFound: the search was never logged.
            BadInput: it has no such hit, or a value cannot be used.
        """
        event = self.event(query_id, hit, action, seconds=seconds, user=user)
        self.platform.storage.log.append_events([event])
        return event

    def event(
        self, query_id: str, hit: str | int, action: str, *, seconds: float | None = None, user: str | None = None
    ) -> Event:
        """What `act` logs, checked and not logged."""
        storage = self.platform.storage
        search = storage.log.impression(query_id)
        return event_on(search, place_of(search, hit), action, seconds=seconds, user=user, now=storage.clock())

    def learn(self) -> int:
        """Learn now from everything that was logged; the next search knows it. Returns how many records were read.

        The bandit learns from a search once it can no longer be clicked for long (``finalize_seconds``).

        Raises:
            Conflict: another process learns for this home, or on its cluster, and has seen to it.
        """
        learning = self.platform.learning
        self.platform.storage.log.deliver()
        count = learning.learner.catch_up()
        self._refresh()
        return count

    def import_log(
        self,
        *logs: str | Path,
        map: Mapping[str, str] | None = None,  # noqa: A002 - as the command line calls it
        answered: int | None = None,
        progress: ImportProgress = lambda *_: None,
    ) -> ImportReport:
        """Start warm: learn from the searches and clicks of another system, as if they had been made here.

        Memory, personal history, trends, bandit and ranker learn them in order of time; nothing is learned twice, and
        an interrupted call goes on. Nothing else may use the home meanwhile.

        Args:
            logs: CSV, TSV, NDJSON or Parquet, or UBI 1.3 documents, one a line; several are one log.
            map: the column of each field (time, query, user, session, clicked, position, dwell, action, search, id), as
                ``bandstand import --map`` takes it; None: as the settings say. UBI needs none.
            answered: how many of the latest searches are answered anew, which is what ranker and bandit learn from;
                None: `bandstand.replay.importing.ANSWERED`.
            progress: is told what is being done: (job, done, of).

        Raises:
            BadInput: a log or the mapping cannot be used, or not one row can.
            Conflict: another process learns for this home.
        """
        from bandstand.catalog.readers.mapping import parse_mapping
        from bandstand.feedback.foreign_log import FIELDS, FUNCTIONS
        from bandstand.replay.importing import ANSWERED, import_log

        mapping = parse_mapping(self.settings.import_map if map is None else map, FIELDS, FUNCTIONS)
        paths = [Path(log).expanduser() for log in logs]
        with self._background.away() if self._background is not None else nullcontext():
            self.platform.close()
            return import_log(
                self.settings,
                paths,
                mapping,
                answered=ANSWERED if answered is None else answered,
                progress=progress,
            )

    def train(self, *, plan: TrainingPlan = TrainingPlan(), progress: Progress | None = None) -> TrainingReport:
        """Train ranker and retrieval gate on self-play and on everything logged, and let them serve.

        Also beside a running server, which then goes on indexing and learning.

        Raises:
            BadInput: there is nothing to train on yet.
        """
        learning = self.platform.learning_if_free()
        if learning is None:  # a ranker is trained from what both processes can read
            return new_models(self.platform.storage, self._searching(), plan, progress=progress)[0]
        learning.prepare(progress=progress)
        learning.index(progress=progress)
        self.learn()
        return learning.train(self._searching(), plan=plan, progress=progress)

    # Evaluation

    def evaluate(
        self,
        judged: str | Path | Mapping[str, Iterable[str]] | Iterable[JudgedQuery | Mapping[str, object]],
        *,
        queries: str | Path | None = None,
        policies: Sequence[str] = ("bandit",),
        k: int = 10,
        seed: int | None = None,
        progress: Progress = lambda *_: None,
    ) -> JudgedReport:
        """How good each policy is on queries of which the answers are known, and how long it takes; nothing is logged.

        Beside the policies stand every retriever at once, the fixed hybrid, each retriever alone, and their fusion.

        Args:
            judged: a file (CSV, NDJSON, or TREC qrels); or relevant ids, or grades by id, by query; or records with
                ``query`` and ``relevant``, and perhaps ``class`` and ``user``.
            queries: with qrels, the file of their queries' texts.
            policies: as for `ope`; the first is compared with all others.
            k: down to which place hits count.
            seed: of the resamples, and of the order in which policies answer; None: as the settings say.
            progress: is told how many queries were asked: ("judged", done, of).

        Raises:
            BadInput: a judgement cannot be read, no query has a relevant entity, or there is no such policy.
            MissingDependency: the extra `replay` is not installed.
        """
        from bandstand.replay.judged import evaluate_judged, read_judged

        if isinstance(judged, (str, Path)):
            texts = None if queries is None else Path(queries).expanduser()
            asked: Iterable[JudgedQuery | Mapping[str, object]] = read_judged(Path(judged).expanduser(), queries=texts)
        elif isinstance(judged, Mapping):
            asked = [{"query": query, "relevant": relevant} for query, relevant in judged.items()]
        else:
            asked = judged
        drawn = self.settings.seed if seed is None else seed
        return evaluate_judged(self._searching(), asked, policies=policies, k=k, seed=drawn, progress=progress)

    def ope(self, policy: str = "all", *, seed: int = 0) -> OpeReport:
        """What another policy would have earned on the logged searches, or why the log cannot tell.

        Args:
            policy: bandit, selective, all, random, lexical, ...; retrievers joined by ``+``; or ``all-dense``.
            seed: of the resamples.

        Raises:
            BadInput: there is no such policy, or no search of the log can be used.
        """
        from bandstand.app.training import judged
        from bandstand.replay.ope.assess import OpeSettings, evaluate

        searches, roster = judged(self.platform.storage), self.platform.options.roster
        return evaluate(searches, self.policy(policy), settings=OpeSettings(seed=seed), roster=roster)

    def policy(self, name: str) -> Policy:
        """A policy by a name as `ope` takes it; only a learned one needs an indexed home.

        Raises:
            BadInput: there is none.
        """
        from bandstand.bandit.policy import RandomSubsetPolicy, fixed_policies
        from bandstand.replay.contestants import contestant

        options = self.platform.options
        own: dict[str, Policy] = {policy.name: policy for policy in options.policies}
        unlearned = {**own, **fixed_policies(), "random": RandomSubsetPolicy(always=options.roster.free)}
        named = contestant(name, options.roster, own)
        return named.policy(lambda known: unlearned.get(known) or self._searching().engine.policy(known))

    def replay(
        self,
        dataset: str | Path | Dataset | None = None,
        path: str | Path | None = None,
        *,
        policies: Sequence[str] | None = None,
        limit: int | None = None,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Play a data set in time order on homes of its own, answering first and then learning; returns the summary.

        Args:
            dataset: lastfm, spotify, hot100, bandstand, generic, or one of a plug-in; or a folder with a log of clicks
                beside its catalogue, which is generic's; or a data set that is open already; None: what was searched
                and done in this home.
            path: where the files of a data set that is named lie; a single log is played on this home's catalogue.
            policies: who plays; None: those that are always compared.
            limit: how many searches count at most.
            folder: keeps everything, so that an interrupted call goes on.

        Raises:
            BadInput: the data or a policy cannot be used.
        """
        from bandstand.replay.datasets.home import chosen_dataset
        from bandstand.replay.evaluate import evaluate
        from bandstand.replay.run import kept_or_scratch
        from bandstand.replay.settings import ReplaySettings

        given: dict[str, Any] = {"limit": limit} if policies is None else {"limit": limit, "policies": tuple(policies)}
        with kept_or_scratch(folder) as place:
            if dataset is None or isinstance(dataset, (str, Path)):
                name, files = (dataset, path) if dataset is None or path is not None else ("generic", dataset)
                dataset = chosen_dataset(
                    None if name is None else str(name),
                    None if files is None else Path(files).expanduser(),
                    lambda: self.platform.storage,
                    place / "data",
                )
            return evaluate(dataset, ReplaySettings(seed=self.settings.seed, **given), folder=place)

    def export(self, path: str | Path, form: str = "ubi") -> int:
        """Write the log to a file; returns how many records.

        Args:
            path: the file.
            form: ubi, trec, qrels, svmlight, dsjson, helped or obp.

        Raises:
            BadInput: there is no such format.
            StorageError: the file cannot be written.
        """
        from bandstand.feedback.formats.export import export

        log = self.platform.storage.log
        log.flush()
        return export(log, form, Path(path).expanduser(), window=self.settings.join_minutes * 60)

    def _searching(self) -> SearchingSide:
        """The searching side, no older than ``refresh_ms``; from its first use on the background threads work."""
        searching = self.platform.searching
        if self._background is not None:
            self._background.start()
        else:
            with self._following:
                if time.monotonic() - self._followed >= self.settings.refresh_ms / 1e3:
                    self._followed = time.monotonic()
                    searching.refresh()
        return searching

    def _refresh(self) -> None:
        """Let the next search see what was just changed; nothing to do while nobody has searched."""
        searching = self.platform.opened_searching
        if searching is not None:
            searching.refresh()

    def _first_ranker(self, learning: LearningSide, progress: Progress | None) -> TrainingReport | None:
        """The first ranker; None where there is one, or where the catalogue is too small to pose questions about."""
        if not self.settings.selfplay_queries or self.platform.storage.models.pointer("ranker") is not None:
            return None
        try:
            return learning.train(self.platform.searching, progress=progress)
        except BadInput:
            return None

    def _shown(self, searching: SearchingSide, result: SearchResult) -> Page:
        impression = result.impression

        def further(offset: int, k: int) -> Page:
            query = impression.query
            return self.page(SearchRequest(query=query.text, query_id=query.id, offset=offset, k=k))

        def act(position: int, action: str, seconds: float | None) -> Event:
            storage = self.platform.storage
            event = event_on(impression, position - 1, action, seconds=seconds, now=storage.clock())
            storage.log.append_events([event])
            return event

        origin = Origin(
            result=result,
            act=act,
            explained=partial(searching.engine.explained, result),
            further=further,
        )
        return Page(origin)


def _close(platform: Platform, background: Background | None) -> None:
    if background is not None:
        background.stop()
    platform.close()


def _scope(kinds: Kind | Sequence[Kind], filters: FiltersLike) -> Scope:
    asked = filters if isinstance(filters, Filters) else filters_of(filters or {})
    return Scope(kinds=known_kinds([kinds] if isinstance(kinds, str) else kinds), filters=asked)


_TOLD_EVERY = 1_000


def _told(entities: Iterator[Entity], progress: Callable[[int], None] | None) -> Iterator[Entity]:
    for count, entity in enumerate(entities, start=1):
        yield entity
        if progress is not None and not count % _TOLD_EVERY:
            progress(count)


def place_of(search: Impression, hit: str | int) -> int:
    """Where in a ranking a hit stands, from 0: by entity id, else by position from 1.

    Raises:
        BadInput: the search has no such hit.
    """
    ids = search.entity_ids
    if hit in ids:
        return ids.index(str(hit))
    text = str(hit)
    if text.isascii() and text.isdigit() and 1 <= int(text) <= len(ids):
        return int(text) - 1
    raise BadInput(f"{hit!r} is neither an entity of this search nor a position from 1 to {len(ids)}", field="hit")


def event_on(
    search: Impression, place: int, action: str, *, now: float, seconds: float | None = None, user: str | None = None
) -> Event:
    """An action on the hit at a place (from 0) of a search, by who searched unless said otherwise.

    Raises:
        BadInput: a value cannot be used; names the field.
    """
    attributes: dict[str, object] = {
        "object": {"object_id": search.entity_ids[place]},
        "position": {"ordinal": place + 1},
        "play_seconds": seconds,
    }
    raw: dict[str, object] = {
        "action_name": action,
        "query_id": search.query.id,
        "user_id": user or search.query.user_id,
        "session_id": search.query.session_id,
        "event_attributes": attributes,
    }
    return parse_event(raw, now=now)
