"""What one log entry changes: memory, personal history, trends, open searches, and, once finalized, the bandit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from bandstand.errors import NotFound
from bandstand.feedback.log import Control, LogEntry
from bandstand.learner.actions import Actions, opened
from bandstand.learner.apply_settings import ApplySettings, Sources
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.learner.edits import EDIT_MEMORY, UNDO_EDIT, edit_memory
from bandstand.learner.open_searches import DueTimes, OpenSearch
from bandstand.learner.orders import FORGET_STRETCH, FORGOTTEN, PAUSE, PAUSED
from bandstand.learner.outcome_metrics import SATISFIED, count_outcome
from bandstand.learner.parking import (
    RETRY,
    RETRY_PARKED,
    CannotLearn,
    Parked,
    entry_key,
    finalization_key,
    is_the_entrys_fault,
    parked_entry,
    parked_search,
)
from bandstand.learner.rewards import REWARD_MODEL
from bandstand.learner.standing import LEARNED_ANEW
from bandstand.learner.state import LearnerState
from bandstand.memory_index.memory import MemoryBatch
from bandstand.types import Event, Impression, Ordinals, actor_of
from bandstand.types.times import HOUR_S

EXAMINED_WITHOUT_ACTION = 3
"""How much of a page counts as seen where nothing was done with any of it, see `examined`."""

FORGET_USER = "forget_user"
"""Control record: ``{"user_id": ..., "sessions": [...]}``; the sessions are those in which the user was seen."""

ERASE = b"learner/erase"
"""Since when what was deleted on somebody's order waits to be overwritten in the files."""

COMMAND = b"learner/order"
"""Number of the last control record whose part outside this transaction, in the log, is not carried out yet."""

OBEYED = b"learner/obeyed"
"""Number of the last order that was obeyed before its place in the log was reached, see `URGENT`."""

URGENT = frozenset({PAUSE, EDIT_MEMORY, UNDO_EDIT})
"""Orders that go before what waits to be learned: neither depends on the other, and they are obeyed in order.

To forget somebody is none: what others agree on without them depends on what they did before.
"""

_CLEANED = b"learner/cleaned"
_HOUSEKEEPING_S = HOUR_S


