"""A listener: looks at a page, clicks, plays what satisfies, tries once more; all luck is drawn beforehand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandstand.replay.simulate.experiments import Listeners
from bandstand.replay.simulate.world import Need, World
from bandstand.types import Event, Impression

READING_S, DECIDING_S = 4.0, 2.0
"""Seconds to the first click, and from one click to the next."""

RETRY_AFTER_S = 30.0
"""Seconds from a search to the next one of the session."""

PLAY_TOLD_S = 30.0
"""Players report a play when it has lasted so long, or earlier when it ends."""

_SHORT_S = (2.0, 10.0)
_PLACES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a listener did with one page: the events, and whether the need was met."""

    events: tuple[Event, ...]
    satisfied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The random numbers of one session, drawn before anything is shown: every policy meets the same luck.

    ``uniforms`` (3, 10) are for the click model, ``pleased`` (10,) for satisfaction, ``persistent`` for trying again.
    """

    uniforms: NDArray[np.float64]
    pleased: NDArray[np.float64]
    persistent: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> Draws:
        """The numbers of a session."""
        numbers = rng.random((4, _PLACES))
        return cls(uniforms=numbers[:3], pleased=numbers[2], persistent=float(rng.random()))


def attraction(listeners: Listeners, wanted: NDArray[np.bool_], baits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(click | examined) of each hit, (n,)."""
    return np.where(wanted, listeners.wanted, np.where(baits, listeners.bait, listeners.other))


def visit(
    listeners: Listeners, impression: Impression, wanted: NDArray[np.bool_], baits: Collection[str], draws: Draws
) -> Visit:
    """Read the page once. ``wanted`` bool (n,) says which hits would do.

    Whether a clicked track satisfies is decided by the same number that lets a dynamic-Bayesian reader stop.
    """
    page = impression.entity_ids[: min(impression.shown, _PLACES)]
    wanted = wanted[: len(page)]
    baited = np.array([entity in baits for entity in page], np.bool_)
    pleasing = np.where(wanted, listeners.satisfied, 0.0)
    places = listeners.clicks.clicks(attraction(listeners, wanted, baited), pleasing, draws.uniforms)
    pleased = [bool(draws.pleased[place] < pleasing[place]) for place in places]
    return Visit(events=_events(impression, places, pleased), satisfied=any(pleased))


def pick(impression: Impression, wanted: NDArray[np.bool_]) -> Visit:
    """Somebody who knows what it is called looks for it down the page, and plays it where it is there."""
    places = np.flatnonzero(wanted[: min(impression.shown, _PLACES)])[:1].tolist()
    return Visit(events=_events(impression, places, [True] * len(places)), satisfied=bool(places))


def _events(impression: Impression, places: Sequence[int], pleased: Sequence[bool]) -> tuple[Event, ...]:
    """A click, then a play, for each place: in the order in which they are reported."""
    query, events = impression.query, []
    for number, (place, satisfied) in enumerate(zip(places, pleased, strict=True)):
        clicked = query.time + READING_S + DECIDING_S * number
        low, high = _SHORT_S
        seconds = PLAY_TOLD_S if satisfied else low + (high - low) * place / _PLACES
        for action, time, lasted in (("click", clicked, None), ("play", clicked + seconds, seconds)):
            events.append(
                Event(
                    id=f"{query.id}/{number}/{action}",
                    action=action,
                    time=time,
                    query_id=query.id,
                    user_query=query.text,
                    user_id=query.user_id,
                    session_id=query.session_id,
                    object_id=impression.entity_ids[place],
                    position=place + 1,
                    play_seconds=lasted,
                )
            )
    return tuple(sorted(events, key=lambda event: event.time))


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One session.

    ``again`` is what is searched for if the first search does not satisfy: the same by its full name, or, by who gives
    up on it, something else; None for who leaves.
    """

    need: Need
    draws: Draws
    user: str | None
    again: Need | None

    @classmethod
    def of(cls, world: World, number: int, *, seed: int) -> Script:
        """The session behind search ``number``, from 0."""
        listeners, need = world.experiment.listeners, world.need(number)
        rng = np.random.default_rng([seed, 4, number])
        draws = Draws.of(rng)
        user = f"u{rng.integers(listeners.users)}" if listeners.users else None
        if draws.persistent < listeners.persistent:
            again: Need | None = replace(need, text=world.full_name(need, rng))
        else:
            again = _stray(world, number, np.random.default_rng([seed, 6, number]))
        return cls(need=need, draws=draws, user=user, again=again)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that may be typed."""
        return (self.need.text,) if self.again is None else (self.need.text, self.again.text)


def _stray(world: World, number: int, rng: np.random.Generator) -> Need | None:
    """Another wish, by its full name: that of some other search of the experiment."""
    if rng.random() >= world.experiment.listeners.strays:
        return None
    other = world.need(int(rng.integers(world.experiment.searches)))
    own = world.need(number)
    return None if other.key == own.key else replace(other, text=world.full_name(other, rng))
