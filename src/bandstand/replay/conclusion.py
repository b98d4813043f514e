"""What a replay says in words: the question, the answer, and what it refuses to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandstand.replay.table import FEW

MIN_USERS = 20
"""Below so many users a bootstrap by user has too few different resamples for a verdict."""


def question_and_answer(result: Mapping[str, Any]) -> tuple[str, str]:
    """One sentence each: the first policy against the best other one by MRR@10."""
    names = list(result["policies"])
    first = names[0]
    others = [name for name, each in result["policies"].items() if each["kind"] == "policy" and name != first]
    if not others:
        question = f"How well would {first} have answered the {result['n_searches']:,} searches of {result['dataset']}?"
        return (
            question,
            f"With an MRR@10 of {_value(result, first)} at {_cost(result, first)} ms of modelled retrieval.",
        )
    best = max(others, key=lambda name: result["policies"][name]["metrics"]["MRR@10"]["value"])
    question = (
        f"Would {first} have served the {result['n_searches']:,} searches of {result['dataset']} better than {best}?"
    )
    return question, _answer(result, first, best)


def _answer(result: Mapping[str, Any], first: str, best: str) -> str:
    row = _difference(result, best)
    cost = f"{_cost(result, first)} ms of modelled retrieval against {_cost(result, best)}"
    figures = f"MRR@10 {_value(result, first)} against {_value(result, best)}"
    if (reason := _unsound(result)) is not None:
        return f"No verdict: {reason}; for what they are worth: {figures}, {cost}."
    bounds = f"{row['difference']:+.3f}, 95 % from {row['low']:+.3f} to {row['high']:+.3f}"
    if row["p_holm"] < 0.05:
        word = "Yes" if row["difference"] > 0 else "No"
        return f"{word}: {figures} ({bounds}), at {cost}."
    unseen = f"a true difference of less than {row['detectable']:.3f} would mostly go unseen"
    return f"The two cannot be told apart: {figures} ({bounds}; {unseen}), at {cost}."


def refusals(result: Mapping[str, Any]) -> list[str]:
    """What the report does not claim, and why."""
    found = []
    if result["leaks"]:
        found.append(f"Nothing here compares with leak-free figures: the stream knows {result['leaks']}.")
    if (reason := _unsound(result)) is not None:
        found.append(f"No verdict on any difference: {reason}.")
    else:
        found += [_open(row) for row in result["differences"] if row["measure"] == "MRR@10" and row["p_holm"] >= 0.05]
    if result["rejected"]["rows"]:
        found.append(
            f"{result['rejected']['rows']} rows could not be used: " + "; ".join(result["rejected"]["reasons"])
        )
    first = next(iter(result["policies"].values()))
    parts = {name: each for name, each in first["segments"].items() if name != "retrievers"}
    few = [f"{name} {value}" for name, each in sorted(parts.items()) for value, part in each.items() if part["few"]]
    if few:
        found.append(f"Segments of fewer than {FEW} searches, too few to judge: {', '.join(few)}.")
    return found


def _open(row: Mapping[str, Any]) -> str:
    return (
        f"{row['first']} against {row['second']}: MRR@10 differs by {row['difference']:+.4f}, which chance gives too "
        f"often (p = {row['p_holm']:.2f} after Holm's correction); about {row['detectable']:.4f} could have been found."
    )


def _unsound(result: Mapping[str, Any]) -> str | None:
    if result["n_users"] < MIN_USERS:
        return f"{result['n_users']} users are too few for intervals by user (at least {MIN_USERS})"
    compared = sum(row["measure"] == "MRR@10" for row in result["differences"])
    if 2 * compared / (result["resamples"] + 1) >= 0.05:
        return f"{result['resamples']} resamples cannot tell {compared} comparisons from chance: take more"
    values = {each["metrics"]["MRR@10"]["value"] for each in result["policies"].values() if each["kind"] == "policy"}
    return "no policy found anything" if values == {0.0} else None


def _difference(result: Mapping[str, Any], second: str) -> Mapping[str, Any]:
    return next(row for row in result["differences"] if row["measure"] == "MRR@10" and row["second"] == second)


def _value(result: Mapping[str, Any], name: str) -> str:
    return f"{result['policies'][name]['metrics']['MRR@10']['value']:.3f}"


def _cost(result: Mapping[str, Any], name: str) -> str:
    return f"{result['policies'][name]['cost_ms']:.2f}"
