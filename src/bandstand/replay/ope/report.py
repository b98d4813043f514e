"""What an evaluation says: estimates with intervals, diagnostics, the verdict, and all of it as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from bandstand.replay.ope.diagnostics import Diagnostics
from bandstand.replay.ope.intervals import Interval
from bandstand.replay.ope.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRow:
    """One estimator's answer; ``value`` is None where it is undefined, and ``note`` says why or under what assumption.

    ``parameter`` is the hyper-parameter that was chosen on this log, where the estimator has one.
    """

    name: str
    value: float | None
    standard_error: float | None = None
    intervals: tuple[Interval, ...] = ()
    parameter: float | None = None
    note: str = ""

    def interval(self, method: str = "bootstrap") -> Interval | None:
        """The interval by that method; None where there is none."""
        return next((interval for interval in self.intervals if interval.method == method), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeReport:
    """The evaluation of one policy on one log.

    ``answer`` names the row to read; ``logged`` is the logging policy's own mean reward, ``gain`` how far the answer
    is ahead of it on the same rounds; ``cost_ms`` what the arms would take a search and ``logged_cost_ms`` what they
    took, None where the log holds no times. ``settings`` holds seed, level and thresholds.
    """

    policy: str
    rounds: int
    arms: tuple[str, ...]
    logged: EstimateRow
    gain: EstimateRow
    answer: str
    estimates: Mapping[str, EstimateRow]
    cost_ms: EstimateRow | None
    logged_cost_ms: EstimateRow | None
    diagnostics: Diagnostics
    verdict: Verdict
    left_out: Mapping[str, int]
    unused: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def headline(self) -> EstimateRow:
        """The row that answers the question."""
        return self.estimates[self.answer]

    def to_dict(self) -> dict[str, object]:
        """All of it as plain values; what is not finite is None, as JSON has no word for it."""
        return {name: plain(value) for name, value in asdict(self).items()}

    def to_json(self) -> str:
        """The same as one JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False, indent=2)


def plain(value: object) -> object:
    """A value for JSON: mappings, lists, and finite numbers or None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
