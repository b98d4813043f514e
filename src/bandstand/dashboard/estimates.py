"""What other policies would have earned, as the last evaluation of the log left it in a file of the home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bandstand.dashboard.charts import Chart, Explained
from bandstand.errors import StorageError
from bandstand.files import write_file

ESTIMATES = Explained(
    name="estimates",
    title="What other policies would have earned",
    unit="reward a search",
    how="Off-policy evaluation of the newest logged searches by `bandstand estimates`, which `serve` repeats every"
    " BANDSTAND_ESTIMATE_MINUTES: the estimator that fits the log, with a 95 % bootstrap interval over users and the"
    " effective sample size. Grey: not enough data, with the reason; such a number is not to be read.",
    kind="bars",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEstimate:
    """One policy's answer: mean reward a search with its interval, effective sample size, milliseconds of retrieval.

    ``reason`` says why the log cannot tell; empty where it can. ``policy`` "as logged" is what was done.
    """

    policy: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    ess: float | None = None
    cost_ms: float | None = None
    estimator: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """The policy with the number of searches that the log is worth for it, where that is known."""
        return self.policy if self.ess is None else f"{self.policy} ({self.ess:,.0f} effective)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """All policies, judged at ``time`` (seconds since 1970) by so many ``searches``."""

    time: float
    searches: int
    policies: Sequence[PolicyEstimate]


def write_estimates(path: Path, found: Estimates) -> None:
    """Put the estimates into a file, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        write_file(path, msgspec.json.encode(found))
    except OSError as cause:
        raise StorageError(f"{path} cannot be written: {cause.strerror}; free some space, check permissions") from cause


def read_estimates(path: Path) -> Estimates | None:
    """The estimates of a file; None where no evaluation was made yet.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Estimates)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as cause:
        raise StorageError(f"{path} cannot be read ({cause}); delete it and run `bandstand estimates`") from cause


def estimates_chart(found: Estimates | None) -> Chart:
    """The estimates as bars with intervals, each with its effective sample size."""
    policies = found.policies if found is not None else ()
    return Chart(
        about=ESTIMATES,
        places=[each.label for each in policies],
        lines={"reward": [each.value for each in policies]},
        low={"reward": [each.low for each in policies]},
        high={"reward": [each.high for each in policies]},
        grey={each.label: f"not enough data: {each.reason}" for each in policies if each.reason},
    )
