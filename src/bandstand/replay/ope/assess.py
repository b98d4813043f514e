"""The evaluation of a policy on a log: every estimator that the log allows, intervals, diagnostics, verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from bandstand.bandit.policy import Policy
from bandstand.dashboard.estimates import Estimates, PolicyEstimate
from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.replay.ope import joint_decisions
from bandstand.replay.ope.diagnostics import diagnose, largest_weight
from bandstand.replay.ope.estimate import Estimate, share
from bandstand.replay.ope.estimators import Found, all_estimates, preferred
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.intervals import bootstrap, confidence_sequence, empirical_bernstein
from bandstand.replay.ope.logs import log_to_feedback
from bandstand.replay.ope.result import EstimateRow, OpeReport
from bandstand.replay.ope.value_model import fit_values
from bandstand.replay.ope.verdict import VerdictSettings, judge
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import Interval
from bandstand.types import Roster

_LOGGED, _GAIN, _COST, _LOGGED_COST = "logged", "gain", "cost_ms", "logged_cost_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeSettings:
    """``level`` of the intervals, ``resamples`` and ``seed`` of the bootstrap and the folds, thresholds of the verdict.

    ``weight_bound`` is the largest weight that the policies allow (with an exploration floor f over k depths at most
    (k / f) to the power of the arms), where it is known in advance: empirical Bernstein needs it for several arms.
    """

    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    weight_bound: float = math.inf
    verdict: VerdictSettings = field(default_factory=VerdictSettings)

    def __post_init__(self) -> None:
        share(self.level, "level")
        if self.resamples < 100:
            raise BadInput(f"resamples must be 100 or more, got {self.resamples}", field="resamples")


def evaluate(
    log: Iterable[Joined], policy: Policy, *, settings: OpeSettings | None = None, roster: Roster = BUILT_IN
) -> OpeReport:
    """What ``policy`` would have earned on the searches of ``log``, and whether the log can tell.

    Raises:
        BadInput: No search of the log can be used.
    """
    return assess(log_to_feedback(log, policy, roster), policy=policy.name, settings=settings)


def assess(feedback: Feedback, *, policy: str, settings: OpeSettings | None = None) -> OpeReport:
    """The same for rounds of any origin, with rewards in [0, 1]; a reward model is fitted where contexts are known.

    Raises:
        BadInput: Rewards outside [0, 1].
    """
    chosen = settings or OpeSettings()
    if feedback.reward.min() < 0.0 or feedback.reward.max() > 1.0:
        raise BadInput("rewards must lie in [0, 1]: scale them first", field="reward")
    if feedback.predicted is None and feedback.context is not None:
        feedback = fit_values(feedback, seed=chosen.seed)
    found, undefined = all_estimates(feedback)
    answer = preferred(found)
    # All in one go: drawing the resamples is what takes the time.
    rows = _rows(feedback, found | _beside(feedback, found[answer].estimate), chosen)
    beside = {name: rows.pop(name) for name in (_LOGGED, _GAIN, _COST, _LOGGED_COST) if name in rows}
    rows |= {name: EstimateRow(name=name, value=None, note=why) for name, why in undefined.items()}
    diagnostics = diagnose(feedback)
    bounds = rows[answer].bounds()
    half_width = None if bounds is None else (bounds[1] - bounds[0]) / 2.0
    return OpeReport(
        policy=policy,
        rounds=len(feedback),
        arms=feedback.arms,
        logged=beside[_LOGGED],
        gain=beside[_GAIN],
        answer=answer,
        estimates=rows,
        cost_ms=beside.get(_COST),
        logged_cost_ms=beside.get(_LOGGED_COST),
        diagnostics=diagnostics,
        verdict=judge(feedback, diagnostics, settings=chosen.verdict, half_width=half_width),
        left_out=feedback.left_out,
        unused=feedback.unused,
        settings=asdict(chosen),
    )


def _beside(feedback: Feedback, answer: Estimate) -> dict[str, Found]:
    """What the log itself earned and cost, how far the answer is ahead of it, and what the policy would cost.

    An arm's milliseconds depend on no later arm, so prefixes of the weights are enough for them.
    """
    found = {
        _LOGGED: Found(Estimate.mean(feedback.reward)),
        _GAIN: Found(replace(answer, base=answer.base - feedback.reward)),
    }
    if feedback.cost is None:
        return found
    cost = joint_decisions.per_decision_ips(feedback.cost, feedback.target, feedback.logged)
    return found | {_COST: Found(cost), _LOGGED_COST: Found(Estimate.mean(feedback.cost.sum(axis=1)))}


def _rows(feedback: Feedback, found: dict[str, Found], settings: OpeSettings) -> dict[str, EstimateRow]:
    intervals = {name: [interval] for name, interval in _bootstrap(feedback, found, settings).items()}
    if "ipw" in found:
        intervals.setdefault("ipw", []).extend(_guaranteed(feedback, found["ipw"].estimate, settings))
    return {
        name: EstimateRow(
            name=name,
            value=each.estimate.value,
            standard_error=each.estimate.standard_error,
            intervals=tuple(intervals.get(name, ())),
            parameter=each.parameter,
            note=each.note,
        )
        for name, each in found.items()
    }


def _bootstrap(feedback: Feedback, found: dict[str, Found], settings: OpeSettings) -> dict[str, Interval]:
    """From the same resamples for all; where some hold no weight, self-normalised estimates get no interval."""
    estimates = {name: each.estimate for name, each in found.items()}
    resample = partial(
        bootstrap,
        level=settings.level,
        resamples=settings.resamples,
        seed=settings.seed,
        clusters=feedback.clusters,
        expanded=True,
    )
    try:
        return resample(estimates)
    except BadInput:
        return resample({name: estimate for name, estimate in estimates.items() if not estimate.normalised})


def _guaranteed(feedback: Feedback, ipw: Estimate, settings: OpeSettings) -> list[Interval]:
    """Intervals that promise their level at this n: a sequence always, Bernstein where the weights have a bound."""
    sequence = confidence_sequence(feedback.reward, feedback.weights, level=settings.level).last
    bound = min(settings.weight_bound, largest_weight(feedback))
    if not math.isfinite(bound):
        return [sequence]
    return [empirical_bernstein(ipw.terms, low=0.0, high=bound, level=settings.level), sequence]


AS_LOGGED = "as logged"


def estimate_all(
    searches: Iterable[Joined],
    policies: Mapping[str, Policy],
    *,
    now: float,
    settings: OpeSettings | None = None,
    roster: Roster = BUILT_IN,
) -> Estimates:
    """The estimate of each policy on the same searches, and what was earned as logged; each grey where it cannot tell.

    Holds the searches in memory: hand in the newest few thousand.
    """
    log = list(searches)
    found = [_estimate(log, name, policy, settings, roster) for name, policy in policies.items()]
    logged = next((report for report, _ in found if report is not None), None)
    rows = [] if logged is None else [_row(AS_LOGGED, logged.logged, ess=None, cost_ms=_value(logged.logged_cost_ms))]
    return Estimates(time=now, searches=len(log), policies=[*rows, *(row for _, row in found)])


def _estimate(
    log: Iterable[Joined], name: str, policy: Policy, settings: OpeSettings | None, roster: Roster
) -> tuple[OpeReport | None, PolicyEstimate]:
    try:
        report = assess(log_to_feedback(log, policy, roster), policy=name, settings=settings)
    except BadInput as refused:
        return None, PolicyEstimate(policy=name, reason=str(refused))
    row = _row(name, report.headline, ess=report.diagnostics.weights.ess, cost_ms=_value(report.cost_ms))
    return report, replace(row, reason="; ".join(report.verdict.reasons))


def _row(name: str, row: EstimateRow, *, ess: float | None, cost_ms: float | None) -> PolicyEstimate:
    low, high = row.bounds() or (None, None)
    return PolicyEstimate(
        policy=name,
        value=row.value,
        low=low,
        high=high,
        ess=ess,
        cost_ms=cost_ms,
        estimator=row.name,
    )


def _value(row: EstimateRow | None) -> float | None:
    return None if row is None else row.value
