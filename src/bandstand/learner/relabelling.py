"""Which failed searches a success answers too, and weak labels that wait until people agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from bandstand.feedback.rewards import RewardWeights
from bandstand.feedback.sessions import RETRIED_S, follows_quickly, relabel_share
from bandstand.learner.open_searches import KeyValue, OpenSearches
from bandstand.learner.rewards import RewardProvider
from bandstand.types import Impression, Query
from bandstand.types.hashing import digest

_PREFIX = b"session/"
_KEPT = 5


class PastSearch(NamedTuple):
    """One search of a session: when it was, and whether it satisfied."""

    query_id: str
    time: float
    satisfied: bool = False


class _Session(msgspec.Struct, frozen=True, array_like=True):
    """Whose a session is (a hash), and its last searches, the newest last."""

    who: str = ""
    past: tuple[PastSearch, ...] = ()
    version: int = 1


class Sessions:
    """Recent searches by session; keys are hashes, so that no session id is kept."""

    def __init__(self, state: KeyValue) -> None:
        self._state = state

    def searched(self, query: Query) -> None:
        """A search began. Without a session id nothing is kept."""
        key = _key(query.session_id)
        if key is not None:
            past = (*_session(self._state.get(key)).past, PastSearch(query.id, query.time))
            self._put(key, _Session(hashed(query.actor), past[-_KEPT:]))

    def satisfied(self, session_id: str | None, query_id: str) -> list[PastSearch]:
        """A search satisfied; returns the searches of the session before it, newest first, once for each search."""
        key = _key(session_id)
        if key is None:
            return []
        session = _session(self._state.get(key))
        past = list(session.past)
        places = [place for place, search in enumerate(past) if search.query_id == query_id]
        if not places or past[places[0]].satisfied:
            return []
        past[places[0]] = past[places[0]]._replace(satisfied=True)
        self._put(key, _Session(session.who, tuple(past)))
        return past[: places[0]][::-1]

    def forget(self, *who: str) -> None:
        """Drop every session of some actors (hashes, see `hashed`)."""
        for key, raw in self._state.scan(_PREFIX):
            if _session(raw).who in who:
                self._state.delete(key)

    def expire(self, before: float) -> int:
        """Drop sessions whose last search is older; returns how many."""
        old = [key for key, raw in self._state.scan(_PREFIX) if _session(raw).past[-1].time < before]
        for key in old:
            self._state.delete(key)
        return len(old)

    def _put(self, key: bytes, session: _Session) -> None:
        self._state.put(key, msgspec.json.encode(session))


def _session(raw: bytes | None) -> _Session:
    return _Session() if raw is None else msgspec.json.decode(raw, type=_Session)


def hashed(actor: str | None) -> str:
    """An actor as 16 hex digits (empty for nobody), so that the learner's state names no user."""
    return digest(actor).hex() if actor else ""


def _key(session_id: str | None) -> bytes | None:
    return _PREFIX + hashed(session_id).encode() if session_id else None


_LABELS_PREFIX = b"hunch/"
_MOST_HELD = 8

COINCIDENCE = 0.01
"""P(two unrelated next searches end at the same entity): the share of a very popular one."""


class WeakLabel(NamedTuple):
    """One person's evidence: who (a hash), the failed search, when, and the actor's remaining weight."""

    who: str
    query_id: str
    time: float
    weight: float


class WeakLabels:
    """Evidence by (failed query, goal), in the learner's transaction."""

    def __init__(self, state: KeyValue) -> None:
        self._state = state

    def add(self, normalized: str, ordinal: int, weak_label: WeakLabel) -> list[WeakLabel]:
        """One more; returns the evidence that this makes credible: all of it at the second person, then only the new.

        The same person again adds nothing.
        """
        key = _label_key(normalized, ordinal)
        held = _weak_labels(self._state.get(key))
        if any(other.who == weak_label.who for other in held) or len(held) >= _MOST_HELD:
            return []
        self._keep(key, [*held, weak_label])
        if not held:
            return []
        return [*held, weak_label] if len(held) == 1 else [weak_label]

    def forget(self, *who: str) -> None:
        """Drop the evidence of some people."""
        for key, raw in self._state.scan(_LABELS_PREFIX):
            held = _weak_labels(raw)
            left = [weak_label for weak_label in held if weak_label.who not in who]
            if len(left) < len(held):
                self._keep(key, left)

    def expire(self, before: float) -> None:
        """Drop evidence that nobody came to share."""
        for key, raw in self._state.scan(_LABELS_PREFIX):
            if all(weak_label.time < before for weak_label in _weak_labels(raw)):
                self._state.delete(key)

    def _keep(self, key: bytes, left: list[WeakLabel]) -> None:
        if left:
            self._state.put(key, msgspec.json.encode(left))
        else:
            self._state.delete(key)


