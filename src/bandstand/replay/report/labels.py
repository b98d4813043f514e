"""Names beside points, each where it covers neither another name nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

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
