"""The plots of a replay and of a closed loop: quality against cost, curves over time, what was chosen, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bandstand.replay.report.canvas import (
    BAND,
    SOFT,
    colour,
    dash,
    drawn,
    label_points,
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

WIDE = (9.6, 3.4)
_TICKS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_UNITS = {"cost_ms": "modelled ms a search"}


def figures(result: Json) -> dict[str, str]:
    """Every plot that the result has figures for, by name, as ``<svg>`` elements."""
    names = ", ".join(f"{name} {_said(each)}" for name, each in result["policies"].items())
    plots = {
        "pareto": drawn(
            "pareto", f"MRR@10 against modelled cost: {names}", (9.6, 4.2), on_axes(partial(_pareto, result))
        )
    }
    lines = curves(result)
    if lines:
        for name, measure in (("curves", "MRR@10"), ("costs", "cost_ms")):
            alt = f"{_UNITS.get(measure, measure)} over time, one line each for {', '.join(lines)}"
            plots[name] = drawn(name, alt, WIDE, on_axes(partial(_curves, lines, measure)))
    if result["calibration"]:
        alt = "Share of hits that were answers, by what the memory believed of them"
        plots["calibration"] = drawn(
            "calibration", alt, (4.4, 4.0), on_axes(partial(_calibrated, result["calibration"]))
        )
    return plots


def curves(result: Json) -> dict[str, list[Json]]:
    """By policy, the points over time: a closed loop's series where that has more than one, else stretches."""
    series = {name: each["series"] for name, each in result["policies"].items() if len(each.get("series", ())) > 1}
    if series:
        return {
            name: [{"at": f"{point['searches']:,}", **point} for point in points] for name, points in series.items()
        }
    return {name: points for name, points in result["curves"].items() if len(points) > 1}


def choice_figures(result: Json) -> dict[str, str]:
    """For each policy that chooses, which retrievers played over time, a panel for each class of query."""
    return {
        name: drawn(
            f"choices-{name}",
            f"Share of searches in which {name} played each retriever, over time, by class of query",
            (9.6, 2.3 * rows_of(len({row["class"] for row in rows})) + 0.5),
            partial(_chosen, rows),
        )
        for name, rows in result["choices"].items()
        if _varies(rows)
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (cost, value) those that no other beats in both, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def _pareto(result: Json, axes: Axes) -> None:
    policies = result["policies"]
    points = [(each["cost_ms"], each["metrics"]["MRR@10"]["value"]) for each in policies.values()]
    colours = [colour(n) if each["kind"] == "policy" else SOFT for n, each in enumerate(policies.values())]
    for number, each in enumerate(policies.values()):
        policy = each["kind"] == "policy"
        axes.errorbar(
            [each["cost_ms"]], [each["metrics"]["MRR@10"]["value"]], yerr=_errors(each["metrics"]["MRR@10"]),
            fmt=mark(number) if policy else "o", ms=7 if policy else 4, color=colours[number],
            mfc=colours[number] if policy else "none", capsize=2, elinewidth=1,
        )  # fmt: skip
    front = pareto_front(points)
    axes.plot([cost for cost, _ in front], [value for _, value in front], color=BAND, lw=2, zorder=0)
    _cost_axis(axes, max(cost for cost, _ in points))
    axes.margins(y=0.18)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 0.0))
    axes.set_ylabel("MRR@10 (up is better)")
    label_points(axes, points, list(zip(policies, colours, strict=True)))


def _errors(metric: Json) -> list[list[float]] | None:
    """How far the interval reaches down and up, as matplotlib wants it."""
    low, high = metric["ci95"]
    return None if low is None else [[max(metric["value"] - low, 0)], [max(high - metric["value"], 0)]]


def _cost_axis(axes: Axes, largest: float) -> None:
    """Logarithmic, but with a place for what costs nothing."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xticks([tick for tick in _TICKS if tick <= 1.6 * largest])
    axes.set_xlim(left=-0.02, right=max(1.8 * largest, 0.2))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("modelled retrieval, ms a search (left is cheaper)")


def _curves(lines: Mapping[str, Sequence[Json]], measure: str, axes: Axes) -> None:
    labels = list(dict.fromkeys(point["at"] for points in lines.values() for point in points))
    place = {label: at for at, label in enumerate(labels)}
    for number, (name, points) in enumerate(lines.items()):
        at = [place[point["at"]] for point in points]
        axes.plot(
            at,
            [point[measure] for point in points],
            marker=mark(number),
            ms=4,
            ls=dash(number),
            color=colour(number),
            label=name,
        )
    axes.set_ylabel(_UNITS.get(measure, measure))
    axes.set_ylim(bottom=0)
    every = -(-len(labels) // 10)
    axes.set_xticks(range(0, len(labels), every), labels[::every])
    legend_above(axes)


def _calibrated(calibration: Mapping[str, Sequence[Json]], axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=BAND, lw=2, zorder=0)
    for number, (name, bins) in enumerate(calibration.items()):
        axes.plot(
            [each["believed"] for each in bins], [each["right"] for each in bins],
            marker=mark(number), ms=4, ls=dash(number), color=colour(number), label=name,
        )  # fmt: skip
    axes.set_xlabel("probability that the memory gave")
    axes.set_ylabel("share that was right")
    legend_above(axes)


def _chosen(rows: Sequence[Json], figure: Figure) -> None:
    classes = list(dict.fromkeys(row["class"] for row in rows))
    places = panels(figure, len(classes))
    for panel, value in zip(places, classes, strict=True):
        mine = [row for row in rows if row["class"] == value]
        for number, retriever in enumerate(mine[0]["played"]):
            at, share = [row["stretch"] for row in mine], [row["played"][retriever] for row in mine]
            panel.plot(at, share, marker=mark(number), ms=3, ls=dash(number), color=colour(number), label=retriever)
        panel.set_title(f"{value} ({sum(row['searches'] for row in mine):,} searches)")
        panel.set_ylim(-0.04, 1.04)
        panel.set_xticks([1, 4, 7, 10])
    figure.supxlabel("tenth of the stream", fontsize=9, color=SOFT)
    figure.supylabel("share of searches", fontsize=9, color=SOFT)
    handles, names = places[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), handlelength=1.6, columnspacing=1.2)


def _varies(rows: Sequence[Json]) -> bool:
    """Whether the policy chose at all: sets that always play are the same in every row."""
    return len({tuple(row["played"].values()) for row in rows}) > 1


def _said(policy: Json) -> str:
    return f"{policy['metrics']['MRR@10']['value']:.3f} at {policy['cost_ms']:.2f} ms"


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
