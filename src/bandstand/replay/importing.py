"""A log of another system, played on a home: its searches are answered anew as of their time, and all of it is learned.

A search is answered with every retriever against the catalogue, memory and models of the home as they are at that point
of the log, so that its features are those of a search that this home would have had then. Nobody saw that ranking: it
is logged under the policy `IMPORTED`, and teaches the ranker as a whole, without a place on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from bandstand.backend import Paths
from bandstand.bandit.policy import Teacher
from bandstand.catalog.ingest import fingerprint
from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.mapping import Expression
from bandstand.engine.request import SearchRequest
from bandstand.errors import BadInput, NotFound
from bandstand.feedback.foreign_log import Searched, SortedRows, moments, read_log
from bandstand.files import write_file
from bandstand.replay.environment import ReplayEnvironment, VirtualClock
from bandstand.replay.replayer import Depth, judged, with_modelled_cost
from bandstand.replay.run import Rejections
from bandstand.settings import Settings
from bandstand.types import IMPORTED, Event, Impression
from bandstand.types.actions import ACTIONS
from bandstand.types.times import DAY_S

ANSWERED = 20_000
"""How many of a log's latest searches are answered anew unless more are asked for: as many as replays train rankers on.
That takes some eleven milliseconds each; earlier ones teach by what was chosen, in less than three."""

_AT_ONCE = 400
"""Searches and actions between two commits: a search does not know what others did so shortly before."""

_DEPTH = Depth(head=20, sampled=20)
_TEACHER = Teacher(name=IMPORTED)
_EXAMPLES = 5

ImportProgress = Callable[[str, int, int | None], None]
"""Told while an import goes on: what is done, how far, of how much (None: nobody knows yet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import made of a log.

    ``rows`` were read, of which ``rejected`` could not be used, for ``reasons``, and ``repeated`` were there before.
    They held ``searches``, of which ``answered`` were answered anew, and ``actions`` on entities of the catalogue, of
    which ``learned`` are new to the home. ``unknown`` actions are on entities that it lacks, ``unknown_ids`` the first
    of these, and ``ignored`` ones are of kinds that teach nothing. ``ranker`` is the version trained afterwards, None
    where there was nothing new to train on.
    """

    rows: int = 0
    rejected: int = 0
    reasons: tuple[str, ...] = ()
    repeated: int = 0
    searches: int = 0
    answered: int = 0
    actions: int = 0
    learned: int = 0
    unknown: int = 0
    unknown_ids: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    ranker: str | None = None


class Counted(msgspec.Struct):
    """The report in the making, but for what was read: it goes on with the import."""

    answered: int = 0
    actions: int = 0
    learned: int = 0
    unknown: int = 0
    unknown_ids: list[str] = []
    ignored: dict[str, int] = {}

    def of(self, event: Event, *, known: bool) -> bool:
        """Count an action; whether it is to be logged."""
        if event.action not in ACTIONS:
            self.ignored[event.action] = self.ignored.get(event.action, 0) + 1
        elif known:
            self.actions += 1
        else:
            self.unknown += 1
            if len(self.unknown_ids) < _EXAMPLES and event.object_id not in self.unknown_ids:
                self.unknown_ids.append(str(event.object_id))
        return known and event.action in ACTIONS


def import_log(
    settings: Settings,
    paths: Sequence[Path],
    mapping: Mapping[str, Expression],
    *,
    answered: int = ANSWERED,
    progress: ImportProgress = lambda *_: None,
) -> ImportReport:
    """Teach a home what the logs in ``paths`` say, as one log in order of time, and train its ranker on that.

    The latest ``answered`` searches are answered anew. Cut off at any point, the same call goes on where it was; what
    was imported before is recognised by its ids, and nothing is learned twice. The home must not be open.

    Raises:
        BadInput: a log or the mapping cannot be used, or not one row can.
        Conflict: another process writes to the home.
    """
    if answered < 0:
        raise BadInput(f"answered must be 0 or more, not {answered}", field="answered")
    with closing(SortedRows()) as rows:
        rejections, repeated = _read(paths, mapping, rows, progress)
        if not (count := len(rows)):
            raise BadInput(f"not one row can be used: {'; '.join(rejections.named()) or 'the log is empty'}")
        searches = sum(isinstance(moment, Searched) for moment in moments(iter(rows)))
        what = repr((sorted(map(fingerprint, paths)), sorted(mapping.items()), answered))
        with ReplayEnvironment(settings, VirtualClock(next(iter(rows)).time), durable=True) as environment:
            _made_ready(environment, progress)
            played = _Player(environment, what, skipped=max(searches - answered, 0))
            played.play(moments(iter(rows)), lambda done: progress("learning", done, count))
            ranker = played.train(progress)
            played.finish()
    return ImportReport(
        rows=count + rejections.count + repeated,
        rejected=rejections.count,
        reasons=rejections.named(),
        repeated=repeated,
        searches=searches,
        ranker=ranker,
        **{**msgspec.structs.asdict(played.counted), "unknown_ids": tuple(played.counted.unknown_ids)},
    )


def _made_ready(environment: ReplayEnvironment, progress: ImportProgress) -> None:
    """Index what was ingested, and train the first ranker, where that was not done yet."""
    if not environment.storage.store.count():
        raise BadInput(f"{environment.settings.home} holds no entities: bandstand ingest them first")
    environment.learning_side.index(progress=progress)
    environment.home.refresh()
    if environment.storage.models.pointer("ranker") is None:
        environment.play_examples()


def _read(
    paths: Sequence[Path], mapping: Mapping[str, Expression], rows: SortedRows, progress: ImportProgress
) -> tuple[Rejections, int]:
    """Take in every row; what was rejected, and how many were there before."""
    rejections, repeated, done = Rejections(), 0, 0
    for path in paths:
        for row in read_log(path, mapping):
            if isinstance(row, Rejected):
                rejections(row)
            elif not rows.add(row):
                repeated += 1
            done += 1
            if not done % 10_000:
                progress("reading", done, None)
    return rejections, repeated


class Position(msgspec.Struct):
    """How far an import has come: ``done`` moments are in the log; ``what`` says which import it is."""

    what: str
    done: int = 0
    counted: Counted = msgspec.field(default_factory=Counted)

    @classmethod
    def of(cls, path: Path, what: str) -> Position:
        """What an import that was cut off has left; the beginning where that was another one, or there was none."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return cls(what)
        return found if found.what == what else cls(what)


class _Player:
    """Plays moments on a home, batch by batch: answered, logged, then learned.

    The first ``skipped`` searches are not answered.
    """

    def __init__(self, environment: ReplayEnvironment, what: str, *, skipped: int) -> None:
        self._environment, self._skipped = environment, skipped
        self._path = Paths(environment.settings.home).imported
        self._position = Position.of(self._path, what)
        self.counted = self._position.counted

    def play(self, every: Iterator[Searched | Event], progress: Callable[[int], None]) -> None:
        """All of them, but for those that an interrupted import has learned."""
        self._environment.learn()  # what such an import logged last
        position = self._position
        searched = sum(isinstance(moment, Searched) for moment in islice(every, position.done))
        for batch in _batches(every):
            searches = [moment for moment in batch if isinstance(moment, Searched)]
            unanswered = max(self._skipped - searched, 0)
            self._take(searches[unanswered:], [moment for moment in batch if isinstance(moment, Event)])
            searched += len(searches)
            position.done += len(batch)
            write_file(self._path, msgspec.json.encode(position))
            self._environment.learn()
            progress(position.done)

    def train(self, progress: ImportProgress) -> str | None:
        """Publish the bandit, and train on what was imported: the ranker's version; None where nothing was new."""
        if not self.counted.learned:
            return None
        self._environment.clock.move_to(self._environment.clock() + self._environment.settings.join_minutes * 60)
        self._environment.learn()  # the last searches are over
        self._environment.learning_side.learner.publish()
        try:
            report = self._environment.learning_side.train(self._environment.home, progress=progress)
        except BadInput:  # nothing that was chosen was found
            return None
        return report.version

    def finish(self) -> None:
        """The import has come to its end: another one begins anew."""
        self._path.unlink(missing_ok=True)

    def _take(self, searches: Sequence[Searched], actions: Sequence[Event]) -> None:
        """One batch into the log, its searches answered."""
        ordinals = self._environment.storage.store.ordinals([str(event.object_id) for event in actions]).tolist()
        kept = [event for event, at in zip(actions, ordinals, strict=True) if self.counted.of(event, known=at >= 0)]
        right: dict[str, list[int]] = {}
        for event, at in zip(actions, ordinals, strict=True):
            if event.query_id is not None and at >= 0:
                right.setdefault(event.query_id, []).append(at)
        new = [search for search in searches if not self._is_logged(search)]
        impressions = [self._answered(search, right.get(search.id, ())) for search in new]
        self.counted.answered += len(impressions)
        self.counted.learned += self._environment.log(impressions, kept)

    def _is_logged(self, search: Searched) -> bool:
        try:
            self._environment.storage.log.impression(search.id)
        except NotFound:
            return False
        return True

    def _answered(self, search: Searched, right: Sequence[int]) -> Impression:
        environment = self._environment
        request = SearchRequest(query=search.text, user_id=search.user, session_id=search.session)
        with environment.clock.at(search.time):
            answer = environment.answer_by(_TEACHER, request, query_id=search.id)
        columns = environment.home.catalog.columns
        wanted = np.array([at for at in right if at < columns.n], np.int32)
        impression = judged(answer, columns, wanted, _DEPTH)
        return with_modelled_cost(impression, environment.home.features.roster)


def _batches(every: Iterator[Searched | Event]) -> Iterator[list[Searched | Event]]:
    """At most `_AT_ONCE` moments of at most a day."""
    batch: list[Searched | Event] = []
    for moment in every:
        if batch and (len(batch) >= _AT_ONCE or moment.time > batch[0].time + DAY_S):
            yield batch
            batch = []
        batch.append(moment)
    if batch:
        yield batch
