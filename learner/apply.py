"""What one log entry changes: memory, personal history, trends, open searches, and, once settled, the bandit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bandstand.catalog.text import normalize
from bandstand.errors import NotFound
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.log import Control, LogEntry
from bandstand.feedback.rate import RateGuard, actor_of
from bandstand.feedback.rewards import LEARNED_ACTIONS, RewardWeights, grade_of
from bandstand.feedback.sessions import relabel_share
from bandstand.learner.account import SATISFIED, account
from bandstand.learner.asked import AskedQueries
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.learner.edits import MemoryEditor
from bandstand.learner.experiment import ExperimentKeeper
from bandstand.learner.ledger import Ledger
from bandstand.learner.open_searches import OpenSearch, OpenSearches
from bandstand.learner.rate_budget import RateBudgets
from bandstand.learner.sessions import Sessions, hashed
from bandstand.memory_index.memory import MemoryBatch
from bandstand.types import Event, Impression, Ordinals, Query

EXAMINED_WITHOUT_ACTION = 3
"""How much of a page counts as seen where nothing was done with any of it, see `examined`."""

FORGET_USER = "forget_user"
"""Control record: ``{"user_id": ...}``."""

ORDER = b"learner/order"
"""Number of the last control record whose part outside this transaction, in the log, is not carried out yet."""

_CLEANED = b"learner/cleaned"
_HOUSEKEEPING_S = 3600.0
_FORGOTTEN_AFTER_S = 86_400.0
"""Sessions and budgets that were not touched for so long have no effect any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplySettings:
    """Which events count for a search, when it settles (seconds after its first action), and what actions are worth.

    ``agree_users`` is how many must have asked a query before its text is everybody's to read.
    """

    agree_users: int = 2
    attribution: Attribution = Attribution()
    settle_s: float = 60.0
    weights: RewardWeights = RewardWeights()
    guard: RateGuard = RateGuard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the learner reads beside the log's order: searches by id, and ordinals of entity ids (-1: unknown)."""

    impression: Callable[[str], Impression]
    ordinals: Callable[[Sequence[str]], Ordinals]


