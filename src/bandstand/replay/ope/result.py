"""An evaluation in the shape that all results share, with the question and its answer in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandstand.replay.ope.report import EstimateRow, OpeReport

Json = dict[str, Any]

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
    gain, interval = report.gain, report.gain.interval()
    figures = f"{_figure(report.headline)} a round against {_figure(report.logged)} as logged"
    if interval is None:
        return f"It cannot be told how sure this is: {figures}."
    bounds = f"{gain.value:+.4f}, 95 % from {interval.low:+.4f} to {interval.high:+.4f}"
    if interval.low <= 0.0 <= interval.high:
        return f"The two cannot be told apart: {figures} ({bounds})."
    return f"{'Yes' if interval.low > 0.0 else 'No'}: {figures} ({bounds})."


def refusals(report: OpeReport) -> list[str]:
    """What is not claimed, and why."""
    undefined = [f"{name} is undefined here: {row.note}" for name, row in report.estimates.items() if row.value is None]
    left_out = [f"{count} rounds were left out: {reason}" for reason, count in report.left_out.items()]
    verdict = [] if report.verdict.enough else [report.verdict.remedy]
    return [*report.verdict.reasons, *verdict, *report.verdict.warnings, *left_out, *undefined]


def _policy(row: EstimateRow, cost_ms: float | None) -> Mapping[str, object]:
    interval = row.interval()
    bounds = [None, None] if interval is None else [interval.low, interval.high]
    return {"metrics": {REWARD: {"value": row.value, "ci95": bounds}}, "cost_ms": cost_ms, "segments": {}}


def _figure(row: EstimateRow) -> str:
    return "undefined" if row.value is None else f"{row.value:.4f}"
