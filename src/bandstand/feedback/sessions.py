"""Sessions from the log: searches in order of time, what was done on each, and what a session's end says about them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz import fuzz

from bandstand.feedback.behaviour import MOST_INTERACTIONS, Interaction, interactions_of, is_strong
from bandstand.feedback.joined import Joined, slim
from bandstand.feedback.rewards import DEFAULT_WEIGHTS, RateGuard, RewardWeights
from bandstand.types import Impression, Query
from bandstand.types.actions import ACTIONS

_QUICK_SECONDS = 60.0
_SIMILAR = 60.0
"""`rapidfuzz.fuzz.ratio` from which two wordings count as one intent: "sigor ros", "sigur rós" have 89."""


def follows_quickly(previous: Query, current: Query, seconds: float) -> bool:
    """Whether it is the same session's next attempt, with another text, within ``seconds``."""
    if previous.session_id is None or previous.session_id != current.session_id:
        return False
    if not previous.normalized or not current.normalized or previous.normalized == current.normalized:
        return False
    return 0.0 <= current.time - previous.time <= seconds


def is_reformulation(previous: Query, current: Query, seconds: float = _QUICK_SECONDS) -> bool:
    """Whether ``current`` says the same as ``previous`` in other words, within ``seconds`` and one session.

    The same intent is a shared word or a similar spelling; the same text again is a repetition or another page.
    """
    if not follows_quickly(previous, current, seconds):
        return False
    shared = set(previous.normalized.split()) & set(current.normalized.split())
    return bool(shared) or fuzz.ratio(previous.normalized, current.normalized) >= _SIMILAR


def relabel_share(previous: Query, current: Query, weights: RewardWeights = DEFAULT_WEIGHTS) -> float:
    """How far the success of ``current`` also answers the failed ``previous`` search; 0 where it does not.

    Another wording counts ``weights.relabelled``. A nickname or words of a lyric have nothing in common with the title
    that somebody then types: a quick next search of the session without a common word counts ``weights.unlike``,
    little enough that it takes several people to be believed.
    """
    if is_reformulation(previous, current):
        return weights.relabelled
    return weights.unlike if follows_quickly(previous, current, _QUICK_SECONDS) else 0.0


MOST_SEARCHES = 20_000
"""Searches that a reward is learned from, the newest: some 200 MB."""

SAME_SESSION_S = 1_800.0
"""Searches further apart are not of one session, whatever their ids say."""

_GUARD = RateGuard()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSearch:
    """One search of a session. ``following`` is the next one within `SAME_SESSION_S`, None where the session ended."""

    impression: Impression
    interactions: tuple[Interaction, ...]
    following: Impression | None = None


def sessions(searches: Iterable[Joined]) -> Iterator[tuple[SessionSearch, ...]]:
    """The newest searches by session, each session by time: the log may hold them in any order.

    Who has neither a session nor a user is taken to search once. A session with more actions or searches a minute than
    `RateGuard` lets one person teach is a bot's and left out.
    """
    kept = deque(((slim(each.impression), _interactions(each)) for each in searches), maxlen=MOST_SEARCHES)
    by_session: defaultdict[str, list[tuple[Impression, tuple[Interaction, ...]]]] = defaultdict(list)
    for impression, interactions in kept:
        query = impression.query
        by_session[query.session_id or query.user_id or f"search:{query.id}"].append((impression, interactions))
    for rows in by_session.values():
        rows.sort(key=lambda row: (row[0].query.time, row[0].query.id))
        if not _flood(rows):
            yield tuple(_linked(rows))


def _interactions(search: Joined) -> tuple[Interaction, ...]:
    return interactions_of(search.impression, search.events, search.attribution)


def _linked(rows: Sequence[tuple[Impression, tuple[Interaction, ...]]]) -> Iterator[SessionSearch]:
    for at, (impression, interactions) in enumerate(rows):
        following = rows[at + 1][0] if at + 1 < len(rows) else None
        if following is not None and following.query.time - impression.query.time > SAME_SESSION_S:
            following = None
        yield SessionSearch(impression=impression, interactions=interactions, following=following)


def _flood(rows: Sequence[tuple[Impression, tuple[Interaction, ...]]]) -> bool:
    minutes = (rows[-1][0].query.time - rows[0][0].query.time) / 60 + 1
    acts = len(rows) + sum(len(interactions) for _, interactions in rows)
    return acts > _GUARD.burst + _GUARD.per_minute * minutes or any(len(d) == MOST_INTERACTIONS for _, d in rows)


RETRIED_S = 120.0
"""A next search within so many seconds is the same person still looking."""


class Moment(NamedTuple):
    """After the first ``done`` actions on a search: did the hit in ``row`` (None: the whole search) turn out right?"""

    search: SessionSearch
    done: int
    row: int | None
    label: bool


def hit_moments(search: SessionSearch) -> Iterator[Moment]:
    """A moment after each action, for the hit that it was on, up to the first strong action on that hit."""
    interactions = search.interactions
    if not _told(search):
        return
    for done, interaction in enumerate(interactions, start=1):
        if not any(is_strong(other) for other in interactions[:done] if other.row == interaction.row):
            came = any(is_strong(other) for other in interactions[done:] if other.row == interaction.row)
            yield Moment(search, done, interaction.row, came and not _in_vain(search, interaction.row))


def search_moments(search: SessionSearch) -> Iterator[Moment]:
    """The moment in which the page was shown, and one after each action up to the first strong one.

    Who touches nothing was not satisfied: a title on a page is no music.
    """
    interactions = search.interactions
    if interactions and not _told(search):
        return
    satisfied = any(is_strong(interaction) and not _in_vain(search, interaction.row) for interaction in interactions)
    for done in range(len(interactions) + 1):
        if any(is_strong(interaction) for interaction in interactions[:done]):
            return
        yield Moment(search, done, None, satisfied)


def kept(searches: Sequence[SessionSearch]) -> tuple[int, int]:
    """How many hits were played long or saved, and with how many of them the session was content."""
    strong, content = 0, 0
    for search in searches:
        for row in {interaction.row for interaction in search.interactions if is_strong(interaction)}:
            strong += 1
            content += not _in_vain(search, row)
    return strong, content


def _told(search: SessionSearch) -> bool:
    """Whether silence means anything: only where somebody reports what became of a click."""
    return any(ACTIONS[interaction.action].satisfies for interaction in search.interactions)


def _in_vain(search: SessionSearch, row: int) -> bool:
    """Whether the hit was taken back: skipped afterwards, left for a longer love, or the search worded anew."""
    at = max(
        place
        for place, interaction in enumerate(search.interactions)
        if interaction.row == row and is_strong(interaction)
    )
    after = search.interactions[at + 1 :]
    if any(_takes_back(interaction, row) for interaction in after):
        return True
    following = search.following
    return following is not None and is_reformulation(search.impression.query, following.query, RETRIED_S)


def _takes_back(interaction: Interaction, row: int) -> bool:
    return (interaction.row == row and ACTIONS[interaction.action].takes_back) or (
        interaction.row != row and is_strong(interaction)
    )
