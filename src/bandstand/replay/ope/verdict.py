"""Whether a log holds enough to say what a policy is worth, and if not, why and how many rounds would."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.ope.diagnostics import Diagnostics
from bandstand.replay.ope.feedback import Feedback

_RULE_OF_THREE = 3.0
"""What did not happen in n rounds happens in at most 3 / n of them (95 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictSettings:
    """From where on an estimate is not believed.

    ``min_ess``: effective rounds, in the log and in expectation. ``max_share``: of the weight, in one round.
    ``max_uncovered``: of the evaluation policy, on what was never done. ``mean_errors``: how many standard errors
    mean(w) may be away from 1. ``max_left_out``: of the rounds. ``half_width``: of the interval, where asked for.
    """

    min_ess: float = 100.0
    max_share: float = 0.1
    max_uncovered: float = 0.01
    mean_errors: float = 4.0
    max_left_out: float = 0.05
    min_rewarded: float = 20.0
    half_width: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_ess", "max_share", "max_uncovered", "mean_errors", "max_left_out", "min_rewarded"):
            if not getattr(self, name) >= 0.0:
                raise BadInput(f"{name} must be 0 or more, got {getattr(self, name)}", field=name)
        if self.half_width is not None and not self.half_width > 0.0:
            raise BadInput(f"half_width must be positive, got {self.half_width}", field="half_width")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``enough`` data or not, for ``reasons``; ``warnings`` do not forbid an answer.

    ``rounds_needed`` is how many rounds of such logs would do (at least, where the log hides its tail); None where no
    number would, since what the policy does was never tried.
    """

    enough: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    rounds_needed: int | None

    @property
    def headline(self) -> str:
        """The verdict in a few words."""
        return "enough data" if self.enough else "not enough data"

    @property
    def remedy(self) -> str:
        """What would make a refused log do."""
        if self.rounds_needed is None:
            return "no number of rounds of such logs would do: collect logs that explore what the policy does"
        return f"about {self.rounds_needed:,} rounds of such logs would be needed"


@dataclass(frozen=True, slots=True)
class _Objection:
    reason: str
    needed: float | None


def judge(
    feedback: Feedback, found: Diagnostics, *, settings: VerdictSettings | None = None, half_width: float | None = None
) -> Verdict:
    """Weigh the diagnostics of a log; ``half_width`` is that of the answer's interval, where there is one."""
    limits = settings or VerdictSettings()
    n = len(feedback)
    objections = [
        *_weight_objections(found, limits, n),
        *_support_objections(feedback, found, limits),
        *_reward_objections(feedback, limits, half_width),
    ]
    sizes = [objection.needed for objection in objections]
    trusted = [size for size in (found.weights.ess, found.weights.expected_ess) if size is not None]
    base = n * limits.min_ess / min(trusted) if min(trusted) > 0.0 else math.inf
    known = [size for size in (*sizes, base) if size is not None]
    hopeless = None in sizes or not math.isfinite(max(known))
    return Verdict(
        enough=not objections,
        reasons=tuple(objection.reason for objection in objections),
        warnings=tuple(_warnings(feedback, found, limits)),
        rounds_needed=None if hopeless else math.ceil(max(known)),
    )


def _weight_objections(found: Diagnostics, limits: VerdictSettings, n: int) -> Iterator[_Objection]:
    weights = found.weights
    if not weights.ess:
        yield _Objection(f"none of the {n} rounds has any weight under the policy", None)
        return
    if weights.ess < limits.min_ess:
        needed = n * limits.min_ess / weights.ess
        yield _Objection(f"the effective sample size is {weights.ess:.1f} of {n} rounds", needed)
    if weights.largest_share > limits.max_share:
        yield _Objection(f"one round holds {weights.largest_share:.0%} of the weight", 0.0)
    expected = weights.expected_ess
    if expected is not None and expected < limits.min_ess:
        yield _Objection(
            f"the propensities promise an effective sample size of {expected:.2g}, whatever this log shows",
            n * limits.min_ess / expected,
        )
    # The known variance is the better yardstick, unless it is so large that it excuses everything.
    trusted = expected is not None and expected >= limits.min_ess
    error = weights.mean_error if trusted else weights.sample_error
    if weights.deviation > limits.mean_errors * error + 1e-9:
        away = f"{weights.deviation / error:.0f} standard errors" if error else "all rounds alike,"
        yield _Objection(
            f"the mean weight is {weights.mean:.3f}, {away} from 1:"
            " rounds that the policy wants are missing, or the propensities are wrong",
            n * limits.min_ess / _RULE_OF_THREE,
        )


def _support_objections(feedback: Feedback, found: Diagnostics, limits: VerdictSettings) -> Iterator[_Objection]:
    if found.uncovered is not None and found.uncovered > limits.max_uncovered:
        yield _Objection(f"{found.uncovered:.1%} of what the policy does was never done by the logs", None)
    differs = not np.allclose(feedback.target, feedback.logged)
    if found.explored == 0.0 and differs:
        yield _Objection(
            "no round of the log explored: each did what the logging policy likes best",
            len(feedback) * limits.min_ess / _RULE_OF_THREE,
        )
    failed = [f"{check.arm}[{check.option}]" for check in found.propensities if not check.passed]
    if failed:
        yield _Objection(
            f"the propensities do not fit the choices of {', '.join(failed[:5])}: the sum of 1 / p is wrong",
            None,
        )
    total = sum(feedback.left_out.values())
    if total > limits.max_left_out * (total + len(feedback)):
        reasons = ", ".join(f"{count} {reason}" for reason, count in feedback.left_out.items())
        yield _Objection(f"{total} of {total + len(feedback)} rounds could not be used ({reasons})", None)


def _reward_objections(feedback: Feedback, limits: VerdictSettings, half_width: float | None) -> Iterator[_Objection]:
    if len(feedback) > 0 and float(np.ptp(feedback.reward)) == 0.0:
        yield _Objection(f"every reward is {feedback.reward[0]:g}: nothing can be told apart", None)
    if limits.half_width is not None and half_width is not None and half_width > limits.half_width:
        yield _Objection(
            f"the interval is +- {half_width:.3g} wide, +- {limits.half_width:.3g} was asked for",
            len(feedback) * (half_width / limits.half_width) ** 2,
        )


def _warnings(feedback: Feedback, found: Diagnostics, limits: VerdictSettings) -> Iterator[str]:
    if unused := sum(feedback.unused.values()):
        reasons = ", ".join(f"{count} {reason}" for reason, count in feedback.unused.items() if count)
        yield f"{unused} events were not counted ({reasons})"
    if found.effective_rewards < limits.min_rewarded:
        yield f"the rewards come from {found.effective_rewards:.1f} effective rounds: intervals may be too narrow"
    if found.uncovered is not None and 0.0 < found.uncovered <= limits.max_uncovered:
        yield f"{found.uncovered:.2%} of what the policy does was never done by the logs"
    if found.uncovered is None:
        yield "the logs keep no distributions: overlap and exploration cannot be checked"
    model = found.calibration
    if model is not None and abs(model.bias) > limits.mean_errors * model.bias_error:
        yield f"the reward model is off by {model.bias:+.3g} on average"
