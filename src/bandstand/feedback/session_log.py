"""Sessions from the log: searches in order of time, each with what was done on it and what was searched for next."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bandstand.feedback.behaviour import MOST_DEEDS, Deed, deeds_of
from bandstand.feedback.joined import Joined
from bandstand.feedback.rate import RateGuard
from bandstand.feedback.slim import slim
from bandstand.types import Impression

MOST_SEARCHES = 20_000
"""Searches that a reward is learned from, the newest: some 200 MB."""

SAME_SESSION_S = 1_800.0
"""Searches further apart are not of one session, whatever their ids say."""

_GUARD = RateGuard()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSearch:
    """One search of a session. ``following`` is the next one within `SAME_SESSION_S`, None where the session ended."""

    impression: Impression
    deeds: tuple[Deed, ...]
    following: Impression | None = None


def sessions(searches: Iterable[Joined]) -> Iterator[tuple[SessionSearch, ...]]:
    """The newest searches by session, each session by time: the log may hold them in any order.

    Who has neither a session nor a user is taken to search once. A session with more actions or searches a minute than
    `RateGuard` lets one person teach is a bot's and left out.
    """
    kept = deque(((slim(each.impression), _deeds(each)) for each in searches), maxlen=MOST_SEARCHES)
    by_session: defaultdict[str, list[tuple[Impression, tuple[Deed, ...]]]] = defaultdict(list)
    for impression, deeds in kept:
        query = impression.query
        by_session[query.session_id or query.user_id or f"search:{query.id}"].append((impression, deeds))
    for rows in by_session.values():
        rows.sort(key=lambda row: (row[0].query.time, row[0].query.id))
        if not _flood(rows):
            yield tuple(_linked(rows))


def _deeds(search: Joined) -> tuple[Deed, ...]:
    return deeds_of(search.impression, search.events, search.attribution)


def _linked(rows: Sequence[tuple[Impression, tuple[Deed, ...]]]) -> Iterator[SessionSearch]:
    for at, (impression, deeds) in enumerate(rows):
        following = rows[at + 1][0] if at + 1 < len(rows) else None
        if following is not None and following.query.time - impression.query.time > SAME_SESSION_S:
            following = None
        yield SessionSearch(impression=impression, deeds=deeds, following=following)


def _flood(rows: Sequence[tuple[Impression, tuple[Deed, ...]]]) -> bool:
    minutes = (rows[-1][0].query.time - rows[0][0].query.time) / 60 + 1
    acts = len(rows) + sum(len(deeds) for _, deeds in rows)
    return acts > _GUARD.burst + _GUARD.per_minute * minutes or any(len(d) == MOST_DEEDS for _, d in rows)