class Applier:
    """Applies log entries to one batch, in order. Time is the log's own: the same log always teaches the same.

    Before an entry of time t is applied, every open search that is due by t is finalized, so that how the log is cut
    into batches makes no difference. ``parked`` are the entries and searches, by `Parked.key`, that are known to raise:
    they are put on record instead.

    Raises:
        CannotLearn: another one raised; the batch is to be undone, and begun again with that one parked.
    """

    def __init__(
        self,
        batch: MemoryBatch,
        bandit: BanditLearner,
        sources: Sources,
        settings: ApplySettings,
        *,
        due_times: DueTimes | None = None,
        parked: Mapping[bytes, Parked] | None = None,
    ) -> None:
        self._batch, self._bandit, self._sources, self._settings = batch, bandit, sources, settings
        self._state = LearnerState.over(batch, settings, due_times)
        self._actions = Actions(batch, self._state, sources, settings, self._impression)
        self._parked = parked or {}
        self._impressions: dict[str, Impression] = {}
        self._anew = float(batch.get(LEARNED_ANEW) or "-inf")
        self.finalized = 0

    def apply(self, entry: LogEntry) -> None:
        """One entry of the log."""
        self.finalize(entry.time)
        self._housekeep(entry.time)
        if (parked := self._parked.get(entry_key(entry.seq))) is not None:
            self._state.parking.add(parked)
            return
        self._attempt(entry)

    def obey(self, entry: LogEntry) -> None:
        """An `URGENT` order, before its place in the log: there it is passed over.

        Raises:
            CannotLearn: it cannot be obeyed.
        """
        self._attempt(entry)
        self._batch.put(OBEYED, str(entry.seq).encode())

    def finalize(self, now: float) -> None:
        """Let every search that is due teach the memory what was seen, and the bandit what the retrievers earned."""
        while (search := self._state.open.pop_due(now)) is not None:
            self._state.experiment.finalize(search.due)
            try:
                self._finalize(search)
            except Exception as error:
                if not is_the_entrys_fault(error):
                    raise
                raise CannotLearn(parked_search(search, error)) from error
        self._state.experiment.finalize(now)

    def finish(self) -> None:
        """Put what was added up into the transaction."""
        self._state.metrics.flush()

    @property
    def next_due(self) -> float:
        """Nothing is finalized before this moment, unless the log goes on."""
        return min(self._state.open.next_due, self._state.experiment.next_due)

    @property
    def due_times(self) -> DueTimes:
        """For the next transaction, once this one is committed."""
        return self._state.open.due

    def _attempt(self, entry: LogEntry) -> None:
        try:
            self._learn(entry)
        except Exception as error:
            if not is_the_entrys_fault(error):
                raise
            raise CannotLearn(parked_entry(entry, error)) from error

    def _learn(self, entry: LogEntry) -> None:
        record = entry.record
        if isinstance(record, Impression):
            self._search(record, entry.time)
        elif isinstance(record, Event):
            if not self._state.recorded.keep(record):
                self._actions.apply(record, entry.time)
        else:
            self._control(record, entry)

    def _search(self, impression: Impression, now: float) -> None:
        query, state = impression.query, self._state
        self._impressions.setdefault(query.id, self._placed(impression))
        state.open.put(state.open.get(query.id) or opened(query, now, self._settings))
        state.sessions.searched(query)
        self._bandit.observe_costs(impression)

    def _control(self, control: Control, entry: LogEntry) -> None:
        kind, payload = control.kind, control.payload
        if kind in URGENT and entry.seq <= int(self._batch.get(OBEYED) or b"0"):
            return
        edit_memory(self._batch, self._sources.ordinals, kind, payload, entry.time)
        self._state.experiment.handle(kind, payload, entry.time)
        if kind == RETRY_PARKED:
            self._batch.put(RETRY, b"1")
        if kind == REWARD_MODEL:
            self._sources.rewards.handle(self._batch, payload)
        if kind == PAUSE:
            self._batch.put(PAUSED, str(entry.seq).encode())
        if kind == FORGET_STRETCH and entry.seq > int(self._batch.get(FORGOTTEN) or b"0"):
            self._batch.put(COMMAND, str(entry.seq).encode())
        user = payload.get("user_id")
        if kind == FORGET_USER and isinstance(user, str):
            self._forget(user, payload.get("sessions", ()))
            self._batch.put(COMMAND, str(entry.seq).encode())
            self._batch.put(ERASE, self._batch.get(ERASE) or repr(entry.time).encode())

    def _forget(self, user: str, sessions: Collection[str]) -> None:
        """Forget a user, and whom sessions stand for in which that user was seen."""
        self._batch.forget_user(user, *(str(actor_of(None, session)) for session in sessions))
        self._state.forget(user, sessions)

    def _finalize(self, search: OpenSearch) -> None:
        """A search that is due is finalized, and stays until its window ends; then, or parked, it is forgotten."""
        state = self._state
        parked = self._parked.get(finalization_key(search.query_id))
        impression = None if search.finalized else self._impression(search.query_id)
        if parked is not None:
            state.parking.add(parked)
        elif impression is not None:  # else deleted with its user, or past its retention
            self._finalized(impression, search)
        if search.due < search.closes and parked is None:
            state.open.put(search.close())
        else:
            state.open.remove(search)

    def _finalized(self, impression: Impression, search: OpenSearch) -> None:
        """What a finalized search teaches the memory and the bandit, and adds to the statistics."""
        query, state = impression.query, self._state
        seen = examined(impression, search.outcomes)
        seen, heard = seen[seen >= 0], state.shares.hears(query)
        if heard:
            self._batch.impression(query.normalized, seen, user=query.actor, now=query.time)
        grades = self._sources.rewards.grades(impression, search)
        record = state.recorded.take(query.id)
        labels = self._bandit.learn(impression, grades, record=record) if heard else []
        reward = max(grades.values(), default=0.0)
        clicked, satisfied = reward > 0, reward >= SATISFIED
        state.metrics.add(query.time, count_outcome(impression, grades, labels, acted=bool(search.outcomes)))
        state.queries.add(query.normalized, search.who, clicked=clicked, satisfied=satisfied, time=query.time)
        state.experiment.add(impression, search.who, reward)
        self.finalized += 1

    def _housekeep(self, now: float) -> None:
        """Once an hour of the log, bring memory and state down to their bounds."""
        cleaned = float(self._batch.get(_CLEANED) or b"0")
        if abs(now - cleaned) >= _HOUSEKEEPING_S:
            self._batch.put(_CLEANED, repr(now).encode())
            self._batch.evict()
            self._state.expire(now)

    def _impression(self, query_id: str | None) -> Impression | None:
        """The logged search; None when there is none (any more). Within a batch each is read once."""
        if query_id is None:
            return None
        if query_id not in self._impressions:
            try:
                self._impressions[query_id] = self._placed(self._sources.impression(query_id))
            except NotFound:
                return None
        return self._impressions[query_id]

    def _placed(self, impression: Impression) -> Impression:
        """With the ordinals that its entities have now, -1: none, where it was logged by another catalogue's."""
        if impression.query.time > self._anew:
            return impression
        return replace(impression, ordinals=impression.placed(self._sources.ordinals))


def examined(impression: Impression, touched: Collection[int]) -> Ordinals:
    """The ordinals that count as seen: down to the last one that something was done with, else the first few.

    From the top of the first page on, be the last one on a later page. This is the cascade model (Craswell et al.
    2008): results are read from the top until the need is met.
    """
    ranking = impression.ordinals[impression.query.offset :]
    places = [place for place, ordinal in enumerate(ranking.tolist()) if ordinal in touched] if touched else []
    return ranking[: max(places) + 1] if places else ranking[: min(impression.shown, EXAMINED_WITHOUT_ACTION)]
