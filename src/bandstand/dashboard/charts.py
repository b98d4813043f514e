"""What a chart is, how far back it looks, and its picture: SVG by pygal, no script, colours by the page's theme."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from bandstand.dashboard.minutes import Counts, added
from bandstand.errors import BadInput
from bandstand.types.answers import Answer
from bandstand.types.times import DAY_S, HOUR_S, MINUTE_S

if TYPE_CHECKING:
    from pygal.graph.graph import Graph
    from pygal.style import Style


Kind = Literal["lines", "stacked", "bars", "across"]
"""How it is drawn; "across" are bars that lie, the first on top: for places with long names."""

Number = float | None
"""A value; None where there is nothing to show."""


class Explained(Answer):
    """A chart's name (part of addresses), title and unit, and how its numbers are computed."""

    name: str
    title: str
    unit: str
    how: str
    kind: Kind = "lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart with its data.

    ``places`` are what stands along it: times as seconds since 1970, or words. ``lines`` holds one number for each
    place by the name of a line; ``low`` and ``high`` bound a line of the same name, where it has intervals. ``grey``
    gives the reason for places of which too little is known.
    """

    about: Explained
    places: Sequence[float] | Sequence[str]
    lines: Mapping[str, Sequence[Number]]
    low: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    high: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    grey: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for line in self.lines.values() for value in line)


class ChartAnswer(Explained, kw_only=True):
    """A chart with its numbers: one for each place, by line; null where there is nothing to show.

    Places are seconds since 1970, or words. `low` and `high` bound lines; `grey` says of which places too little is
    known, and why. `svg` is the picture, where one was asked for.
    """

    places: Sequence[float | str]
    lines: Mapping[str, Sequence[Number]]
    low: Mapping[str, Sequence[Number]]
    high: Mapping[str, Sequence[Number]]
    grey: Mapping[str, str]
    svg: str | UnsetType = UNSET

    @classmethod
    def of(cls, chart: Chart, theme: Theme | None = None) -> ChartAnswer:
        """Of a chart; with a ``theme`` also its picture."""
        picture = UNSET if theme is None else svg(chart, theme)
        numbers = {name: getattr(chart, name) for name in ("places", "lines", "low", "high", "grey")}
        return cls(**asdict(chart.about), **numbers, svg=picture)


class ChartsAnswer(Answer):
    """The charts of one section over a span, the last step of which holds the present."""

    section: str
    span: str
    step_seconds: int
    charts: list[ChartAnswer]


def ratio(above: float, below: float, *, scale: float = 1.0) -> Number:
    """A quotient for a chart; None where nothing was counted below."""
    return scale * above / below if below else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``length`` seconds in steps of ``step`` seconds."""

    name: str
    length: int
    step: int

    def starts(self, now: float) -> list[float]:
        """The moments at which the steps begin, the last of which holds ``now``."""
        last = int(now) // self.step * self.step
        return [float(last - self.step * back) for back in reversed(range(self.length // self.step))]


SPANS: Mapping[str, Span] = {
    span.name: span
    for span in (
        Span(name="hour", length=HOUR_S, step=MINUTE_S),
        Span(name="day", length=DAY_S, step=15 * MINUTE_S),
        Span(name="week", length=7 * DAY_S, step=2 * HOUR_S),
        Span(name="quarter", length=90 * DAY_S, step=DAY_S),
    )
}


def span_of(name: str) -> Span:
    """The span of a name.

    Raises:
        BadInput: there is none.
    """
    if name not in SPANS:
        raise BadInput(f"unknown span {name!r}: use one of {', '.join(SPANS)}", field="span")
    return SPANS[name]


def stepped(rows: Iterable[tuple[float, Mapping[str, float]]], span: Span, now: float) -> list[Counts]:
    """Counts by step, from rows of counts with the moment at which they began; what lies outside is left out."""
    starts = span.starts(now)
    sums: list[Counts] = [{} for _ in starts]
    for moment, counts in rows:
        at = int((moment - starts[0]) // span.step)
        if 0 <= at < len(sums):
            added(sums[at], counts)
    return sums


Theme = Literal["light", "dark"]

_WIDTH, _HEIGHT = 640, 300
_MARKS = 6
_MARGIN, _LEGEND_COLUMNS, _LEGEND_ROW = 8, 4, 20
_INK = {"light": ("#5d5a6e", "#1b1a26", "#e2dfea"), "dark": ("#a9a7bb", "#ededf5", "#33333f")}
"""Text, strong text, grid lines; as the style sheet has them."""

_COLOURS = {
    "light": ("#5b2be0", "#c05a00", "#176b3a", "#1d5fa8", "#a3216d", "#6a5200", "#0b6a70", "#a8122f"),
    "dark": ("#b7a3ff", "#f2a766", "#82dba4", "#8cc0ff", "#ff9fd0", "#dfc65c", "#74d6dc", "#ff9aa9"),
}
_GREY = {"light": "#c9c6d4", "dark": "#4a4a58"}


def svg(chart: Chart, theme: Theme) -> str:
    """The picture of a chart, with its unit beside it; what is grey is drawn in grey, and says so in its label."""
    graph = _graph(chart, _style(theme))
    labels = _labels(chart)
    graph.x_labels = labels[::-1] if chart.about.kind == "across" else labels  # pygal begins at the bottom
    highest = [value for line in chart.high.values() for value in line if value is not None]
    if highest:
        graph.range = (0.0, max(highest))
    if chart.about.kind in ("lines", "stacked"):
        graph.x_labels_major_every = max(len(chart.places) // _MARKS, 1)
        graph.show_minor_x_labels = False
    for name, line in chart.lines.items():
        values = _values(chart, name, line, theme)
        graph.add(name, values[::-1] if chart.about.kind == "across" else values)
    return _picture(graph)


def _picture(graph: Graph) -> str:
    """The drawing without what pygal adds for its own script: a picture runs none, and the numbers stand beside it."""
    from pygal.etree import etree

    root = graph.render_tree()
    for parent in list(root.iter()):
        for child in [child for child in parent if str(child.tag).rpartition("}")[2] in ("script", "desc")]:
            parent.remove(child)
    return str(etree.tostring(root, encoding="unicode"))


def _graph(chart: Chart, style: Style) -> Graph:
    import pygal

    lines = len(chart.lines)
    columns = max(min(lines, _LEGEND_COLUMNS), 1)
    common: dict[str, Any] = {
        "style": style,
        "js": (),
        "width": _WIDTH,
        "height": _HEIGHT,
        "x_title" if chart.about.kind == "across" else "y_title": chart.about.unit,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": columns,
        "legend_box_size": 10,
        "show_legend": len(chart.lines) > 1,
        "margin": _MARGIN,
        "margin_bottom": _MARGIN + (0 if lines % columns == 0 else _LEGEND_ROW),  # pygal rounds the rows down
        "min_scale": 3,
        "max_scale": 6,
        "include_x_axis": True,
        "truncate_label": -1,
        "value_formatter": _number,
        "no_data_text": "nothing yet",
        "disable_xml_declaration": True,
    }
    if chart.about.kind == "across":
        return pygal.HorizontalBar(**common, spacing=4)
    if chart.about.kind == "bars":
        return pygal.Bar(**common, x_label_rotation=20 if len(chart.places) > 7 else 0, spacing=12)
    kind = pygal.StackedLine if chart.about.kind == "stacked" else pygal.Line
    known = sum(value is not None for line in chart.lines.values() for value in line)
    return kind(
        **common,
        fill=chart.about.kind == "stacked",
        show_dots=chart.about.kind == "lines" and known <= 3 * lines,  # a line needs two points to be seen
        dots_size=3,
        allow_interruptions=True,
        stroke_style={"width": 2},
    )


def _style(theme: Theme) -> Style:
    from pygal.style import Style

    soft, strong, lines = _INK[theme]
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=soft,
        foreground_strong=strong,
        foreground_subtle=lines,
        guide_stroke_color=lines,
        major_guide_stroke_color=lines,
        guide_stroke_dasharray="0",
        major_guide_stroke_dasharray="0",
        colors=_COLOURS[theme],
        opacity=".85",
        font_family="system-ui, sans-serif",
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        title_font_size=13,
        no_data_font_size=16,
        ci_colors=(strong,),
    )


def _labels(chart: Chart) -> list[str]:
    """What stands along the chart: times in UTC as long as they need to be told apart, words as they are."""
    places = chart.places
    if not places or isinstance(places[0], str):
        return [f"{place} *" if place in chart.grey else str(place) for place in places]
    far = len(places) > 1 and float(places[-1]) - float(places[0]) > 2 * DAY_S
    return [datetime.fromtimestamp(float(place), UTC).strftime("%d %b" if far else "%H:%M") for place in places]


def _values(chart: Chart, name: str, line: Sequence[Number], theme: Theme) -> list[Any]:
    """A line's values; with what bounds them, and grey where too little is known."""
    low, high = chart.low.get(name), chart.high.get(name)
    found: list[Any] = []
    for at, (place, value) in enumerate(zip(chart.places, line, strict=True)):
        if value is None:
            found.append(None)
            continue
        entry: dict[str, Any] = {"value": value}
        if str(place) in chart.grey:
            entry["color"] = _GREY[theme]
        if low is not None and high is not None and low[at] is not None and high[at] is not None:
            entry["ci"] = {"low": low[at], "high": high[at]}
        found.append(entry if len(entry) > 1 else value)
    return found


def _number(value: float | None) -> str:
    """Few digits, and thousands apart."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if 0 < abs(value) < 100 else 0
    return f"{value:,.{min(digits, 4)}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
