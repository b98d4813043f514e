"""What a listener is going to do, all luck drawn before anything is shown: every policy meets the same listener."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bandstand.replay.simulate.listener import Draws
from bandstand.replay.simulate.world import Need, World


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
