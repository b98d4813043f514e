"""What an evaluation says: estimates with intervals, diagnostics, the verdict, in words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bandstand.replay.ope.diagnostics import Diagnostics
from bandstand.replay.ope.verdict import Verdict
from bandstand.replay.summary import Json
from bandstand.statistics import Interval


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

    def bounds(self, method: str = "bootstrap") -> tuple[float, float] | None:
        """Both bounds of that interval; None where they are not known."""
        found = self.interval(method)
        return None if found is None else found.bounds


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
        values: dict[str, object] = msgspec.json.decode(msgspec.json.encode(self, enc_hook=float))
        return values

    def to_json(self) -> str:
        """The same as one JSON object."""
        return msgspec.json.format(msgspec.json.encode(self, enc_hook=float), indent=2).decode()


LOGGED = "as logged"
REWARD = "reward"


def result_of(report: OpeReport, *, dataset: str, sha256: str, version: str) -> Json:
    """The JSON of an evaluation: the keys that every result has (see ``result.schema.json``), and the whole report.

    ``answer`` is the sentence; which row of ``estimates`` it is taken from stands in ``estimator``.
    """
    whole = report.to_dict()
    estimator = whole.pop("answer")
    logged_cost, cost = report.logged_cost_ms, report.cost_ms
    return {
        "dataset": dataset,
        "protocol": "off-policy evaluation",
        "data_sha256": sha256,
        "seed": report.settings["seed"],
        "n_searches": report.rounds,
        "version": version,
        "question": question(report, dataset),
        "answer": answer(report),
        "refused": refusals(report),
        "policies": {
            LOGGED: _policy(report.logged, None if logged_cost is None else logged_cost.value),
            report.policy: _policy(report.headline, None if cost is None else cost.value),
        },
        "estimator": estimator,
        **whole,
    }


def question(report: OpeReport, dataset: str) -> str:
    """What is asked, in one sentence."""
    return f"Would {report.policy} have earned more than what was done in the {report.rounds:,} rounds of {dataset}?"


def answer(report: OpeReport) -> str:
    """What the log says to it, in one sentence."""
    if not report.verdict.enough:
        return f"Not enough data: {report.verdict.reasons[0]}; {report.verdict.remedy}."
    gain, bounds = report.gain, report.gain.bounds()
    figures = f"{_figure(report.headline)} a round against {_figure(report.logged)} as logged"
    if bounds is None:
        return f"It cannot be told how sure this is: {figures}."
    low, high = bounds
    ahead = f"{gain.value:+.4f}, 95 % from {low:+.4f} to {high:+.4f}"
    if low <= 0.0 <= high:
        return f"The two cannot be told apart: {figures} ({ahead})."
    return f"{'Yes' if low > 0.0 else 'No'}: {figures} ({ahead})."


def refusals(report: OpeReport) -> list[str]:
    """What is not claimed, and why."""
    undefined = [f"{name} is undefined here: {row.note}" for name, row in report.estimates.items() if row.value is None]
    left_out = [f"{count} rounds were left out: {reason}" for reason, count in report.left_out.items()]
    verdict = [] if report.verdict.enough else [report.verdict.remedy]
    return [*report.verdict.reasons, *verdict, *report.verdict.warnings, *left_out, *undefined]


def _policy(row: EstimateRow, cost_ms: float | None) -> Mapping[str, object]:
    bounds = row.bounds() or (None, None)
    return {"metrics": {REWARD: {"value": row.value, "ci95": list(bounds)}}, "cost_ms": cost_ms, "segments": {}}


def _figure(row: EstimateRow) -> str:
    return "undefined" if row.value is None else f"{row.value:.4f}"
