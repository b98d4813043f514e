"""Every estimator that a log allows, tried on it; how much to clip, switch or shrink is chosen from the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.ope import joint_decisions, single_decision
from bandstand.replay.ope.estimate import Estimate, Floats, share
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.intervals import student_quantile

_SLOPE_CONSTANT = math.sqrt(6.0) - 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One value of the hyper-parameter, and its estimate."""

    parameter: float
    estimate: Estimate


def choose_by_slope(candidates: Sequence[Candidate], *, delta: float = 0.1) -> Candidate:
    """Lepski's principle: the least variable candidate that still agrees with all the more variable ones.

    Going from the widest to the narrowest interval of half-width c (Student's t at level 1 - delta), stop before the
    first estimate V with |V - V_j| > c + (sqrt(6) - 1) c_j for an earlier j. Assumes that bias grows as variance
    falls. Su, Srinath & Krishnamurthy 2020 ("Adaptive estimator selection for off-policy evaluation"), as refined by
    Tucker & Lee 2021.

    Raises:
        BadInput: No candidates, or a single round, which has no variance.
    """
    if not candidates:
        raise BadInput("give at least one candidate value", field="candidates")
    n = len(candidates[0].estimate)
    if n < 2:
        raise BadInput("one round is too few to compare variances", field="reward")
    quantile = student_quantile(1.0 - share(delta, "delta"), n)
    widths = [quantile * float(np.std(candidate.estimate.terms)) / math.sqrt(n - 1) for candidate in candidates]
    order = sorted(range(len(candidates)), key=lambda at: -widths[at])
    chosen = order[0]
    for place, at in enumerate(order):
        value = candidates[at].estimate.value
        agrees = all(
            abs(value - candidates[wider].estimate.value) <= widths[at] + _SLOPE_CONSTANT * widths[wider]
            for wider in order[:place]
        )
        if not agrees:
            break
        chosen = at
    return candidates[chosen]


_LIMITS = (1.0, 5.0, 10.0, 50.0, 100.0, math.inf)
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0, math.inf)
_MIXINGS = (0.001, 0.01, 0.05, 0.1, 0.5)
_CHOSEN = "parameter chosen by SLOPE on this log; the interval counts neither that choice nor the bias it leaves"
_MODEL_ALONE = "as biased as the model: the interval counts the noise alone"
_PREFERRED = ("sequential_dr", "dr", "control_variate_ips", "snipw", "ipw")


@dataclass(frozen=True, slots=True)
class Found:
    """An estimate, the parameter that was chosen for it, and under what assumption it holds."""

    estimate: Estimate
    parameter: float | None = None
    note: str = ""


def all_estimates(feedback: Feedback) -> tuple[dict[str, Found], dict[str, str]]:
    """Every estimator that fits the log, and why the others are undefined on it."""
    found: dict[str, Found] = {}
    undefined: dict[str, str] = {}
    for name, estimate in (_weighing(feedback) | _modelled(feedback) | _by_arm(feedback)).items():
        try:
            found[name] = estimate()
        except BadInput as error:
            undefined[name] = str(error)
    return found, undefined


def preferred(found: Mapping[str, Found]) -> str:
    """The estimator whose answer is to be read: unbiased, and of least variance among those."""
    return next(name for name in _PREFERRED if name in found)


def _weighing(feedback: Feedback) -> dict[str, Callable[[], Found]]:
    reward, target, logged = _joint(feedback)
    table: dict[str, Callable[[], Found]] = {
        "ipw": lambda: Found(single_decision.ipw(reward, target, logged)),
        "ipw_clipped": lambda: _tuned(_LIMITS, lambda limit: single_decision.ipw(reward, target, logged, limit=limit)),
        "snipw": lambda: Found(single_decision.snipw(reward, target, logged)),
        "sg_ipw": lambda: _tuned(
            _MIXINGS, lambda mixing: single_decision.sg_ipw(reward, target, logged, mixing=mixing)
        ),
    }
    if np.isin(feedback.target, (0.0, 1.0)).all():
        note = "right only where the logging policy drew uniformly"
        table["replay_method"] = lambda: Found(single_decision.replay_method(reward, target), note=note)
    return table


def _modelled(feedback: Feedback) -> dict[str, Callable[[], Found]]:
    predicted, direct = feedback.predicted, feedback.direct
    if predicted is None or direct is None:
        return {}
    table: dict[str, Callable[[], Found]] = {"dm": lambda: Found(single_decision.dm(direct[:, 0]), note=_MODEL_ALONE)}
    if len(feedback.arms) > 1:
        return table
    parts = (*_joint(feedback), predicted[:, 0], direct[:, 0])
    return table | {
        "dr": lambda: Found(single_decision.dr(*parts)),
        "sndr": lambda: Found(single_decision.sndr(*parts)),
        "switch_dr": lambda: _tuned(_LIMITS, lambda limit: single_decision.switch_dr(*parts, limit=limit)),
        "dr_os": lambda: _tuned(_STRENGTHS, lambda strength: single_decision.dr_os(*parts, strength=strength)),
        "sg_dr": lambda: _tuned(_MIXINGS, lambda mixing: single_decision.sg_dr(*parts, mixing=mixing)),
    }


def _by_arm(feedback: Feedback) -> dict[str, Callable[[], Found]]:
    if len(feedback.arms) == 1:
        return {}
    parts = (feedback.reward, feedback.target, feedback.logged)
    note = "a cross-check: assumes that the arms' contributions add up and that no arm's chances hang on another's"
    table: dict[str, Callable[[], Found]] = {
        "control_variate_ips": lambda: Found(joint_decisions.control_variate_ips(*parts)),
        "independent_arms_ips": lambda: Found(joint_decisions.independent_arms_ips(*parts), note=note),
    }
    predicted, direct = feedback.predicted, feedback.direct
    if predicted is not None and direct is not None:
        table["sequential_dr"] = lambda: Found(joint_decisions.sequential_dr(*parts, predicted, direct))
    return table


def _joint(feedback: Feedback) -> tuple[Floats, Floats, Floats]:
    return feedback.reward, feedback.target.prod(axis=1), feedback.logged.prod(axis=1)


def _tuned(values: tuple[float, ...], estimate: Callable[[float], Estimate]) -> Found:
    best = choose_by_slope([Candidate(parameter=value, estimate=estimate(value)) for value in values])
    return Found(best.estimate, parameter=best.parameter, note=_CHOSEN)
