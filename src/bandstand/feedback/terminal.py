"""What a session's end says about each moment before it: the labels that a reward model learns from.

An example is a moment: what had been done on a search so far is what the model sees, and only what came *after* it is
the label. So no action is ever the feature that gives its own label away. Long plays and saves are how sessions end
well; a moment after one of them is no example: how far they themselves are to be believed is counted apart, by how
often the session then went on as if nothing had been found (`kept`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bandstand.feedback.behaviour import Deed, is_strong
from bandstand.feedback.session_log import SessionSearch
from bandstand.feedback.sessions import is_reformulation

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
    deeds = search.deeds
    if not _told(search):
        return
    for done, deed in enumerate(deeds, start=1):
        if not any(is_strong(other) for other in deeds[:done] if other.row == deed.row):
            came = any(is_strong(other) for other in deeds[done:] if other.row == deed.row)
            yield Moment(search, done, deed.row, came and not _in_vain(search, deed.row))


def search_moments(search: SessionSearch) -> Iterator[Moment]:
    """The moment in which the page was shown, and one after each action up to the first strong one.

    Who touches nothing was not satisfied: a title on a page is no music.
    """
    deeds = search.deeds
    if deeds and not _told(search):
        return
    satisfied = any(is_strong(deed) and not _in_vain(search, deed.row) for deed in deeds)
    for done in range(len(deeds) + 1):
        if any(is_strong(deed) for deed in deeds[:done]):
            return
        yield Moment(search, done, None, satisfied)


def kept(searches: Sequence[SessionSearch]) -> tuple[int, int]:
    """How many hits were played long or saved, and with how many of them the session was content."""
    strong, content = 0, 0
    for search in searches:
        for row in {deed.row for deed in search.deeds if is_strong(deed)}:
            strong += 1
            content += not _in_vain(search, row)
    return strong, content


def _told(search: SessionSearch) -> bool:
    """Whether silence means anything: only where somebody reports what became of a click."""
    return any(deed.action in {"play", "save"} for deed in search.deeds)


def _in_vain(search: SessionSearch, row: int) -> bool:
    """Whether the hit was taken back: skipped afterwards, left for a longer love, or the search worded anew."""
    at = max(place for place, deed in enumerate(search.deeds) if deed.row == row and is_strong(deed))
    after = search.deeds[at + 1 :]
    if any(_takes_back(deed, row) for deed in after):
        return True
    following = search.following
    return following is not None and is_reformulation(search.impression.query, following.query, RETRIED_S)


def _takes_back(deed: Deed, row: int) -> bool:
    return (deed.row == row and deed.action == "skip") or (deed.row != row and is_strong(deed))
