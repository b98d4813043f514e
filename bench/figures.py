"""One measured figure, the aim beside it, and how tables and JSON show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value with its unit; ``aim`` is a bound, an upper one unless ``at_least``."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.at_least else self.value <= self.aim


def percentiles(name: str, milliseconds: Sequence[float], aims: dict[int, float] | None = None) -> list[Figure]:
    """The median, 95th and 99th percentile of times."""
    aims = aims or {}
    return [
        Figure(name=f"{name} p{p}", value=float(np.percentile(milliseconds, p)), unit="ms", aim=aims.get(p))
        for p in (50, 95, 99)
    ]


def table(figures: Iterable[Figure]) -> str:
    """A Markdown table."""
    rows = ["| figure | value | aim | |", "| --- | ---: | ---: | --- |"]
    for figure in figures:
        aim = "" if figure.aim is None else f"{'≥' if figure.at_least else '≤'} {figure.aim:g}"
        state = {None: "", True: "reached", False: "missed"}[figure.reached]
        note = ", ".join(part for part in (state, figure.note) if part)
        rows.append(f"| {figure.name} | {figure.value:,.4g} {figure.unit} | {aim} | {note} |")
    return "\n".join(rows)


def as_json(figures: Iterable[Figure]) -> list[dict[str, object]]:
    """The same, for programs."""
    return [{**asdict(figure), "reached": figure.reached} for figure in figures]
