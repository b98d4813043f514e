"""How every plot is drawn: one style, colours that the page decides on, names where they cover nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from bandstand.errors import MissingDependency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox


INK, SOFT, LINE, BAND = "#1d2433", "#5c6780", "#dfe4ee", "#c3cbdb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5568f", "#b07a00", "#3a8fc4", "#4a4e69", "#8c5a3c")
"""Okabe & Ito's palette, which the colour-blind can tell apart, its pale members darkened for white paper."""
MARKS = ("o", "s", "^", "D", "v", "P", "X", "h")
"""Beside its colour every line has a mark of its own, for print in grey."""

_VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", BAND: "band", **{c: f"c{n}" for n, c in enumerate(COLOURS)}}
_STYLE: Any = {  # matplotlib's own type of it lists every setting by name
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: searchable, and sharp in print
    "svg.hashsalt": "bandstand",
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": BAND,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": BAND,
    "ytick.color": BAND,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def colour(number: int) -> str:
    """The colour of the n-th thing of a plot."""
    return COLOURS[number % len(COLOURS)]


def mark(number: int) -> str:
    """Its mark."""
    return MARKS[number % len(MARKS)]


def dash(number: int) -> str:
    """Its line: every second one is broken, so that one below it can be seen."""
    return "--" if number % 2 else "-"


def drawn(name: str, alt: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """A figure as an ``<svg>`` element; the same input gives the same bytes.

    Args:
        name: Unique on the page; what the element defines is named after it.
        alt: What the figure shows, for who cannot see it.
        size: Width and height in inches.
        draw: Draws on the empty figure.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise MissingDependency("the report draws with matplotlib: pip install matplotlib") from cause
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return _inline(buffer.getvalue(), name, alt)


def on_axes(draw: Callable[[Axes], None]) -> Callable[[Figure], None]:
    """For figures of a single plot."""
    return lambda figure: draw(figure.add_subplot())


def panels(figure: Figure, count: int) -> list[Axes]:
    """``count`` small plots on common axes, at most four beside each other; the lowest of each column has numbers."""
    columns = count if count <= 4 else 3
    every = figure.subplots(rows_of(count), columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for spare in every[count:]:
        spare.set_visible(False)
    for lowest in every[max(count - columns, 0) : count]:
        lowest.tick_params(labelbottom=True)
    return list(every[:count])


def rows_of(count: int) -> int:
    """How many rows `panels` makes."""
    return 1 if count <= 4 else -(-count // 3)


def legend_above(axes: Axes) -> None:
    """The legend as a line above the plot, where it covers nothing."""
    entries = len(axes.get_legend_handles_labels()[1])
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(entries, 6), borderaxespad=0.2, handlelength=1.6)


def _inline(svg: str, name: str, alt: str) -> str:
    """The element alone: no references to the outside, ids of its own, colours as the page's variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    prefix = re.sub(r"\W+", "-", name)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub("|".join(_VARIABLES), lambda found: f"var(--{_VARIABLES[found[0]]})", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt, quote=True)}" ', 1)


_Side = tuple[int, int, Literal["left", "right", "center"]]
_SIDES: tuple[_Side, ...] = (
    (7, -12, "left"), (-7, 5, "right"), (7, 5, "left"), (-7, -12, "right"), (0, 11, "center"), (0, -18, "center"),
    (12, -26, "left"), (-12, 18, "right"), (12, 18, "left"), (-12, -26, "right"), (0, 28, "center"), (0, -36, "center"),
)  # fmt: skip
"""Offsets in points and alignment, the nearest first; a front that rises to the right leaves room below it."""


def label_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[tuple[str, str]]) -> None:
    """Annotate (x, y) with (name, colour), greedily in the given order; call it when everything else is drawn."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    taken = [_around(axes, point) for point in points]
    for point, (name, colour) in zip(points, names, strict=True):
        side, box = _best(axes, point, name, taken)
        _annotation(axes, point, name, side).set(color=colour, in_layout=False)
        taken.append(box)


def _best(axes: Axes, point: tuple[float, float], name: str, taken: Sequence[Bbox]) -> tuple[_Side, Bbox]:
    """The side on which a name covers least, and the place that it takes there."""
    inside = axes.get_window_extent()
    trials: list[tuple[int, int, Bbox]] = []
    for number, side in enumerate(_SIDES):
        text = _annotation(axes, point, name, side)
        box = text.get_window_extent()
        text.remove()
        outside = box.x1 > inside.x1 or box.x0 < inside.x0
        trials.append((sum(box.overlaps(other) for other in taken) + 3 * outside, number, box))
    _, best, box = min(trials, key=lambda trial: trial[:2])
    return _SIDES[best], box


def _annotation(axes: Axes, point: tuple[float, float], name: str, side: _Side) -> Annotation:
    x, y, align = side
    return axes.annotate(name, point, xytext=(x, y), textcoords="offset points", fontsize=8, ha=align)


def _around(axes: Axes, point: tuple[float, float]) -> Bbox:
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform(point)
    return Bbox.from_extents(x - 4, y - 4, x + 4, y + 4)
