"""The report's plots as inline SVG, by matplotlib; the same figures give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bandstand.errors import MissingDependency

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]

COLOURS = ("#0b6e8f", "#d1495b", "#6a994e", "#e09f3e", "#7a5195", "#4a4e69", "#2a9d8f", "#bc6c25")
_GREY = "#8d99ae"
_STYLE: Any = {  # matplotlib's own type of it lists every setting by name
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: searchable, and sharp in print
    "svg.hashsalt": "bandstand",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "grid.color": "#e7eaf0",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def figures(result: Json) -> dict[str, str]:
    """Every plot that the result has figures for, by name, as ``<svg>`` elements."""
    plots: dict[str, str] = {"pareto": _drawn(lambda axes: _pareto(axes, result), (9.2, 4.4))}
    curves = {name: points for name, points in result["curves"].items() if len(points) > 1}
    if curves:
        plots["curves"] = _drawn(lambda axes: _curves(axes, curves, "MRR@10"), (9.2, 3.2))
        plots["costs"] = _drawn(lambda axes: _curves(axes, curves, "cost_ms"), (9.2, 2.6))
    if result["calibration"]:
        plots["calibration"] = _drawn(lambda axes: _calibrated(axes, result["calibration"]), (4.2, 4.0))
    return plots


def choice_figures(result: Json) -> dict[str, str]:
    """For each policy that chooses, and each class of query, which retrievers played over time; by "policy: class"."""
    plots: dict[str, str] = {}
    for name, rows in result["choices"].items():
        if _varies(rows):
            for value in dict.fromkeys(row["class"] for row in rows):
                of_class = [row for row in rows if row["class"] == value]
                plots[f"{name}: {value}"] = _drawn(partial(_chosen, rows=of_class), (4.4, 2.6))
    return plots


def _drawn(draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise MissingDependency("the report draws with matplotlib: pip install 'bandstand[replay]'") from cause
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(buffer.getvalue())


def _inline(svg: str) -> str:
    """The element alone, without the references (metadata, document type, namespaces) that a page does not need."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    return svg.replace("xlink:href", "href")


def _pareto(axes: Axes, result: Json) -> None:
    """Quality against cost, with the front of those that nothing beats in both."""
    points = [
        (name, each["cost_ms"], each["metrics"]["MRR@10"], each["kind"]) for name, each in result["policies"].items()
    ]
    for number, (name, cost, metric, kind) in enumerate(points):
        low, high = metric["ci95"]
        value = metric["value"]
        colour = COLOURS[number % len(COLOURS)] if kind == "policy" else _GREY
        errors = None if low is None else [[max(value - low, 0)], [max(high - value, 0)]]
        mark, size = ("o", 6) if kind == "policy" else ("s", 4)
        axes.errorbar([cost], [value], yerr=errors, fmt=mark, ms=size, color=colour, capsize=2, elinewidth=1)
        axes.annotate(name, (cost, value), xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour)
    front = pareto_front([(cost, metric["value"]) for _, cost, metric, _ in points])
    axes.plot([cost for cost, _ in front], [value for _, value in front], color="#cfd6e4", lw=2, zorder=0)
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(left=-0.02)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("modelled retrieval, ms a search")
    axes.set_ylabel("MRR@10")
    axes.set_ylim(bottom=0)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, value) those that no other beats in both, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def _curves(axes: Axes, curves: Mapping[str, Sequence[Json]], measure: str) -> None:
    for number, (name, points) in enumerate(curves.items()):
        axes.plot(
            [point["at"] for point in points],
            [point[measure] for point in points],
            marker="o", ms=3, color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set_ylabel("ms a search" if measure == "cost_ms" else measure)
    axes.set_ylim(bottom=0)
    labels = list(dict.fromkeys(point["at"] for points in curves.values() for point in points))
    axes.set_xticks(range(0, len(labels), -(-len(labels) // 10)))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def _calibrated(axes: Axes, calibration: Mapping[str, Sequence[Json]]) -> None:
    axes.plot([0, 1], [0, 1], color="#cfd6e4", lw=2, zorder=0)
    for number, (name, bins) in enumerate(calibration.items()):
        axes.plot(
            [each["believed"] for each in bins], [each["right"] for each in bins],
            marker="o", ms=4, color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set_xlabel("what the memory believed")
    axes.set_ylabel("share that was right")
    axes.legend(fontsize=8)


def _chosen(axes: Axes, rows: Sequence[Json]) -> None:
    for number, arm in enumerate(rows[0]["played"]):
        axes.plot(
            [row["stretch"] for row in rows], [row["played"][arm] for row in rows],
            color=COLOURS[number % len(COLOURS)], label=arm,
        )  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("tenth of the stream")
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _varies(rows: Sequence[Json]) -> bool:
    """Whether the policy chose at all: sets that always play are the same in every row."""
    return len({tuple(row["played"].values()) for row in rows}) > 1
