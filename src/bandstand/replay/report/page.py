"""The report as one HTML file that needs nothing else: figures inline, no script, no link to anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from bandstand.errors import MissingDependency
from bandstand.replay.report import words
from bandstand.replay.report.closed_loop import closed_loop_figures
from bandstand.replay.report.figures import choice_figures, figures
from bandstand.replay.report.ope_figures import ope_figures
from bandstand.replay.report.selective_figures import selective_figures

Json = Mapping[str, Any]


def render(result: Json) -> str:
    """The page of a result: of a replay, a closed loop, an off-policy evaluation, or a look into selective retrieval.

    Raises:
        MissingDependency: jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as cause:
        raise MissingDependency("the report is written with jinja2: pip install 'bandstand[replay]'") from cause
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text(encoding="utf-8")),
    )
    filters = (words.number, words.interval, words.signed, words.compact, words.bounds)
    environment.filters.update({each.__name__: each for each in filters})
    name, own = _body(result)
    return environment.get_template(name).render(
        result=result,
        kind=words.kind(result),
        unsure=words.unsure(result),
        tiles=words.tiles(result),
        settings=words.settings(result),
        **own,
    )


def _body(result: Json) -> tuple[str, Json]:
    """The template of a result, and what only that one shows."""
    if "estimates" in result:
        return "ope.html.j2", _evaluation(result)
    return ("selective.html.j2", _selective(result)) if "looked_into" in result else ("page.html.j2", _replay(result))


def _selective(result: Json) -> Json:
    return {
        "reassurance": "Costs are modelled; the wall clock under load is in docs/selective.md.",
        "subtitle": f"{result['n_searches']:,} held-out searches · seed {result['seed']}",
        "figures": selective_figures(result),
    }


def _replay(result: Json) -> Json:
    policies = {name: each for name, each in result["policies"].items() if each["kind"] == "policy"}
    return {
        "reassurance": "Every row could be used, and every difference is larger than chance.",
        "subtitle": f"{result['n_searches']:,} searches of {result['n_users']:,} users · seed {result['seed']}",
        "figures": {**figures(result), **closed_loop_figures(result)},
        "choices": choice_figures(result),
        "best": {measure: _best(policies, measure) for measure in _measures(result)},
        "measures": _measures(result),
        "policies": list(policies),
        "parts": _parts(policies),
        "learned": {name: each for name, each in policies.items() if "nicknames" in each},
        "recoveries": {name: each["recovery"] for name, each in policies.items() if "recovery" in each},
    }


def _evaluation(result: Json) -> Json:
    notes = dict.fromkeys(row["note"] for row in result["estimates"].values() if row["note"])
    return {
        "reassurance": "Every round could be used, and the log passes every check.",
        "notes": {note: number for number, note in enumerate(notes, start=1)},
        "subtitle": f"{result['n_searches']:,} rounds · arms {', '.join(result['arms'])} · seed {result['seed']}",
        "figures": ope_figures(result),
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
