"""What people do with a page of results: three click models, each with its click probabilities in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput

Probabilities = NDArray[np.float64]
"""One probability for each hit of a page, best first, shape (n,)."""


class ClickModel(Protocol):
    """Draws the clicks on one page, and says how likely each was."""

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:
        """The clicked places, from 0, in the order of the clicks.

        Args:
            attraction: P(click | examined) of each hit, (n,).
            satisfaction: P(the need is met | clicked) of each hit, (n,).
            uniforms: Uniform numbers in [0, 1), (3, m) with m >= n: for examination, click and satisfaction.
        """

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:
        """P(click) of each hit, (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBased:
    """Position k is examined with probability k^-``decay``, whatever happens elsewhere; the first click ends it.

    P(click at k) = e_k a_k Π_{j<k} (1 - e_j a_j), e_k = k^-decay. Richardson, Dominowska & Ragno 2007, with the stop
    at the first click of a known-item search.
    """

    decay: float = 0.6

    def __post_init__(self) -> None:
        if self.decay < 0:
            raise BadInput(f"decay must be 0 or more, got {self.decay}", field="decay")

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:  # noqa: ARG002 - satisfied or not, one click is all
        """See `ClickModel`."""
        n = len(attraction)
        wanted = (uniforms[0, :n] < self._examined(n)) & (uniforms[1, :n] < attraction)
        return [int(place) for place in np.flatnonzero(wanted)[:1]]

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:  # noqa: ARG002 - see clicks
        """See `ClickModel`."""
        clicked = self._examined(len(attraction)) * attraction
        return clicked * _before(1.0 - clicked)

    def _examined(self, n: int) -> Probabilities:
        return np.arange(1, n + 1, dtype=np.float64) ** -self.decay


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Hits are read from the top until one is clicked.

    P(click at k) = a_k Π_{j<k} (1 - a_j). Craswell, Zoeter, Taylor & Ramsey 2008.
    """

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:  # noqa: ARG002 - as above
        """See `ClickModel`."""
        return [int(place) for place in np.flatnonzero(uniforms[1, : len(attraction)] < attraction)[:1]]

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:  # noqa: ARG002 - as above
        """See `ClickModel`."""
        return attraction * _before(1.0 - attraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicBayesian:
    """Hits are read from the top; a click may satisfy, which ends it; otherwise reading goes on with ``perseverance``.

    P(click at k) = a_k Π_{j<k} γ (1 - a_j s_j). Chapelle & Zhang 2009.
    """

    perseverance: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.perseverance <= 1:
            raise BadInput(f"perseverance must be in (0, 1], got {self.perseverance}", field="perseverance")

    def clicks(self, attraction: Probabilities, satisfaction: Probabilities, uniforms: Probabilities) -> list[int]:
        """See `ClickModel`."""
        n, clicked = len(attraction), []
        for place in range(n):
            if uniforms[1, place] < attraction[place]:
                clicked.append(place)
                if uniforms[2, place] < satisfaction[place]:
                    break
            if uniforms[0, place] >= self.perseverance:
                break
        return clicked

    def probabilities(self, attraction: Probabilities, satisfaction: Probabilities) -> Probabilities:
        """See `ClickModel`."""
        return attraction * _before(self.perseverance * (1.0 - attraction * satisfaction))


CLICK_MODELS: Mapping[str, ClickModel] = {
    "position": PositionBased(),
    "cascade": Cascade(),
    "dbn": DynamicBayesian(),
}
"""By the name under which a simulation can ask for them."""


def _before(going_on: Probabilities) -> Probabilities:
    """The product over all places before each; 1 at the first."""
    before: Probabilities = np.concatenate([[1.0], np.cumprod(going_on)[:-1]])[: len(going_on)]
    return before
