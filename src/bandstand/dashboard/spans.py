"""How far back charts look, and how their time is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bandstand.dashboard.minutes import Counts, added
from bandstand.errors import BadInput

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``length`` seconds in steps of ``step`` seconds."""

    name: str
    length: int
    step: int

    def starts(self, now: float) -> list[float]:
        """The moments at which the steps begin, the last of which holds ``now``."""
        last = int(now) // self.step * self.step
        return [float(last - self.step * back) for back in reversed(range(self.length // self.step))]


SPANS: Mapping[str, Span] = {
    span.name: span
    for span in (
        Span(name="hour", length=HOUR, step=MINUTE),
        Span(name="day", length=DAY, step=15 * MINUTE),
        Span(name="week", length=7 * DAY, step=2 * HOUR),
        Span(name="quarter", length=90 * DAY, step=DAY),
    )
}


def span_of(name: str) -> Span:
    """The span of a name.

    Raises:
        BadInput: there is none.
    """
    if name not in SPANS:
        raise BadInput(f"unknown span {name!r}: use one of {', '.join(SPANS)}", field="span")
    return SPANS[name]


def stepped(rows: Iterable[tuple[float, Mapping[str, float]]], span: Span, now: float) -> list[Counts]:
    """Counts by step, from rows of counts with the moment at which they began; what lies outside is left out."""
    starts = span.starts(now)
    sums: list[Counts] = [{} for _ in starts]
    for moment, counts in rows:
        at = int((moment - starts[0]) // span.step)
        if 0 <= at < len(sums):
            added(sums[at], counts)
    return sums