class Applier:
    """Applies log entries to one batch, in order. Time is the log's own: the same log always teaches the same.

    Before an entry of time t is applied, every open search that is due by t settles, so that how the log is cut
    into batches makes no difference.
    """

    def __init__(self, batch: MemoryBatch, bandit: BanditLearner, sources: Sources, settings: ApplySettings) -> None:
        self._batch = batch
        self._bandit = bandit
        self._sources = sources
        self._settings = settings
        self._open = OpenSearches(batch)
        self._sessions = Sessions(batch)
        self._budgets = RateBudgets(batch, settings.guard)
        self._ledger = Ledger(batch)
        self._asked = AskedQueries(batch, agree_users=settings.agree_users)
        self._edits = MemoryEditor(batch, sources.ordinals)
        self._experiment = ExperimentKeeper(batch, window=settings.attribution.window + settings.settle_s)
        self._met: dict[str, Impression] = {}
        self.settled = 0

    def apply(self, entry: LogEntry) -> None:
        """One entry of the log."""
        self.settle(entry.time)
        self._housekeep(entry.time)
        record = entry.record
        if isinstance(record, Impression):
            self._search(record, entry.time)
        elif isinstance(record, Event):
            self._event(record, entry.time)
        else:
            self._control(record, entry)

    def settle(self, now: float) -> None:
        """Let every search that is due teach the memory what was seen, and the bandit what the arms earned."""
        while (search := self._open.pop_due(now)) is not None:
            self._experiment.ripen(search.due)
            impression = None if search.settled else self._impression(search.query_id)
            if impression is not None:  # else deleted with its user, or past its retention
                query, seen = impression.query, examined(impression, search.outcomes)
                self._batch.impression(query.normalized, seen, user=query.actor, now=query.time)
                self._settled(impression, search)
            if search.due < search.closes:
                self._open.put(search.close())
            else:
                self._open.remove(search)

        self._experiment.ripen(now)

    def finish(self) -> None:
        """Put what was added up into the transaction."""
        self._ledger.flush()

    @property
    def next_due(self) -> float:
        """Nothing settles before this moment, unless the log goes on."""
        return min(self._open.next_due, self._experiment.next_due)

    def _settled(self, impression: Impression, search: OpenSearch) -> None:
        """What a settled search teaches the bandit, and adds to the books."""
        query, grades = impression.query, search.grades()
        labels = self._bandit.learn(impression, grades)
        reward = max(grades.values(), default=0.0)
        self._ledger.add(query.time, account(impression, grades, labels, acted=bool(search.outcomes)))
        satisfied = reward >= SATISFIED
        self._asked.add(query.normalized, search.who, clicked=reward > 0, satisfied=satisfied, time=query.time)
        self._experiment.settled(impression, search.who, reward)
        self.settled += 1

    def _search(self, impression: Impression, now: float) -> None:
        query = impression.query
        self._met.setdefault(query.id, impression)
        self._open.put(self._open.get(query.id) or self._opened(query, now))
        self._sessions.searched(query)
        self._bandit.observe_costs(impression)

    def _opened(self, query: Query, now: float) -> OpenSearch:
        closes = now + self._settings.attribution.window
        return OpenSearch(query_id=query.id, who=hashed(query.actor), due=closes, closes=closes)

    def _event(self, event: Event, now: float) -> None:
        ordinal = self._ordinal(event) if event.action in LEARNED_ACTIONS else None
        if ordinal is None:  # an action that teaches nothing, or an entity that is unknown or deleted
            return
        impression = self._impression(event.query_id)
        if impression is not None and not self._settings.attribution.in_window(impression, event):
            impression = None
        weight = self._budgets.weight(hashed(_spender(event, impression)), now)
        grade = grade_of(event, self._settings.weights) * weight
        if impression is not None and grade:
            self._grade(impression, ordinal, grade, now)
        if grade > 0:
            # A client's clock may run ahead, which would let everything remembered fade at once.
            self._teach(replace(event, time=min(event.time, now)), ordinal, impression, weight)

    def _grade(self, impression: Impression, ordinal: int, grade: float, now: float) -> None:
        """Count an action on a logged hit of a search that has not settled, or whose own entry is yet to come."""
        query = impression.query
        search = self._open.get(query.id)
        if search is None and now <= query.time + self._settings.attribution.window:
            search = self._opened(query, now)
        if search is not None and not search.settled and ordinal in impression.ordinals:
            self._open.put(search.graded(ordinal, grade, due=now + self._settings.settle_s))

    def _teach(self, event: Event, ordinal: int, impression: Impression | None, weight: float) -> None:
        """Memory, history and trends learn at once; an event that names no search may still say what was asked."""
        weights, grade = self._settings.weights, grade_of(event, self._settings.weights)
        actor = _actor(event, impression)
        asked = impression.query.normalized if impression is not None else normalize(event.user_query or "")
        clicks = weight * grade / weights.click  # how many clicks it is worth
        if asked and grade >= weights.play:
            self._batch.play(asked, ordinal, user=actor, now=event.time, weight=weight)
        elif asked:
            self._batch.click(asked, ordinal, user=actor, now=event.time, weight=min(clicks, weight))
        if impression is not None and grade >= weights.success:
            self._relabel(event, ordinal, impression.query, weight)
        if actor:
            self._batch.choose(actor, ordinal, normalized=asked or None, strength=clicks, now=event.time)
        self._batch.trend(ordinal, clicks, now=event.time)

    def _relabel(self, event: Event, ordinal: int, query: Query, weight: float) -> None:
        """The failed searches just before it, for the same thing in other words, led here too."""
        later = query
        for past in self._sessions.satisfied(query.session_id, query.id):
            earlier = None if past.satisfied else self._impression(past.query_id)
            share = 0.0 if earlier is None else relabel_share(earlier.query, later, self._settings.weights)
            if earlier is None or not share:
                break
            later = earlier.query
            self._batch.click(later.normalized, ordinal, user=later.actor, now=event.time, weight=weight * share)

    def _control(self, control: Control, entry: LogEntry) -> None:
        self._edits.obey(control.kind, control.payload, entry.time)
        self._experiment.obey(control.kind, control.payload, entry.time)
        user = control.payload.get("user_id")
        if control.kind != FORGET_USER or not isinstance(user, str):
            return
        self._batch.forget_user(user)
        for search in self._open.of(hashed(user)):
            self._open.remove(search)
        self._sessions.forget(hashed(user))
        self._asked.forget(hashed(user))
        self._experiment.forget(hashed(user))
        self._budgets.forget(hashed(f"user:{user}"))
        self._batch.put(ORDER, str(entry.seq).encode())

    def _housekeep(self, now: float) -> None:
        """Once an hour of the log, bring memory and state down to their bounds."""
        cleaned = float(self._batch.get(_CLEANED) or b"0")
        if abs(now - cleaned) >= _HOUSEKEEPING_S:
            self._batch.put(_CLEANED, repr(now).encode())
            self._batch.evict()
            self._sessions.expire(now - _FORGOTTEN_AFTER_S)
            self._budgets.expire(now - _FORGOTTEN_AFTER_S)
            self._ledger.housekeep(now)
            self._asked.evict()

    def _ordinal(self, event: Event) -> int | None:
        if event.object_id is None:
            return None
        ordinal = int(self._sources.ordinals([event.object_id])[0])
        return ordinal if ordinal >= 0 else None

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


def _actor(event: Event, impression: Impression | None) -> str | None:
    """Who acted: the user that the event names, else who made the search, else the visitor that the event names.

    One person's clicks with and without a user's name would else look like two people who agree.
    """
    if event.user_id or impression is None:
        return event.actor
    return impression.query.actor or event.actor


def _spender(event: Event, impression: Impression | None) -> str:
    """Whose budget an event spends: that of who it names, else of who made the search."""
    if impression is None or event.user_id or event.session_id or event.client_id:
        return actor_of(event)
    return actor_of(replace(event, user_id=impression.query.user_id, session_id=impression.query.session_id))
