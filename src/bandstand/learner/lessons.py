"""What training reads of the log: its newest part, once, for all models; no more of a search than they look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandstand.bandit.gate_training import UsefulLabel
from bandstand.feedback.joined import Joined, slim
from bandstand.feedback.reward_model import Grader
from bandstand.feedback.sessions import MOST_SEARCHES
from bandstand.learner.gate_labels import log_labels
from bandstand.types import Decision, Impression, Roster

MOST_CLICKED = 40_000
"""Searches on which somebody acted that are held, the newest: some 400 MB, and taste changes."""

MOST_LABELS = 100_000
"""Recorded searches whose want is known that are held, the newest: some 100 MB."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the log teaches each model, in the order of the log.

    ``recent`` are the newest searches, with the facts that a reward is learned from; ``clicked`` those on which
    somebody acted, down to the last hit that was shown or acted on; ``labels`` what recorded searches say about
    retrievers.
    """

    recent: Sequence[Joined]
    clicked: Sequence[Joined]
    labels: Sequence[UsefulLabel]

    def graded(self, grader: Grader) -> Iterator[Joined]:
        """The clicked searches as a grader judges them."""
        return (replace(search, grader=grader) for search in self.clicked)


def lessons(searches: Iterable[Joined], roster: Roster, *, shown: Callable[[Joined], Joined] | None = None) -> Lessons:
    """Read searches once, and keep what models of a ``roster`` learn from.

    ``shown`` says how much of a search on which somebody acted counts as shown, where that is not what was. Memory is
    bounded, however many there are: by `MOST_SEARCHES`, `MOST_CLICKED` and `MOST_LABELS`.
    """
    recent: deque[Joined] = deque(maxlen=MOST_SEARCHES)
    clicked: deque[Joined] = deque(maxlen=MOST_CLICKED)

    def kept() -> Iterator[Joined]:
        for search in searches:
            if search.impression.decision.known:  # others were acted on elsewhere
                recent.append(replace(search, impression=slim(search.impression)))
            if search.events and (touched := search.outcome().touched).any():
                clicked.append(_upper(shown(search) if shown else search, int(np.flatnonzero(touched)[-1]) + 1))
            yield search

    labels = deque(log_labels(kept(), roster), maxlen=MOST_LABELS)
    return Lessons(recent, clicked, labels)


def _upper(search: Joined, last: int) -> Joined:
    """The search down to what was shown, and to place ``last`` at least, without how it was retrieved."""
    impression = search.impression
    rows = max(impression.query.offset + impression.shown, last)
    decision = Decision(policy=impression.decision.policy, version=impression.decision.version)
    return replace(search, impression=_cut(impression, rows, decision))


def _cut(impression: Impression, rows: int, decision: Decision) -> Impression:
    return replace(
        impression,
        decision=decision,
        outcomes=(),
        entity_ids=impression.entity_ids[:rows],
        ordinals=impression.ordinals[:rows],
        scores=impression.scores[:rows],
        features=impression.features[:rows].copy(),  # a view would keep the whole
    )
