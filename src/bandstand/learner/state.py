"""The learner's own state within one transaction: open searches, sessions, budgets, statistics, the experiment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bandstand.learner.apply_settings import ApplySettings
from bandstand.learner.claims import Shares
from bandstand.learner.experiment import ExperimentKeeper
from bandstand.learner.gate_labels import Recorded
from bandstand.learner.open_searches import DueTimes, KeyValue, OpenSearches
from bandstand.learner.outcome_metrics import OutcomeMetrics
from bandstand.learner.parking import Parking
from bandstand.learner.query_stats import QueryCounts
from bandstand.learner.relabelling import Sessions, WeakLabels, hashed
from bandstand.learner.rewards import RateBudgets
from bandstand.types import actor_of
from bandstand.types.times import DAY_S

_FORGOTTEN_AFTER_S = DAY_S
"""Sessions and budgets that were not touched for so long have no effect any more."""


def hashes_of(user: str, sessions: Collection[str] = ()) -> list[str]:
    """By which hashes a user (an id) and sessions are known here; the last is that of the user's budget alone."""
    visitors = [str(actor_of(None, session)) for session in sessions]
    return [hashed(user), *map(hashed, visitors), hashed(f"user:{user}")]


_UNSHARED_AFTER_S = 30 * DAY_S
"""What one person's sessions suggest waits so long for a second one; shares that were spent are full again by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerState:
    """One part a subject, all over the same transaction. Actors are hashes everywhere, see `hashed`."""

    open: OpenSearches
    recorded: Recorded
    sessions: Sessions
    labels: WeakLabels
    budgets: RateBudgets
    shares: Shares
    metrics: OutcomeMetrics
    queries: QueryCounts
    experiment: ExperimentKeeper
    parking: Parking

    @classmethod
    def over(cls, state: KeyValue, settings: ApplySettings, due_times: DueTimes | None = None) -> LearnerState:
        """The state in a transaction; ``due_times`` as the one before left them."""
        searches = OpenSearches(state, due_times)
        return cls(
            open=searches,
            recorded=Recorded(state, searches),
            sessions=Sessions(state),
            labels=WeakLabels(state),
            budgets=RateBudgets(state, settings.guard),
            shares=Shares(state, settings.share),
            metrics=OutcomeMetrics(state),
            queries=QueryCounts(state, agree_users=settings.agree_users),
            experiment=ExperimentKeeper(state, window=settings.attribution.window + settings.finalize_seconds),
            parking=Parking(state),
        )

    def forget(self, user: str, sessions: Collection[str] = ()) -> None:
        """Drop what is personal to a user (an id), and to whom sessions stand for."""
        who, spends = hashes_of(user, sessions)[:-1], hashes_of(user, sessions)
        for search in self.open.of(*who):
            self.open.remove(search)
            self.recorded.take(search.query_id)
        for part in (self.sessions, self.labels, self.queries, self.experiment, self.parking):
            part.forget(*who)
        self.budgets.forget(*spends)
        self.shares.forget(*who)

    def expire(self, now: float) -> None:
        """Bring everything down to its bounds."""
        self.sessions.expire(now - _FORGOTTEN_AFTER_S)
        self.labels.expire(now - _UNSHARED_AFTER_S)
        self.budgets.expire(now - _FORGOTTEN_AFTER_S)
        self.shares.expire(now - _UNSHARED_AFTER_S)
        self.metrics.housekeep(now)
        self.queries.evict()
