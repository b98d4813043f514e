"""The plots of selective retrieval: quality against cost, reliability, and decisions by class of query."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bandstand.replay.report.canvas import (
    BAND,
    SOFT,
    colour,
    dash,
    drawn,
    legend_above,
    mark,
    on_axes,
    panels,
    rows_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = Mapping[str, Any]


def selective_figures(result: Json) -> dict[str, str]:
    """By name: ``thresholds``, ``decisions``, and ``reliability`` where there were estimates."""
    looked = result["looked_into"]
    plots = {
        "thresholds": drawn(
            "thresholds",
            "MRR@10 against the modelled cost of a search, as the thresholds rise; never, always and as decided",
            (9.6, 3.8),
            on_axes(partial(_curve, looked)),
        ),
        "decisions": drawn(
            "decisions", "Share of right decisions by class of query", (9.6, 3.0), on_axes(partial(_classes, looked))
        ),
    }
    estimated = {name: each["calibration"] for name, each in looked.items() if "calibration" in each}
    if estimated:
        retrievers = list(next(iter(estimated.values())))
        size = (9.6, 2.6 * rows_of(len(retrievers)) + 0.4)
        alt = "How often each retriever helped, by what was predicted"
        plots["reliability"] = drawn("reliability", alt, size, partial(_reliability, estimated, retrievers))
    return plots


def _curve(looked: Json, axes: Axes) -> None:
    for number, (policy, each) in enumerate(looked.items()):
        if points := each.get("curve"):
            axes.plot(
                [point["cost_ms"] for point in points], [point["quality"] for point in points],
                ls=dash(number), color=colour(number), marker=".", ms=4, label=f"thresholds, in {policy}'s world",
            )  # fmt: skip
        for at, (name, row) in enumerate(each["choices"].items()):
            metric = row["MRR@10"]
            if metric["ci95"][0] is not None:
                axes.plot([row["cost_ms"]] * 2, metric["ci95"], color=BAND, lw=2, zorder=0)
            axes.plot(
                [row["cost_ms"]], [metric["value"]], marker=mark(at + 1), ms=7, ls="", color=colour(number),
                label=name if number == 0 else None,
            )  # fmt: skip
    axes.set_xlabel("modelled retrieval, ms a search")
    axes.set_ylabel("MRR@10")
    legend_above(axes)


def _classes(looked: Json, axes: Axes) -> None:
    names = sorted({name for each in looked.values() for name in each["decisions"]["as decided"]["by_class"]})
    for number, (policy, each) in enumerate(looked.items()):
        found = each["decisions"]["as decided"]["by_class"]
        places = [at + (number - 0.5 * (len(looked) - 1)) * 0.16 for at in range(len(names))]
        values = [found[name]["value"] for name in names]
        for place, name in zip(places, names, strict=True):
            low, high = found[name]["ci95"]
            if low is not None:
                axes.plot([place, place], [low, high], color=BAND, lw=3, zorder=0)
        axes.plot(places, values, marker=mark(number), ls="", ms=6, color=colour(number), label=policy)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("right decisions")
    legend_above(axes)


def _reliability(estimated: Json, retrievers: list[str], figure: Figure) -> None:
    for panel, retriever in zip(panels(figure, len(retrievers)), retrievers, strict=True):
        panel.plot([0, 1], [0, 1], color=BAND, lw=2, zorder=0)
        for number, (policy, each) in enumerate(estimated.items()):
            bins = each[retriever]["bins"]
            panel.plot(
                [predicted for predicted, _, _ in bins], [observed for _, observed, _ in bins],
                marker=mark(number), ms=4, ls=dash(number), color=colour(number), label=policy,
            )  # fmt: skip
        panel.set_title(retriever)
    figure.supxlabel("predicted P(it helps)", fontsize=9, color=SOFT)
    figure.supylabel("helped", fontsize=9, color=SOFT)
