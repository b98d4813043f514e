"""What one log entry changes: memory, personal history, trends, open searches, and, once finalized, the bandit."""

from __future__ import annotations

from collections.abc import Collection

from bandstand.errors import NotFound
from bandstand.feedback.log import Control, LogEntry
from bandstand.learner.actions import Actions, opened
from bandstand.learner.apply_settings import ApplySettings, Sources
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.learner.edits import MemoryEditor
from bandstand.learner.experiment import ExperimentKeeper
from bandstand.learner.gate_labels import Recorded
from bandstand.learner.open_searches import OpenSearch, OpenSearches
from bandstand.learner.outcome_metrics import SATISFIED, OutcomeMetrics, count_outcome
from bandstand.learner.query_stats import QueryCounts
from bandstand.learner.relabelling import Sessions, WeakLabels, hashed
from bandstand.learner.rewards import REWARD_MODEL, RateBudgets
from bandstand.memory_index.memory import MemoryBatch
from bandstand.types import Event, Impression, Ordinals
from bandstand.types.times import DAY_S, HOUR_S

EXAMINED_WITHOUT_ACTION = 3
"""How much of a page counts as seen where nothing was done with any of it, see `examined`."""

FORGET_USER = "forget_user"
"""Control record: ``{"user_id": ...}``."""

COMMAND = b"learner/order"
"""Number of the last control record whose part outside this transaction, in the log, is not carried out yet."""

_CLEANED = b"learner/cleaned"
_HOUSEKEEPING_S = HOUR_S
_FORGOTTEN_AFTER_S = DAY_S
"""Sessions and budgets that were not touched for so long have no effect any more."""

_UNSHARED_AFTER_S = 30 * DAY_S
"""What one person's sessions suggest waits so long for a second one."""


class Applier:
    """Applies log entries to one batch, in order. Time is the log's own: the same log always teaches the same.

    Before an entry of time t is applied, every open search that is due by t is finalized, so that how the log is cut
    into batches makes no difference.
    """

    def __init__(self, batch: MemoryBatch, bandit: BanditLearner, sources: Sources, settings: ApplySettings) -> None:
        self._batch = batch
        self._bandit = bandit
        self._sources = sources
        self._settings = settings
        self._open = OpenSearches(batch)
        self._recorded = Recorded(batch, self._open)
        self._sessions = Sessions(batch)
        self._rewards = sources.rewards
        self._actions = Actions(batch, self._open, sources, settings, self._impression)
        self._budgets = RateBudgets(batch, settings.guard)
        self._metrics = OutcomeMetrics(batch)
        self._asked = QueryCounts(batch, agree_users=settings.agree_users)
        self._edits = MemoryEditor(batch, sources.ordinals)
        self._experiment = ExperimentKeeper(batch, window=settings.attribution.window + settings.finalize_s)
        self._met: dict[str, Impression] = {}
        self.finalized = 0

    def apply(self, entry: LogEntry) -> None:
        """One entry of the log."""
        self.finalize(entry.time)
        self._housekeep(entry.time)
        record = entry.record
        if isinstance(record, Impression):
            self._search(record, entry.time)
        elif isinstance(record, Event):
            if not self._recorded.keep(record):
                self._actions.apply(record, entry.time)
        else:
            self._control(record, entry)

    def finalize(self, now: float) -> None:
        """Let every search that is due teach the memory what was seen, and the bandit what the arms earned."""
        while (search := self._open.pop_due(now)) is not None:
            self._experiment.ripen(search.due)
            impression = None if search.finalized else self._impression(search.query_id)
            if impression is not None:  # else deleted with its user, or past its retention
                query, seen = impression.query, examined(impression, search.outcomes)
                self._batch.impression(query.normalized, seen, user=query.actor, now=query.time)
                self._finalized(impression, search)
            if search.due < search.closes:
                self._open.put(search.close())
            else:
                self._open.remove(search)

        self._experiment.ripen(now)

    def finish(self) -> None:
        """Put what was added up into the transaction."""
        self._metrics.flush()

    @property
    def next_due(self) -> float:
        """Nothing is finalized before this moment, unless the log goes on."""
        return min(self._open.next_due, self._experiment.next_due)

    def _finalized(self, impression: Impression, search: OpenSearch) -> None:
        """What a finalized search teaches the bandit, and adds to the books."""
        query, grades = impression.query, self._rewards.grades(impression, search)
        labels = self._bandit.learn(impression, grades, record=self._recorded.take(query.id))
        reward = max(grades.values(), default=0.0)
        self._metrics.add(query.time, count_outcome(impression, grades, labels, acted=bool(search.outcomes)))
        satisfied = reward >= SATISFIED
        self._asked.add(query.normalized, search.who, clicked=reward > 0, satisfied=satisfied, time=query.time)
        self._experiment.finalized(impression, search.who, reward)
        self.finalized += 1

    def _search(self, impression: Impression, now: float) -> None:
        query = impression.query
        self._met.setdefault(query.id, impression)
        self._open.put(self._open.get(query.id) or opened(query, now, self._settings))
        self._sessions.searched(query)
        self._bandit.observe_costs(impression)

    def _control(self, control: Control, entry: LogEntry) -> None:
        self._edits.handle(control.kind, control.payload, entry.time)
        self._experiment.handle(control.kind, control.payload, entry.time)
        if control.kind == REWARD_MODEL:
            self._rewards.handle(self._batch, control.payload)
        user = control.payload.get("user_id")
        if control.kind != FORGET_USER or not isinstance(user, str):
            return
        self._batch.forget_user(user)
        for search in self._open.of(hashed(user)):
            self._open.remove(search)
            self._recorded.take(search.query_id)
        self._sessions.forget(hashed(user))
        WeakLabels(self._batch).forget(hashed(user))
        self._asked.forget(hashed(user))
        self._experiment.forget(hashed(user))
        self._budgets.forget(hashed(f"user:{user}"))
        self._batch.put(COMMAND, str(entry.seq).encode())

    def _housekeep(self, now: float) -> None:
        """Once an hour of the log, bring memory and state down to their bounds."""
        cleaned = float(self._batch.get(_CLEANED) or b"0")
        if abs(now - cleaned) >= _HOUSEKEEPING_S:
            self._batch.put(_CLEANED, repr(now).encode())
            self._batch.evict()
            self._sessions.expire(now - _FORGOTTEN_AFTER_S)
            WeakLabels(self._batch).expire(now - _UNSHARED_AFTER_S)
            self._budgets.expire(now - _FORGOTTEN_AFTER_S)
            self._metrics.housekeep(now)
            self._asked.evict()

    def _impression(self, query_id: str | None) -> Impression | None:
        """The logged search; None when there is none (any more). Within a batch each is read once."""
        if query_id is None:
            return None
        if query_id not in self._met:
            try:
                self._met[query_id] = self._sources.impression(query_id)
            except NotFound:
                return None
        return self._met[query_id]


def examined(impression: Impression, touched: Collection[int]) -> Ordinals:
    """The ordinals that count as seen: down to the last one that something was done with, else the first few.

    From the top of the first page on, be the last one on a later page. This is the cascade model (Craswell et al.
    2008): results are read from the top until the need is met.
    """
    ranking = impression.ordinals[impression.query.offset :]
    places = [place for place, ordinal in enumerate(ranking.tolist()) if ordinal in touched]
    return ranking[: max(places) + 1] if places else ranking[: min(impression.shown, EXAMINED_WITHOUT_ACTION)]
