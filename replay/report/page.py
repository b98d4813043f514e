"""The report as one HTML file that needs nothing else: figures inline, no script, no link to anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from bandstand.errors import MissingDependency
from bandstand.replay.report.figures import choice_figures, figures

_TEMPLATE = "page.html.j2"


def render(result: Mapping[str, Any]) -> str:
    """The page of a summary (see `bandstand.replay.summary.summarize`).

    Raises:
        MissingDependency: jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as cause:
        raise MissingDependency("the report is written with jinja2: pip install 'bandstand[replay]'") from cause
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number, interval=interval, signed=signed, pretty=pretty)
    template = environment.from_string(files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        result=result,
        figures=figures(result),
        choices=choice_figures(result),
        best={measure: _best(result, measure) for measure in _measures(result)},
        measures=_measures(result),
        parts=_parts(result),
    )


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 4) -> str:
    """A difference with its sign."""
    return "–" if value is None else f"{value:+.{digits}f}"


def interval(bounds: tuple[float | None, float | None], digits: int = 3) -> str:
    """Both bounds of an interval."""
    return f"{number(bounds[0], digits)} – {number(bounds[1], digits)}"


def pretty(value: object) -> str:
    """A setting as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _measures(result: Mapping[str, Any]) -> list[str]:
    return list(next(iter(result["policies"].values()))["metrics"])


def _best(result: Mapping[str, Any], measure: str) -> float:
    return max(
        float(each["metrics"][measure]["value"]) for each in result["policies"].values() if each["kind"] == "policy"
    )


def _parts(result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Segments the other way round: by name and value, what each policy did there."""
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for policy, each in result["policies"].items():
        if each["kind"] == "policy":
            for name, values in each["segments"].items():
                if name != "retrievers":
                    for value, figures_there in values.items():
                        parts.setdefault(name, {}).setdefault(value, {})[policy] = figures_there
    return parts
