"""What a listener is going to do, all luck drawn before anything is shown: every policy meets the same listener."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandstand.replay.simulate.listener import Draws
from bandstand.replay.simulate.world import Need, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One session. ``again`` is what is typed if the first search does not satisfy, None for who gives up then."""

    need: Need
    draws: Draws
    user: str | None
    again: str | None

    @classmethod
    def of(cls, world: World, number: int, *, seed: int) -> Script:
        """The session behind search ``number``, from 0."""
        listeners, need = world.experiment.listeners, world.need(number)
        rng = np.random.default_rng([seed, 4, number])
        draws = Draws.of(rng)
        user = f"u{rng.integers(listeners.users)}" if listeners.users else None
        again = world.full_name(need, rng) if draws.persistent < listeners.persistent else None
        return cls(need=need, draws=draws, user=user, again=again)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that may be typed."""
        return (self.need.text,) if self.again is None else (self.need.text, self.again)
