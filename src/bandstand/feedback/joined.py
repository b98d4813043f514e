"""The log as searches with their events, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import structlog

from bandstand.errors import DamagedRecord
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import LOGGED, logged_facts
from bandstand.feedback.log import EntryKind, Log, LogEntry
from bandstand.feedback.reward_model import BY_CONSTANTS, Grader
from bandstand.feedback.rewards import SearchOutcome
from bandstand.types import Decision, Event, Impression, Scores


def slim(impression: Impression) -> Impression:
    """The same search with the columns `LOGGED` alone, and without how it was retrieved."""
    return replace(
        impression,
        features=logged_facts(impression),
        feature_names=LOGGED,
        decision=Decision(policy=impression.decision.policy, version=impression.decision.version),
        outcomes=(),
    )


_PAGE = 200
_EVENTS_A_SEARCH = 1_000
"""More events than a person makes on one search: what a bot adds beyond is left out, and memory stays bounded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """A search and the events within its window, in the order of the log; ``grader`` says what they were worth."""

    impression: Impression
    events: tuple[Event, ...]
    attribution: Attribution
    grader: Grader = BY_CONSTANTS

    def grades(self) -> Scores:
        """How far each hit of the logged head satisfied, float32 (n,) in [0, 1]."""
        return self.grader(self.impression, self.events, self.attribution)

    def reward(self) -> float:
        """What the search earned, in [0, 1]: the best of its hits' grades, as learning sees them.

        An entity that the logged head does not hold, such as another edition of a hit, counts by the constants.
        """
        inside, outside = self.grades().max(initial=0.0), self.outcome().outside.values()
        return min(1.0, max(round(float(inside), 6), *outside, 0.0))

    def outcome(self) -> SearchOutcome:
        """What came of it under the default reward weights."""
        outcome = SearchOutcome(self.impression, attribution=self.attribution)
        for event in self.events:
            outcome.add(event)
        return outcome


def readable(
    log: Log,
    after: int,
    limit: int,
    *,
    kind: EntryKind | None = None,
    damaged: Callable[[DamagedRecord], None],
) -> list[LogEntry]:
    """`Log.read` that goes round damaged records: those before one come first, and ``damaged`` is told of it."""
    some = limit
    while True:
        try:
            return log.read(after, some, kind=kind)
        except DamagedRecord as error:
            if some > 1:
                some //= 2
            else:
                damaged(error)
                after, some = error.seq, limit


def _passed_over(error: DamagedRecord) -> None:
    structlog.get_logger("log").error("passed_over", seq=error.seq, reason=str(error))


def entries(log: Log, *, impressions_only: bool = False, after: int = 0) -> Iterator[LogEntry]:
    """Every entry after a seq, up to the head of this moment, page by page; a damaged one is passed over and told."""
    head = log.head()
    kind: EntryKind | None = "impression" if impressions_only else None
    while page := readable(log, after, _PAGE, kind=kind, damaged=_passed_over):
        for entry in page:
            if entry.seq > head:
                return
            yield entry
        after = page[-1].seq


def joined(log: Log, window: float = 1800.0, *, after: int = 0, grader: Grader = BY_CONSTANTS) -> Iterator[Joined]:
    """Every search after a seq with its events of the next ``window`` seconds, in the order of the searches.

    Holds one page of searches in memory, whatever the log's size. ``grader`` says what they were worth.
    """
    attribution = Attribution(window=window)
    every = entries(log, impressions_only=True, after=after)
    searches = (entry.record for entry in every if isinstance(entry.record, Impression))
    while page := list(islice(searches, _PAGE)):
        events_of = log.events_of_each([impression.query.id for impression in page], limit=_EVENTS_A_SEARCH)
        for impression, events in zip(page, events_of, strict=True):
            within = attribution.of(impression, events)
            yield Joined(impression=impression, events=within, attribution=attribution, grader=grader)
