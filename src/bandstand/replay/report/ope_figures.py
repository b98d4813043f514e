"""The plots of an off-policy evaluation: estimates with intervals, the reward model's calibration, the propensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bandstand.replay.report.canvas import BAND, SOFT, colour, drawn, on_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]


def ope_figures(result: Json) -> dict[str, str]:
    """By name: ``estimates``, ``propensities``, and ``model`` where there is a reward model."""
    rows = [row for row in result["estimates"].values() if row["value"] is not None]
    alt = "Estimated reward a round with 95 % intervals: " + ", ".join(f"{r['name']} {r['value']:.4f}" for r in rows)
    size = (9.6, 0.32 * len(rows) + 1.1)
    plots = {"estimates": drawn("estimates", alt, size, on_axes(partial(_estimates, result, rows)))}
    found = result["diagnostics"]
    checks = found["propensities"]
    alt = "Sum of 1 / p over the rounds that chose each option, as a share of what is expected, with what chance allows"
    plots["propensities"] = drawn("propensities", alt, (5.4, 3.4), on_axes(partial(_propensities, checks)))
    if found["calibration"] is not None:
        alt = "Mean reward by what the reward model predicted"
        plots["model"] = drawn("model", alt, (4.2, 3.4), on_axes(partial(_model, found["calibration"]["bins"])))
    return plots


def _estimates(result: Json, rows: Sequence[Json], axes: Axes) -> None:
    for at, row in enumerate(reversed(rows)):
        chosen = row["name"] == result["estimator"]
        own = colour(0) if chosen else SOFT
        low, high = _bounds(row)
        if low is not None and high is not None:
            axes.plot([low, high], [at, at], color=own, lw=3 if chosen else 1.5, solid_capstyle="butt")
        axes.plot([row["value"]], [at], "o", ms=6 if chosen else 4, color=own)
    axes.axvline(result["logged"]["value"], color=colour(1), lw=1.5, ls="--", label="as logged")
    axes.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("reward a round")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)


def _bounds(row: Json) -> tuple[float | None, float | None]:
    found = next((each for each in row["intervals"] if each["method"] == "bootstrap"), None)
    return (None, None) if found is None else (found["low"], found["high"])


def _propensities(checks: Sequence[Json], axes: Axes) -> None:
    shown = [check for check in checks if check["expected"] > 0.0]
    for at, check in enumerate(shown):
        allowed = check["allowed"] / check["expected"]
        axes.plot([at, at], [max(1 - allowed, 0.0), 1 + allowed], color=BAND, lw=4, solid_capstyle="butt", zorder=1)
        own = colour(0 if check["passed"] else 1)
        axes.plot([at], [check["total"] / check["expected"]], "o" if check["passed"] else "X", ms=5, color=own)
    axes.axhline(1.0, color=SOFT, lw=1)
    axes.set_xlabel("option, in the order of the arms")
    axes.set_ylabel("sum of 1 / p, as a share of expected")
    axes.set_xticks([])
    axes.set_ylim(bottom=0.0, top=max(2.0, *(1.15 * check["total"] / check["expected"] for check in shown)))


def _model(bins: Sequence[tuple[float, float, int]], axes: Axes) -> None:
    guesses, seen = [each[0] for each in bins], [each[1] for each in bins]
    ends = [min(guesses + seen), max(guesses + seen)]
    axes.plot(ends, ends, color=BAND, lw=2, zorder=0)
    axes.plot(guesses, seen, marker="o", ms=4, color=colour(0))
    axes.set_xlabel("predicted reward")
    axes.set_ylabel("mean reward")
