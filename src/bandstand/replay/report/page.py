"""The report as one HTML file that needs nothing else: figures inline, no script, no link to anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from bandstand.errors import MissingDependency
from bandstand.replay.report.figures import choice_figures, closed_loop_figures, figures
from bandstand.replay.report.ope_figures import ope_figures
from bandstand.replay.report.selective_figures import selective_figures

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


def render(result: Json) -> str:
    """The page of a result: of a replay, a closed loop, an off-policy evaluation, or a look into selective retrieval.

    Raises:
        MissingDependency: jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as cause:
        raise MissingDependency("the report is written with jinja2: pip install jinja2") from cause
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (number, interval, signed, compact, bounds)
    environment.filters.update({each.__name__: each for each in filters})
    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        result=result,
        kind=kind(result),
        subtitle=_subtitle(result),
        unsure=unsure(result),
        tiles=tiles(result),
        settings=settings(result),
        **(_evaluation(result) if "estimates" in result else _rankings(result)),
    )


def _subtitle(result: Json) -> str:
    seed = f"seed {result['seed']}"
    if "estimates" in result:
        return f"{result['n_searches']:,} rounds · arms {', '.join(result['arms'])} · {seed}"
    held_out = "held-out " if "looked_into" in result else ""
    return f"{result['n_searches']:,} {held_out}searches of {result['n_users']:,} users · {seed}"


def _rankings(result: Json) -> Json:
    """What is drawn and listed of rankings: of a replay, a closed loop, selective retrieval."""
    policies = {name: each for name, each in result["policies"].items() if each["kind"] == "policy"}
    looked = selective_figures(result) if "looked_into" in result else {}
    return {
        "figures": {**figures(result), **closed_loop_figures(result), **looked},
        "choices": choice_figures(result),
        "best": {measure: _best(policies, measure) for measure in _measures(result)},
        "measures": _measures(result),
        "policies": list(policies),
        "parts": _parts(policies),
        "learned": {name: each for name, each in policies.items() if "nicknames" in each},
        "recoveries": {name: each["recovery"] for name, each in policies.items() if "recovery" in each},
    }


def _evaluation(result: Json) -> Json:
    """What is drawn and listed of estimates."""
    notes = dict.fromkeys(row["note"] for row in result["estimates"].values() if row["note"])
    return {
        "figures": ope_figures(result),
        "notes": {note: number for number, note in enumerate(notes, start=1)},
        "rows": {"as logged": result["logged"], **result["estimates"], "ahead of the log": result["gain"]},
        "fitting": sum(check["passed"] for check in result["diagnostics"]["propensities"]),
    }


def _measures(result: Json) -> list[str]:
    return list(next(iter(result["policies"].values()))["metrics"])


def _best(policies: Json, measure: str) -> float:
    return max(float(each["metrics"][measure]["value"]) for each in policies.values())


def _parts(policies: Json) -> dict[str, dict[str, dict[str, Any]]]:
    """Segments the other way round: by name and value, what each policy did there."""
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for policy, each in policies.items():
        for name, values in each["segments"].items():
            if name != "retrievers":
                for value, figures_there in values.items():
                    parts.setdefault(name, {}).setdefault(value, {})[policy] = figures_there
    return parts
