"""Two results side by side: paired differences where the searches are the same, and warnings where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.replay.evaluate import read_result
from bandstand.replay.intervals import UserBootstrap, difference, holm
from bandstand.replay.summary import COMPARED

Json = dict[str, Any]

_RESAMPLES = 2_000


def compare(first: Path, second: Path) -> Json:
    """``{"warnings": [...], "differences": [...]}``: second less first, for every policy that both have.

    A difference is paired, with interval and Holm's correction within each measure, when both judged the same searches
    in the same order; otherwise it is a bare difference of means, and a warning says why.

    Raises:
        BadInput: a file is no replay's result.
    """
    one, two = read_result(first), read_result(second)
    warnings = _warnings(one, two)
    shared = [name for name in one["policies"] if name in two["policies"]]
    if not shared:
        warnings.append("the two have no policy in common")
    paired = one.get("searches") == two.get("searches") and "searches" in one
    if not paired:
        warnings.append("the searches differ or were not kept: differences are of means, without intervals")
    rows = [row for measure in _measures(one, two, shared) for row in _rows(one, two, shared, measure, paired=paired)]
    return {"warnings": warnings, "differences": rows}


def _measures(one: Mapping[str, Any], two: Mapping[str, Any], shared: list[str]) -> list[str]:
    """Those of a replay whose single values are kept; of an off-policy evaluation, what both have."""
    both = [m for name in shared for m in one["policies"][name]["metrics"] if m in two["policies"][name]["metrics"]]
    return [name for name in COMPARED if name in both] or list(dict.fromkeys(both))


def _warnings(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    named = {"dataset": "data sets", "data_sha256": "data (by SHA-256)", "protocol": "protocols", "seed": "seeds"}
    found = [f"the {what} differ: {one[key]} and {two[key]}" for key, what in named.items() if one[key] != two[key]]
    if one.get("leaks") != two.get("leaks"):
        found.append("one of the two knows what it should not (leak): the figures must not be compared")
    if one["n_searches"] != two["n_searches"]:
        found.append(f"the numbers of searches differ: {one['n_searches']} and {two['n_searches']}")
    return found


def _rows(
    one: Mapping[str, Any], two: Mapping[str, Any], shared: list[str], measure: str, *, paired: bool
) -> list[Json]:
    rows: list[Json] = []
    users = one["searches"]["users"] if paired else []
    bootstrap = UserBootstrap(users, resamples=_RESAMPLES, seed=one["seed"])
    for name in shared:
        old, new = one["policies"][name], two["policies"][name]
        row: Json = {"policy": name, "measure": measure, "cost_ms": _less(new["cost_ms"], old["cost_ms"])}
        if paired:
            row |= asdict(difference(np.array(new["values"][measure]), np.array(old["values"][measure]), bootstrap))
        else:
            row["difference"] = _less(new["metrics"][measure]["value"], old["metrics"][measure]["value"])
        rows.append(row)
    if paired:
        corrected = holm({row["policy"]: row["p"] for row in rows})
        rows = [row | {"p_holm": corrected[row["policy"]]} for row in rows]
    return rows


def _less(new: float | None, old: float | None) -> float | None:
    """Their difference; None where one of them is undefined."""
    return None if new is None or old is None else new - old
