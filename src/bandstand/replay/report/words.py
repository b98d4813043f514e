"""Numbers and settings as a reader wants them: the filters of the templates, and what stands above the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
Tile = tuple[str, str, str]
"""A name, a figure, and what qualifies it."""


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 4) -> str:
    """A difference with its sign."""
    return "–" if value is None else f"{value:+.{digits}f}"


def compact(value: float | None) -> str:
    """A parameter; empty where there is none."""
    return "" if value is None else f"{value:g}"


def interval(bounds: Sequence[float | None], digits: int = 3) -> str:
    """Both bounds of an interval."""
    return f"{number(bounds[0], digits)} – {number(bounds[1], digits)}"


def bounds(row: Json, method: str) -> str:
    """An estimate's interval by a method; empty where it has none."""
    found = next((each for each in row["intervals"] if each["method"] == method), None)
    return "" if found is None else f"{number(found['low'], 4)} – {number(found['high'], 4)}"


def kind(result: Json) -> str:
    """What was done to get the result."""
    if "estimates" in result:
        return "Off-policy evaluation"
    if "looked_into" in result:
        return "Selective retrieval"
    return "Closed loop" if "series" in result else "Time-ordered replay"


def unsure(result: Json) -> bool:
    """Whether the answer is that there is none."""
    return str(result["answer"]).startswith(("No verdict", "Not enough data"))


def tiles(result: Json) -> list[Tile]:
    """The few figures that a hurried reader needs."""
    if "estimates" in result:
        verdict, weights = result["verdict"], result["diagnostics"]["weights"]
        needed = verdict["rounds_needed"]
        return [
            *(_tile(name, each, "reward", 4) for name, each in result["policies"].items()),
            ("effective rounds", number(weights["ess"], 0), f"of {weights['rounds']:,}"),
            ("verdict", "enough" if verdict["enough"] else "refused", f"needs about {number(needed, 0)} rounds"),
        ]
    if "looked_into" in result:
        return [tile for name, each in result["looked_into"].items() for tile in _looked_into(name, each)]
    names = [name for name, each in result["policies"].items() if each["kind"] == "policy"][:3]
    return [tile for name in names for tile in _both(name, result["policies"][name])]


def settings(result: Json) -> Iterator[tuple[str, str]]:
    """Every setting by name, one level deep."""
    for part, values in result["settings"].items():
        if isinstance(values, Mapping):
            for name, value in values.items():
                yield f"{part}: {name}", _text(value)
        else:
            yield part, _text(values)


def _looked_into(name: str, looked: Json) -> tuple[Tile, Tile]:
    row, right = looked["choices"]["as decided"], looked["decisions"]["as decided"]["all"]
    share = f"{number(100 * row['cost_share'], 1)} % of the cost"
    return (
        (f"{name}: MRR@10 less always", signed(row["less_always"]["difference"]), share),
        (f"{name}: right decisions", number(right["value"]), f"95 %: {interval(right['ci95'])}"),
    )


def _both(name: str, policy: Json) -> tuple[Tile, Tile]:
    cost = (f"{name}: cost", f"{number(policy['cost_ms'], 2)} ms", "modelled retrieval, a search")
    return _tile(f"{name}: MRR@10", policy, "MRR@10", 3), cost


def _tile(name: str, policy: Json, measure: str, digits: int) -> Tile:
    metric = policy["metrics"][measure]
    return name, number(metric["value"], digits), f"95 %: {interval(metric['ci95'], digits)}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
