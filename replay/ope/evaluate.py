"""The evaluation of a policy on a log: every estimator that the log allows, intervals, diagnostics, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np

from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.replay.ope import doubly_robust, factorised, inverse
from bandstand.replay.ope.checks import Floats, share
from bandstand.replay.ope.diagnostics import diagnose, largest_weight
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.intervals import Interval, bootstrap, empirical_bernstein
from bandstand.replay.ope.logs import log_to_feedback
from bandstand.replay.ope.report import EstimateRow, OpeReport
from bandstand.replay.ope.reward_model import fit_values
from bandstand.replay.ope.rounds import Feedback
from bandstand.replay.ope.sequences import confidence_sequence
from bandstand.replay.ope.tuning import Candidate, choose_by_slope
from bandstand.replay.ope.verdict import VerdictSettings, judge

_LIMITS = (1.0, 5.0, 10.0, 50.0, 100.0, math.inf)
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0, math.inf)
_MIXINGS = (0.001, 0.01, 0.05, 0.1, 0.5)
_LOGGED, _COST = "logged", "cost_ms"
_CHOSEN = "parameter chosen by SLOPE on this log; the interval counts neither that choice nor the bias it leaves"
_MODEL_ALONE = "as biased as the model: the interval counts the noise alone"


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


@dataclass(slots=True)
class _Found:
    """An estimate on its way into the report."""

    estimate: Estimate
    parameter: float | None = None
    note: str = ""


def evaluate(log: Iterable[Joined], policy: Policy, *, settings: OpeSettings | None = None) -> OpeReport:
    """What ``policy`` would have earned on the searches of ``log``, and whether the log can tell.

    Raises:
        BadInput: No search of the log can be used.
    """
    return assess(log_to_feedback(log, policy), policy=policy.name, settings=settings)


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
    found, undefined = _all_estimates(feedback)
    # All in one go: drawing the resamples is what takes the time.
    rows = _rows(feedback, found | _beside(feedback), chosen)
    logged, cost = rows.pop(_LOGGED), rows.pop(_COST, None)
    rows |= undefined
    answer = next(name for name in ("sequential_dr", "dr", "control_variate_ips", "snipw") if name in rows)
    interval = rows[answer].interval()
    diagnostics = diagnose(feedback)
    half_width = None if interval is None else (interval.high - interval.low) / 2.0
    return OpeReport(
        policy=policy,
        rounds=len(feedback),
        arms=feedback.arms,
        logged=logged,
        answer=answer,
        estimates=rows,
        cost_ms=cost,
        diagnostics=diagnostics,
        verdict=judge(feedback, diagnostics, settings=chosen.verdict, half_width=half_width),
        left_out=feedback.left_out,
        settings=asdict(chosen),
    )


def _beside(feedback: Feedback) -> dict[str, _Found]:
    """What the log itself earned, and what the policy would cost.

    An arm's milliseconds depend on no later arm, so prefixes of the weights are enough for them.
    """
    found = {_LOGGED: _Found(Estimate.mean(feedback.reward))}
    if feedback.cost is None:
        return found
    cost = factorised.per_decision_ips(feedback.cost, feedback.target, feedback.logged)
    return found | {_COST: _Found(cost)}


def _all_estimates(feedback: Feedback) -> tuple[dict[str, _Found], dict[str, EstimateRow]]:
    """Every estimator that fits the log, and marked rows for those that are undefined on it."""
    found: dict[str, _Found] = {}
    undefined: dict[str, EstimateRow] = {}
    for name, estimate in (_weighing(feedback) | _modelled(feedback) | _by_arm(feedback)).items():
        try:
            found[name] = estimate()
        except BadInput as error:
            undefined[name] = EstimateRow(name=name, value=None, note=str(error))
    return found, undefined


def _weighing(feedback: Feedback) -> dict[str, Callable[[], _Found]]:
    reward, target, logged = _joint(feedback)
    table: dict[str, Callable[[], _Found]] = {
        "ipw": lambda: _Found(inverse.ipw(reward, target, logged)),
        "ipw_clipped": lambda: _tuned(_LIMITS, lambda limit: inverse.ipw(reward, target, logged, limit=limit)),
        "snipw": lambda: _Found(inverse.snipw(reward, target, logged)),
        "sg_ipw": lambda: _tuned(_MIXINGS, lambda mixing: inverse.sg_ipw(reward, target, logged, mixing=mixing)),
    }
    if np.isin(feedback.target, (0.0, 1.0)).all():
        note = "right only where the logging policy drew uniformly"
        table["replay_method"] = lambda: _Found(inverse.replay_method(reward, target), note=note)
    return table


def _modelled(feedback: Feedback) -> dict[str, Callable[[], _Found]]:
    predicted, direct = feedback.predicted, feedback.direct
    if predicted is None or direct is None:
        return {}
    table: dict[str, Callable[[], _Found]] = {"dm": lambda: _Found(doubly_robust.dm(direct[:, 0]), note=_MODEL_ALONE)}
    if len(feedback.arms) > 1:
        return table
    parts = (*_joint(feedback), predicted[:, 0], direct[:, 0])
    return table | {
        "dr": lambda: _Found(doubly_robust.dr(*parts)),
        "sndr": lambda: _Found(doubly_robust.sndr(*parts)),
        "switch_dr": lambda: _tuned(_LIMITS, lambda limit: doubly_robust.switch_dr(*parts, limit=limit)),
        "dr_os": lambda: _tuned(_STRENGTHS, lambda strength: doubly_robust.dr_os(*parts, strength=strength)),
        "sg_dr": lambda: _tuned(_MIXINGS, lambda mixing: doubly_robust.sg_dr(*parts, mixing=mixing)),
    }


def _by_arm(feedback: Feedback) -> dict[str, Callable[[], _Found]]:
    if len(feedback.arms) == 1:
        return {}
    parts = (feedback.reward, feedback.target, feedback.logged)
    note = "a cross-check: assumes that the arms' contributions add up and that no arm's chances hang on another's"
    table: dict[str, Callable[[], _Found]] = {
        "control_variate_ips": lambda: _Found(factorised.control_variate_ips(*parts)),
        "independent_arms_ips": lambda: _Found(factorised.independent_arms_ips(*parts), note=note),
    }
    predicted, direct = feedback.predicted, feedback.direct
    if predicted is not None and direct is not None:
        table["sequential_dr"] = lambda: _Found(factorised.sequential_dr(*parts, predicted, direct))
    return table


def _joint(feedback: Feedback) -> tuple[Floats, Floats, Floats]:
    return feedback.reward, feedback.target.prod(axis=1), feedback.logged.prod(axis=1)


def _tuned(values: tuple[float, ...], estimate: Callable[[float], Estimate]) -> _Found:
    best = choose_by_slope([Candidate(parameter=value, estimate=estimate(value)) for value in values])
    return _Found(best.estimate, parameter=best.parameter, note=_CHOSEN)


def _rows(feedback: Feedback, found: dict[str, _Found], settings: OpeSettings) -> dict[str, EstimateRow]:
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


def _bootstrap(feedback: Feedback, found: dict[str, _Found], settings: OpeSettings) -> dict[str, Interval]:
    """From the same resamples for all; where some hold no weight, self-normalised estimates get no interval."""
    estimates = {name: each.estimate for name, each in found.items()}
    resample = partial(
        bootstrap,
        level=settings.level,
        resamples=settings.resamples,
        seed=settings.seed,
        clusters=feedback.clusters,
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
