"""What each named policy would have earned on a home's newest searches: the numbers that the dashboard shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bandstand.bandit.policy import Policy
from bandstand.dashboard.estimates import Estimates, PolicyEstimate
from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.replay.ope.evaluate import OpeSettings, assess
from bandstand.replay.ope.logs import log_to_feedback
from bandstand.replay.ope.report import EstimateRow, OpeReport

AS_LOGGED = "as logged"


def estimate_all(
    searches: Iterable[Joined], policies: Mapping[str, Policy], *, now: float, settings: OpeSettings | None = None
) -> Estimates:
    """The estimate of each policy on the same searches, and what was earned as logged; each grey where it cannot tell.

    Holds the searches in memory: hand in the newest few thousand.
    """
    log = list(searches)
    found = [_estimate(log, name, policy, settings) for name, policy in policies.items()]
    logged = next((report for report, _ in found if report is not None), None)
    rows = [] if logged is None else [_row(AS_LOGGED, logged.logged, ess=None, cost_ms=_value(logged.logged_cost_ms))]
    return Estimates(time=now, searches=len(log), policies=[*rows, *(row for _, row in found)])


def _estimate(
    log: Iterable[Joined], name: str, policy: Policy, settings: OpeSettings | None
) -> tuple[OpeReport | None, PolicyEstimate]:
    try:
        report = assess(log_to_feedback(log, policy), policy=name, settings=settings)
    except BadInput as refused:
        return None, PolicyEstimate(policy=name, reason=str(refused))
    row = _row(name, report.headline, ess=report.diagnostics.weights.ess, cost_ms=_value(report.cost_ms))
    return report, replace(row, reason="; ".join(report.verdict.reasons))


def _row(name: str, row: EstimateRow, *, ess: float | None, cost_ms: float | None) -> PolicyEstimate:
    interval = row.interval()
    return PolicyEstimate(
        policy=name,
        value=row.value,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        ess=ess,
        cost_ms=cost_ms,
        estimator=row.name,
    )


def _value(row: EstimateRow | None) -> float | None:
    return None if row is None else row.value