def _weak_labels(raw: bytes | None) -> list[WeakLabel]:
    return [] if raw is None else msgspec.json.decode(raw, type=list[WeakLabel])


def agreed(alone: float) -> float:
    """P(same intent) once two people agree, of whom each alone would be believed by ``alone`` in (0, 1).

    Naive Bayes over the two: c² / (c² + (1 - c)² · `COINCIDENCE`).
    """
    both, neither = alone**2, (1 - alone) ** 2 * COINCIDENCE
    return both / (both + neither)


def _label_key(normalized: str, ordinal: int) -> bytes:
    return _LABELS_PREFIX + f"{digest(normalized, 12).hex()}/{ordinal}".encode()


BELIEVED = 0.5
"""Confidence from which a failed search is relabelled at once; below, it waits for a second person who agrees."""


class Success(NamedTuple):
    """An entity that satisfied a search: by ``goal``, P(goal) in (0, 1], and what the actor's budget left of it."""

    impression: Impression
    ordinal: int
    goal: float
    weight: float
    now: float


class Relabelled(NamedTuple):
    """A failed search led to an entity after all. ``query`` has no user where the evidence was somebody else's."""

    query_id: str
    normalized: str
    user: str | None
    ordinal: int
    weight: float


class Relabelling:
    """Reads sessions; keeps weak labels. By the documented shares until a model judges what is the same intent."""

    def __init__(
        self,
        sessions: Sessions,
        labels: WeakLabels,
        searches: OpenSearches,
        *,
        rewards: RewardProvider,
        weights: RewardWeights,
        impression: Callable[[str | None], Impression | None],
    ) -> None:
        self._sessions, self._labels, self._open = sessions, labels, searches
        self._rewards, self._weights, self._impression = rewards, weights, impression

    def of(self, success: Success) -> Iterator[Relabelled]:
        """The failed searches just before a success, newest first; once for each search."""
        later, confidence, learned = success.impression, success.goal, self._rewards.model is not None
        for past in self._sessions.satisfied(later.query.session_id, later.query.id):
            earlier = None if past.satisfied else self._impression(past.query_id)
            if earlier is None:
                return
            share = self._share(earlier, later)
            if share is None:
                return
            confidence = confidence * share if learned else share
            if not learned or confidence >= BELIEVED:
                yield _told(earlier.query, success, success.weight * confidence)
            else:
                yield from self._agreed(earlier.query, success)
                return
            later = earlier

    def _share(self, earlier: Impression, later: Impression) -> float | None:
        """P(it failed, and both want the same); None where the chain of attempts ends."""
        model = self._rewards.model
        if model is None:
            return relabel_share(earlier.query, later.query, self._weights) or None
        if not follows_quickly(earlier.query, later.query, RETRIED_S):
            return None
        search = self._open.get(earlier.query.id)
        interactions = () if search is None else search.interactions
        failed = (
            1 - model.satisfied(earlier, interactions) if interactions else 1.0
        )  # who touched nothing and searches on has failed
        same = model.same_intent(earlier, later)
        if same is None:
            same = relabel_share(earlier.query, later.query, self._weights)
        return None if failed < BELIEVED else failed * same

    def _agreed(self, query: Query, success: Success) -> Iterator[Relabelled]:
        """What two people who failed with the same words and ended at the same entity tell together."""
        who = hashed(query.actor)
        weak_label = WeakLabel(who, query.id, success.now, success.weight)
        confidence = success.goal * agreed(self._weights.unlike)
        for each in self._labels.add(query.normalized, success.ordinal, weak_label):
            user = query.actor if each.who == who else None
            weight = each.weight * confidence
            yield Relabelled(each.query_id, query.normalized, user, success.ordinal, weight)


def _told(query: Query, success: Success, weight: float) -> Relabelled:
    return Relabelled(query.id, query.normalized, query.actor, success.ordinal, weight)
