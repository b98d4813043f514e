"""The plots that only a closed loop has: quality by class over time, and how fast nicknames are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bandstand.replay.report.canvas import SOFT, colour, dash, drawn, legend_above, mark, on_axes, panels, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = Mapping[str, Any]


def closed_loop_figures(result: Json) -> dict[str, str]:
    """By name: ``classes`` where the series has more than one point, ``nicknames`` where any was asked."""
    plots: dict[str, str] = {}
    series = {name: each["series"] for name, each in result["policies"].items() if len(each.get("series", ())) > 1}
    if series:
        alt = f"MRR@10 over time by class of query, one line each for {', '.join(series)}"
        rows = rows_of(len(_classes(series)))
        plots["classes"] = drawn("classes", alt, (9.6, 2.4 * rows + 0.5), partial(_by_class, series))
    learned = {
        name: each["nicknames"]["MRR@10_by_asking"]
        for name, each in result["policies"].items()
        if each.get("nicknames", {}).get("MRR@10_by_asking")
    }
    if learned:
        alt = "MRR@10 of the first, second, and later askings of a nickname"
        plots["nicknames"] = drawn("nicknames", alt, (9.6, 3.0), on_axes(partial(_nicknames, learned)))
    return plots


def _classes(series: Mapping[str, Sequence[Json]]) -> list[str]:
    return sorted({name for points in series.values() for point in points for name in point["by_class"]})


def _by_class(series: Mapping[str, Sequence[Json]], figure: Figure) -> None:
    classes = _classes(series)
    places = panels(figure, len(classes))
    for panel, value in zip(places, classes, strict=True):
        for number, (name, points) in enumerate(series.items()):
            there = [(point["searches"], point["by_class"].get(value, {}).get("MRR@10")) for point in points]
            known = [(at, quality) for at, quality in there if quality is not None]
            panel.plot(
                [at / 1000 for at, _ in known], [quality for _, quality in known],
                marker=mark(number), ms=3, ls=dash(number), color=colour(number), label=name,
            )  # fmt: skip
        panel.set_title(value)
        panel.set_ylim(0.0, 1.02)
    figure.supxlabel("thousand searches", fontsize=9, color=SOFT)
    figure.supylabel("MRR@10", fontsize=9, color=SOFT)
    handles, names = places[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), handlelength=1.6)


def _nicknames(learned: Mapping[str, Sequence[float]], axes: Axes) -> None:
    for number, (name, curve) in enumerate(learned.items()):
        asked = range(1, len(curve) + 1)
        axes.plot(asked, curve, marker=mark(number), ms=4, ls=dash(number), color=colour(number), label=name)
    axes.set_xlabel("the how-manieth time a nickname is asked")
    axes.set_ylabel("MRR@10")
    axes.set_ylim(0.0, 1.02)
    axes.locator_params(axis="x", integer=True)
    legend_above(axes)
