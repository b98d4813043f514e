"""What a chart is: lines over common places, a unit, and the words that say how its numbers are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["lines", "stacked", "bars", "across"]
"""How it is drawn; "across" are bars that lie, the first on top: for places with long names."""

Number = float | None
"""A value; None where there is nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The name of a chart (part of addresses), its title, the unit of its numbers, and how they are computed."""

    name: str
    title: str
    unit: str
    how: str
    kind: Kind = "lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart with its data.

    ``places`` are what stands along it: times as seconds since 1970, or words. ``lines`` holds one number for each
    place by the name of a line; ``low`` and ``high`` bound a line of the same name, where it has intervals. ``grey``
    gives the reason for places of which too little is known.
    """

    about: Explained
    places: Sequence[float] | Sequence[str]
    lines: Mapping[str, Sequence[Number]]
    low: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    high: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    grey: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for line in self.lines.values() for value in line)


def ratio(above: float, below: float, *, scale: float = 1.0) -> Number:
    """A quotient for a chart; None where nothing was counted below."""
    return scale * above / below if below else None
