"""A replay in one call: played, measured, and written down; and two results side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from bandstand.errors import BadInput, StorageError
from bandstand.replay.report.page import render
from bandstand.replay.run import PlayProgress, kept_or_scratch, play, play_on_dask
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stream import Dataset
from bandstand.replay.summary import COMPARED, Json, summarize
from bandstand.statistics import ClusterBootstrap


def evaluate(
    dataset: Dataset,
    settings: ReplaySettings,
    *,
    folder: Path | None = None,
    progress: PlayProgress = lambda *_: None,
    dask: str | None = None,
) -> Json:
    """Play the data set and return the summary; ``folder`` keeps everything, so that an interrupted call can go on.

    ``dask`` is the address of a scheduler whose workers play the policies, see `play_on_dask`.

    Raises:
        BadInput: the data or the settings cannot be used; ``dask`` is given and ``folder`` is not.
        Conflict: ``folder`` holds another replay.
        MissingDependency: the extra `replay` is not installed.
    """
    if dask is not None:
        if folder is None:
            raise BadInput("name a folder that every Dask worker sees: --folder", field="folder")
        run = play_on_dask(dataset, settings, folder, dask, progress=progress)
        return summarize(run, run.tables())
    with kept_or_scratch(folder) as place:
        run = play(dataset, settings, place, progress=progress)
        return summarize(run, run.tables())


def write_json(result: Json, path: Path) -> None:
    """The summary as JSON; what is not a number is null.

    Raises:
        StorageError: the file cannot be written.
    """
    _write(path, orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))


def write_report(result: Json, path: Path) -> None:
    """The summary as a page.

    Raises:
        StorageError: the file cannot be written.
        MissingDependency: the extra `replay` is not installed.
    """
    _write(path, render(result).encode())


def read_result(path: Path) -> Json:
    """A summary that `write_json` wrote.

    Raises:
        BadInput: the file is missing or is no replay's result; the message names what it lacks.
    """
    try:
        result = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as cause:
        raise BadInput(f"{path} cannot be read as a replay's result: {cause}") from cause
    wanted = ("dataset", "protocol", "data_sha256", "seed", "n_searches", "policies")
    if not isinstance(result, dict) or (missing := [name for name in wanted if name not in result]):
        raise BadInput(
            f"{path} is no replay's result: it lacks {', '.join(missing if isinstance(result, dict) else wanted)}"
        )
    return result


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as cause:
        raise StorageError(f"{path} cannot be written: {cause.strerror}; choose another place") from cause


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


def compare_policies(
    dataset: Dataset, first: str, second: str, settings: ReplaySettings, *, folder: Path, progress: PlayProgress
) -> Json:
    """The same of two policies that are played side by side over one data set; raises as `evaluate`."""
    played = replace(settings, policies=(second, first), baselines=())
    found = evaluate(dataset, played, folder=folder, progress=progress)
    cost = _less(*(found["policies"][name]["cost_ms"] for name in (second, first)))
    rows = [{**row, "policy": f"{second} less {first}", "cost_ms": cost} for row in found["differences"]]
    return {"warnings": found["refused"], "differences": rows}


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
    both = {name: (two["policies"][name], one["policies"][name]) for name in shared}
    if paired:
        bootstrap = ClusterBootstrap(one["searches"]["users"], resamples=_RESAMPLES, seed=one["seed"])
        gaps = bootstrap.differences(
            {n: (new["values"][measure], old["values"][measure]) for n, (new, old) in both.items()}
        )
        found = {name: asdict(gap) for name, gap in gaps.items()}
    else:
        means = {name: [each["metrics"][measure]["value"] for each in pair] for name, pair in both.items()}
        found = {name: {"difference": _less(new, old)} for name, (new, old) in means.items()}
    return [
        {"policy": name, "measure": measure, "cost_ms": _less(new["cost_ms"], old["cost_ms"]), **found[name]}
        for name, (new, old) in both.items()
    ]


def _less(new: float | None, old: float | None) -> float | None:
    """Their difference; None where one of them is undefined."""
    return None if new is None or old is None else new - old
